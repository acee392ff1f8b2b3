"""Gentle peg insertion: the block breaks above a force that the policy knows, and the height of its face is unknown.

Nothing but contact says where the face is, and nothing but the policy keeps the arm from pressing harder. The limit is
a command, as in Noseworthy et al., "FORGE: Force-Guided Exploration for Robust Contact-Rich
Manipulation under Uncertainty" (2024). An episode goes on after the block has broken, but cannot succeed any more.

Letters: N = worlds, n = those being reset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.controllers.impedance import Impedance
from mmrl_envs.physics.world import World
from mmrl_envs.task import Outcome, Start
from mmrl_envs.tasks.peg.insertion import PegInsertion

LEAST_LIMIT_N = 3.5
"""Least force limit in newtons: adapter and peg weigh 3.4 N, so that a block which breaks below cannot carry them."""
SUCCESS_WEIGHT = 4.0
"""Weight of success where none is given: to wait above the face, safe from breaking anything, must not pay."""
_MOST_EXCESS = 3.0


class PegInsertionGentle(PegInsertion):
    """Insertion into a block that breaks.

    Args:
        action: "xyz" (displacement at fixed orientation) or "xyz_yaw".
        reward_weights: as of `PegInsertion`, whose dense reward this task has.
        force_penalty: what a control step loses whose largest force is a whole limit above the safe one, in proportion
            to the excess, which counts three limits at most.
        safe_share: the safe force, as a share of the limit. Below 1 the policy learns to keep away from the limit
            before it has broken anything.
        impedance: the controller, or settings of it that differ from the usual ones.
    """

    privileged_size = PegInsertion.privileged_size + 4
    senses = ("hole_estimate", "force_limit", "force_torque", "proprioception")
    fields = (*PegInsertion.fields, "force_limit")
    figures = (
        *PegInsertion.figures,
        Figure("broken", "", "last", "low", "1 where the block is broken, else 0.", event=True),
        Figure("force_share", "", "max", "low", "The largest contact force of the episode as a share of the limit."),
    )

    def __init__(
        self,
        *,
        action: str = "xyz",
        reward_weights: Mapping[str, float] | None = None,
        force_penalty: float = 0.05,
        safe_share: float = 1.0,
        impedance: Impedance | Mapping[str, Any] | None = None,
    ) -> None:
        if not 0.0 <= force_penalty < np.inf:
            raise ValueError(f"force_penalty must be a finite number from 0 on, got {force_penalty!r}")
        if not 0.0 <= safe_share <= 1.0:
            raise ValueError(f"safe_share must be between 0 and 1, a share of the force limit, got {safe_share!r}")
        weights = {"success": SUCCESS_WEIGHT, **(reward_weights or {})}
        super().__init__(action=action, reward_weights=weights, impedance=impedance)
        self._penalty, self._safe_share = force_penalty, safe_share
        self.reward_terms = (*self.reward_terms, "force")
        self.parameters = (
            *self.parameters,
            Parameter(
                "force_limit_n", (25.0, 60.0), LEAST_LIMIT_N, 500.0, "contact force above which the block breaks"
            ),
            Parameter("block_z_m", (-0.008, 0.008), -0.01, 0.01, "height of the block's face against the usual one"),
        )

    def attach(self, world: World) -> None:
        """Prepares the per-world state."""
        super().attach(world)
        self._limit: FloatArray = np.full(world.num_worlds, np.inf)
        self._broken: BoolArray = np.zeros(world.num_worlds, np.bool_)
        self._share: FloatArray = np.zeros(world.num_worlds)

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """As `PegInsertion`, with a whole block and a limit."""
        self._limit[worlds] = context["force_limit_n"]
        self._broken[worlds], self._share[worlds] = False, 0.0
        return super().begin(worlds, context, streams)

    def _face(self, context: Mapping[str, FloatArray]) -> FloatArray:
        return context["block_z_m"]

    def assess(self) -> Outcome:
        """Reward, success and figures; a broken block takes success and its reward away."""
        outcome = super().assess()
        share = outcome.figures["peak_force_n"] / self._limit
        self._share = np.maximum(self._share, share)
        self._broken |= share > 1.0
        success = outcome.success & ~self._broken
        terms = {
            **outcome.reward_terms,
            "success": outcome.reward_terms["success"] * success,
            "force": -self._penalty * np.clip(share - self._safe_share, 0.0, _MOST_EXCESS),
        }
        reward: FloatArray = np.sum(list(terms.values()), axis=0)
        figures = {**outcome.figures, "broken": self._broken.astype(np.float64), "force_share": share}
        return replace(outcome, reward=reward, success=success, figures=figures, reward_terms=terms)

    def privileged(self) -> NDArray[np.float32]:
        """The vector of `PegInsertion`, then limit, whether the block is broken, largest share of the limit, height."""
        columns = [
            self._limit / 50.0,
            self._broken.astype(np.float64),
            np.minimum(self._share, 1.0 + _MOST_EXCESS),
            self._hole[:, 2] / 0.01,
        ]
        return np.concatenate([super().privileged(), np.stack(columns, axis=1).astype(np.float32)], axis=1)

    def field(self, name: str) -> FloatArray:
        """The fields of `PegInsertion`, and `force_limit` (N, 1) in newtons."""
        return self._limit[:, None] if name == "force_limit" else super().field(name)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The arrays of `PegInsertion`, and those of the force that the block bears."""
        return {**super().arrays(), "limit": self._limit, "broken": self._broken, "share": self._share}
