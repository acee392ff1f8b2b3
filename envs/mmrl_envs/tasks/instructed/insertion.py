"""Insertion into the hole that an instruction names: one of four, which differ in colour and mark.

One of the other holes has the colour of the one that is meant, one its mark, so that both words have to be followed. Of
the 30 pairs of a colour and a mark six are held out of training: to follow a pair never heard is to have understood the
words one by one. Whoever pushes into another hole ends the episode.

Letters: N = worlds, n = those being reset, H = holes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs.context import Choice, Parameter
from mmrl_envs.controllers.impedance import Impedance
from mmrl_envs.physics.world import World
from mmrl_envs.robots.tool_arm import ADAPTER_LENGTH, HAND
from mmrl_envs.scenes.friction import write_sliding
from mmrl_envs.scenes.marked_holes import COLOURS, HOLES, MARKS, MarkedHoles, add_marked_holes
from mmrl_envs.scenes.workcell import make_bench
from mmrl_envs.task import Outcome, Start
from mmrl_envs.tasks.instructed.instructions import DRAWS, PAIRS, TEMPLATES, looks, spoken
from mmrl_envs.tasks.peg import pegs
from mmrl_envs.tasks.peg.context import SHAPE_NAMES
from mmrl_envs.tasks.peg.insertion import PegInsertion
from mmrl_envs.tasks.peg.scene import PEG

SHAPE = pegs.PEG_SHAPES["square"]
CLEARANCE_M = SHAPE.paper_clearance_m
WRONG_DEPTH_M = 0.005
"""Depth of the tip in another hole from which that hole is chosen."""
_APART_M = 0.0405
"""Distance of the middles of the blocks from the middle of the four, along x and y."""
_WORDS = tuple(PAIRS)


class ToldInsertion(PegInsertion):
    """Insertion of a square peg into the hole that the words mean.

    Args:
        reward_weights: as of `PegInsertion`, whose dense reward this task has.
        impedance: the controller, or settings of it that differ from the usual ones.
    """

    senses = ("instruction", "holes", "proprioception")
    fields = ("instruction", "holes", "tool_wrench")
    figures = (
        *PegInsertion.figures,
        Figure("wrong_hole", "", "last", "low", "1 where the peg is in a hole that was not meant, else 0.", event=True),
    )
    parameters = (
        Choice("words", "train", _WORDS, "pairs of colour and mark that instructions name"),
        Parameter("block_x_m", (-0.008, 0.008), -0.015, 0.015, "place of the middle of the four blocks"),
        Parameter("block_y_m", (-0.008, 0.008), -0.015, 0.015, "place of the middle of the four blocks"),
        Parameter("scatter_m", 0.005, 0.0, 0.005, "how far each block may be from its place, along x and y"),
        Parameter("start_x_m", (-0.01, 0.01), -0.04, 0.04, "place of the tip at the start"),
        Parameter("start_y_m", (-0.01, 0.01), -0.04, 0.04, "place of the tip at the start"),
        Parameter("start_z_m", (0.01, 0.03), 0.005, 0.08, "height of the tip above the blocks at the start"),
        Parameter("friction", 0.4, 0.05, 1.5, "sliding friction of peg and blocks"),
    )

    def __init__(
        self,
        *,
        reward_weights: Mapping[str, float] | None = None,
        impedance: Impedance | Mapping[str, Any] | None = None,
    ) -> None:
        parameters = self.parameters
        super().__init__(reward_weights=reward_weights, impedance=impedance)
        self.parameters = parameters

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The bench with the arm, its peg, and four blocks."""
        spec = make_bench(physics_hz)
        self.robot.install(spec)
        pegs.add_peg(spec.body(HAND), SHAPE, ADAPTER_LENGTH, **PEG)
        add_marked_holes(spec, float(SHAPE.corners.max()) + CLEARANCE_M / 2, pegs.HOLE_DEPTH)
        return [spec]

    def attach(self, world: World) -> None:
        """Prepares the per-world state."""
        super().attach(world)
        n = world.num_worlds
        self.holes = MarkedHoles(world)
        self._spoken = spoken()
        self._meant: IntArray = np.zeros(n, np.intp)
        self._instruction: FloatArray = np.zeros((n, self._spoken.shape[-1]))
        self._shape[:], self._clearance[:] = SHAPE_NAMES.index(SHAPE.name), CLEARANCE_M
        self._symmetry[:] = SHAPE.symmetry_rad

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """Places blocks and tip, and says which hole is meant."""
        n = len(worlds)
        drawn = streams.uniform(worlds, (2 + 2 * HOLES + DRAWS,))
        pairs = [PAIRS[_WORDS[int(kind)]] for kind in context["words"]]
        pair = np.array([of[int(u * len(of))] for of, u in zip(pairs, drawn[:, 0], strict=True)])
        colours, marks, meant = looks(pair[:, 0], pair[:, 1], drawn[:, -DRAWS:])
        template = (drawn[:, 1] * len(TEMPLATES)).astype(np.intp)
        self._instruction[worlds] = self._spoken[template, pair[:, 0], pair[:, 1]]
        self._meant[worlds] = meant
        scatter = (2 * drawn[:, 2 : 2 + 2 * HOLES].reshape(n, HOLES, 2) - 1) * context["scatter_m"][:, None, None]
        middle = np.stack([context["block_x_m"], context["block_y_m"]], axis=1)
        places = middle[:, None] + _APART_M * _CORNERS + scatter
        self.holes.lay(worlds, places, colours, marks)
        write_sliding(self.world, worlds, self._contact_geoms, context["friction"])
        self._hole[worlds] = 0.0
        self._hole[worlds, :2] = places[np.arange(n), meant]
        start = np.stack([context[f"start_{axis}_m"] for axis in "xyz"] + [np.zeros(n)], axis=1)
        self._tip[worlds], self._velocity[worlds], self._force[worlds] = start, 0.0, 0.0
        self._held[worlds], self._in_block[worlds], self._tilt[worlds] = 0, 0.0, 0.0
        return Start(self.robot.joints_at(start), setpoint=start)

    def assess(self) -> Outcome:
        """As `PegInsertion`; a peg in another hole ends the episode."""
        outcome = super().assess()
        wrong = self.in_wrong_hole()
        figures = {**outcome.figures, "wrong_hole": wrong.astype(np.float64)}
        return replace(outcome, ended=wrong, figures=figures)

    def in_wrong_hole(self) -> BoolArray:
        """Whether the tip is `WRONG_DEPTH_M` deep in a hole that is not meant, (N,)."""
        away = np.linalg.norm(self._to_holes(), axis=2)
        over = away <= CLEARANCE_M + 0.0005
        over[self._every, self._meant] = False
        wrong: BoolArray = over.any(axis=1) & (-self.height() > WRONG_DEPTH_M)
        return wrong

    def _to_holes(self) -> FloatArray:
        """Places of the holes as seen from the tip, in W, metres, (N, H, 2)."""
        relative: FloatArray = self.holes.places - self._tip[:, None, :2]
        return relative

    def field(self, name: str) -> FloatArray:
        """`instruction` (N, L) numbers of words, `holes` (N, H, d + 1) as seen from the tip, `tool_wrench` (N, 6)."""
        if name == "instruction":
            return self._instruction
        if name == "holes":
            exists = np.ones((*self._meant.shape, HOLES, 1))
            looks_like = np.eye(len(COLOURS))[self.holes.colours], np.eye(len(MARKS))[self.holes.marks]
            return np.concatenate([self._to_holes(), *looks_like, exists], axis=2)
        if name in self.fields:
            return super().field(name)
        raise ValueError(f"{type(self).__name__} has no field {name!r}; it has {sorted(self.fields)}")

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The arrays of `PegInsertion`, those of the holes, and what is meant and said."""
        holes = {"places": self.holes.places, "colours": self.holes.colours, "marks": self.holes.marks}
        return {**super().arrays(), **holes, "meant": self._meant, "instruction": self._instruction}

    @property
    def meant(self) -> IntArray:
        """Which hole is meant, (N,): ground truth, for tests."""
        return self._meant


_CORNERS = np.array([(x, y) for x in (-1.0, 1.0) for y in (-1.0, 1.0)])
"""Where the blocks stand about the middle of the four, (H, 2)."""
