"""Four square holes, each in a block of its own whose colour and mark say which it is.

Frame of a block: its origin is the middle of the hole in the upper face, z up, metres.

Letters: N = worlds, n = some of them, H = holes, C = colours, M = marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import mujoco
import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.physics.world import World
from mmrl_envs.scenes.groups import SCENE_GROUP
from mmrl_envs.scenes.workcell import CONTACT, WORKSPACE

HOLES = 4
"""H."""
COLOURS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "orange": (0.84, 0.37, 0.00),
        "blue": (0.00, 0.45, 0.70),
        "green": (0.00, 0.62, 0.45),
        "pink": (0.80, 0.47, 0.65),
        "yellow": (0.94, 0.89, 0.26),
        "white": (0.93, 0.93, 0.91),
    }
)
"""Red, green and blue of the blocks by name: Okabe and Ito's colours, told apart by colour-blind people too."""
MARKS: Mapping[str, tuple[tuple[float, float, float, float], ...]] = MappingProxyType(
    {
        "dot": ((0.0, 0.0, 0.003, 0.003),),
        "bar": ((0.0, 0.0, 0.002, 0.012),),
        "cross": ((0.0, 0.0, 0.0016, 0.006), (0.0, 0.0, 0.006, 0.0016)),
        "twins": ((0.0, -0.006, 0.0025, 0.0025), (0.0, 0.006, 0.0025, 0.0025)),
        "corner": ((-0.004, 0.0, 0.0016, 0.006), (0.0, -0.0045, 0.0055, 0.0016)),
    }
)
"""The black rectangles of each mark by name: middle x, y and half sides x, y, about the middle of the rim at +x."""
RIM = 0.014
"""Width of a block around its hole."""
_FLOOR = 0.01
_PAINT = 0.0004
"""Height of a mark above the face, and half its thickness."""
_HIDDEN = -0.012
"""Height of a mark that is not there: within the block."""
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))
_BOX = mujoco.mjtGeom.mjGEOM_BOX
_LOOK = {"group": SCENE_GROUP, **CONTACT}


def add_marked_holes(spec: mujoco.MjSpec, half: float, depth: float) -> None:
    """Adds the blocks as mocap bodies "hole0" to "hole3", with holes of a half width and a depth in metres."""
    for number in range(HOLES):
        block = spec.worldbody.add_body(name=f"hole{number}", mocap=True, pos=WORKSPACE)
        _add_walls(block, number, half, depth + _FLOOR)
        floor = {"size": [half, half, _FLOOR / 2], "pos": [0, 0, -depth - _FLOOR / 2], "rgba": (0.10, 0.11, 0.13, 1)}
        block.add_geom(name=f"floor{number}", type=_BOX, **floor, **_LOOK)
        _add_marks(block, number, half + RIM / 2)


def _add_walls(block: mujoco.MjsBody, number: int, half: float, height: float) -> None:
    """Adds walls "wall0_0" ...: two over the full width, and two between them."""
    for side, (x, y) in enumerate(_SIDES):
        out = half + RIM / 2
        size = [RIM / 2, half + RIM, height / 2] if x else [half, RIM / 2, height / 2]
        block.add_geom(name=f"wall{number}_{side}", type=_BOX, size=size, pos=[out * x, out * y, -height / 2], **_LOOK)


def _add_marks(block: mujoco.MjsBody, number: int, out: float) -> None:
    """Adds the rectangles of every mark, all of which are hidden at first."""
    for mark, rectangles in MARKS.items():
        for part, (x, y, half_x, half_y) in enumerate(rectangles):
            block.add_geom(
                name=f"mark{number}_{mark}{part}",
                type=_BOX,
                size=[half_x, half_y, _PAINT],
                pos=[out + x, y, _HIDDEN],
                rgba=(0.05, 0.05, 0.06, 1),
                group=SCENE_GROUP,
                contype=0,
                conaffinity=0,
            )


class MarkedHoles:
    """Places the blocks, and gives them colours and marks.

    Args:
        world: the worlds.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        model, n = world.template, world.num_worlds
        names = [f"{mark}{part}" for mark, parts in MARKS.items() for part in range(len(parts))]
        self._of_mark = np.array([i for i, parts in enumerate(MARKS.values()) for _ in parts])
        self._bodies = np.array([model.body(f"hole{h}").mocapid[0] for h in range(HOLES)])
        self._walls = np.array([model.geom(f"wall{h}_{side}").id for h in range(HOLES) for side in range(len(_SIDES))])
        self._marks = np.array([model.geom(f"mark{h}_{name}").id for h in range(HOLES) for name in names])
        self._mark_places = model.geom_pos[self._marks].reshape(HOLES, -1, 3).copy()
        self.places: FloatArray = np.zeros((n, HOLES, 2))
        """Middles of the holes in W, metres, (N, H, 2)."""
        self.colours: IntArray = np.zeros((n, HOLES), np.intp)
        """Colours by their numbers in `COLOURS`, (N, H)."""
        self.marks: IntArray = np.zeros((n, HOLES), np.intp)
        """Marks by their numbers in `MARKS`, (N, H)."""

    def lay(self, worlds: IntArray, places: FloatArray, colours: IntArray, marks: IntArray) -> None:
        """Gives worlds (n,) holes at places (n, H, 2) in W, with colours and marks (n, H)."""
        self.places[worlds], self.colours[worlds], self.marks[worlds] = places, colours, marks
        n = len(worlds)
        faces = np.concatenate([places, np.zeros((n, HOLES, 1))], axis=2)
        self._world.write("mocap_pos", worlds, faces + WORKSPACE, self._bodies)
        rgba = np.append(np.array(list(COLOURS.values())), np.ones((len(COLOURS), 1)), axis=1)[colours]
        self._world.write("geom_rgba", worlds, np.repeat(rgba, len(_SIDES), axis=1), self._walls)
        painted = np.tile(self._mark_places, (n, 1, 1, 1))
        painted[..., 2] = np.where(self._of_mark == marks[:, :, None], _PAINT, _HIDDEN)
        self._world.write("geom_pos", worlds, painted.reshape(n, -1, 3), self._marks)
