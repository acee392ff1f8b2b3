"""A tilted board with a stain of dots that can be wiped away.

Frame of the board: its origin in the middle of the upper face, z out of it.

Letters: n = worlds, D = dots.
"""

from __future__ import annotations

import mujoco
import numpy as np

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl_envs.physics.world import World
from mmrl_envs.scenes.groups import SCENE_GROUP
from mmrl_envs.scenes.workcell import WORKSPACE

MOST_DOTS = 12
"""D, the dots of a whole stain."""
DOT_SIDE = 0.011
"""Of a dot, which is a square, metres."""
_HALF = (0.17, 0.17, 0.005)  # so wide that the camera of the hand hardly ever sees an edge, which would tell the tilt
_SUNK = 0.006
"""How deep a dot that is wiped away lies within the board, metres."""
# What wipes is soft: 8 N press it in by half a millimetre. It touches the board and nothing else.
SOFT = {"solref": (0.03, 1.0), "solimp": (0.3, 0.9, 0.004, 0.5, 2.0), "contype": 2, "conaffinity": 2}
"""Contact of the board, and of what wipes it."""
_SEEN_ONLY = {"group": SCENE_GROUP, "contype": 0, "conaffinity": 0}
_GEOM = mujoco.mjtGeom


def add_board(spec: mujoco.MjSpec) -> None:
    """Adds the board on its stand, and its dots, as mocap bodies "board" and "dot0" to "dot11"."""
    board = spec.worldbody.add_body(name="board", mocap=True, pos=WORKSPACE)
    board.add_geom(
        name="board",
        type=_GEOM.mjGEOM_BOX,
        size=_HALF,
        pos=[0, 0, -_HALF[2]],
        rgba=(0.86, 0.85, 0.80, 1),
        group=SCENE_GROUP,
        **SOFT,
    )
    stand = {"size": [0.03, 0.015, 0], "pos": [0, 0, -2 * _HALF[2] - 0.015], "rgba": (0.3, 0.32, 0.35, 1)}
    board.add_geom(name="stand", type=_GEOM.mjGEOM_CYLINDER, **stand, **_SEEN_ONLY)
    for i in range(MOST_DOTS):
        dot = spec.worldbody.add_body(name=f"dot{i}", mocap=True, pos=WORKSPACE)
        disc = {"size": [DOT_SIDE / 2, DOT_SIDE / 2, 0.0006], "rgba": (0.62, 0.06, 0.10, 1)}
        dot.add_geom(name=f"dot{i}", type=_GEOM.mjGEOM_BOX, **disc, **_SEEN_ONLY)


class StainedBoards:
    """Places boards and dots in the worlds.

    Dots are bodies without contact: what is wiped away sinks into the board within the episode, for every renderer.

    Args:
        world: the worlds.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        model, n = world.template, world.num_worlds
        self._board = np.array([model.body("board").mocapid[0]])
        self._dots = np.array([model.body(f"dot{i}").mocapid[0] for i in range(MOST_DOTS)])
        self.middle: FloatArray = np.zeros((n, 3))
        """Origins of the boards in W, metres, (N, 3)."""
        self.axes: FloatArray = np.tile(np.eye(3), (n, 1, 1))
        """Axes of the boards in W, as columns, (N, 3, 3)."""
        self.dots: FloatArray = np.zeros((n, MOST_DOTS, 2))
        """Places of the dots in the frames of their boards, metres, (N, D, 2)."""

    def lay(self, worlds: IntArray, height: FloatArray, tilt: FloatArray, dots: FloatArray) -> None:
        """Gives worlds (n,) boards of heights (n,) in metres and tilts about x and y (n, 2) in radians, with dots."""
        quat = _tilted(tilt)
        self.middle[worlds] = np.stack([np.zeros_like(height), np.zeros_like(height), height], axis=1)
        self.axes[worlds] = _axes(quat)
        self.dots[worlds] = dots
        self._world.write("mocap_pos", worlds, (self.middle[worlds] + WORKSPACE)[:, None], self._board)
        self._world.write("mocap_quat", worlds, quat[:, None], self._board)
        self._world.write("mocap_quat", worlds, np.repeat(quat[:, None], MOST_DOTS, axis=1), self._dots)

    def show(self, worlds: IntArray, there: BoolArray) -> None:
        """Shows the dots of worlds (n,) that are there (n, D), and none of the others."""
        sunk = np.where(there, 0.0, -_SUNK)[:, :, None]
        local = np.concatenate([self.dots[worlds], sunk], axis=2)
        places = self.middle[worlds, None] + local @ self.axes[worlds].transpose(0, 2, 1)
        self._world.write("mocap_pos", worlds, places + WORKSPACE, self._dots)

    def seen_from(self, points: FloatArray) -> FloatArray:
        """Points in W (N, 3) in the frames of the boards, metres, (N, 3)."""
        seen: FloatArray = np.einsum("ni,nij->nj", points - self.middle, self.axes)
        return seen

    def distances(self, start: FloatArray, end: FloatArray) -> FloatArray:
        """Distances of the dots from straight ways on their boards between places (N, 2), metres, (N, D)."""
        way = (end - start)[:, None]
        from_start = self.dots - start[:, None]
        share = (from_start * way).sum(axis=2) / np.maximum((way * way).sum(axis=2), 1e-12)
        distance: FloatArray = np.linalg.norm(from_start - np.clip(share, 0.0, 1.0)[:, :, None] * way, axis=2)
        return distance


def scattered(middle: FloatArray, radius: FloatArray, drawn: FloatArray) -> FloatArray:
    """Places even over discs, metres, (n, D, 2).

    Args:
        middle: of the discs, (n, 2) metres.
        radius: of the discs, (n,) metres.
        drawn: numbers in [0, 1), (n, D, 2).
    """
    away, angle = radius[:, None] * np.sqrt(drawn[:, :, 0]), 2 * np.pi * drawn[:, :, 1]
    places: FloatArray = middle[:, None] + away[:, :, None] * np.stack([np.cos(angle), np.sin(angle)], axis=2)
    return places


def _tilted(tilt: FloatArray) -> FloatArray:
    """Quaternions (n, 4) of turns about x, then about the y axis so turned, radians, (n, 2)."""
    (cx, cy), (sx, sy) = np.cos(tilt / 2).T, np.sin(tilt / 2).T
    return np.stack([cx * cy, sx * cy, cx * sy, sx * sy], axis=1)


def _axes(quat: FloatArray) -> FloatArray:
    """Rotation matrices (n, 3, 3) of quaternions (n, 4)."""
    axes = np.zeros((len(quat), 9))
    for row, each in zip(axes, quat, strict=True):
        mujoco.mju_quat2Mat(row, each)
    return axes.reshape(-1, 3, 3)
