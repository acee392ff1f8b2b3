"""The settings of fitted Q iteration."""

import math
from dataclasses import dataclass
from typing import Literal

from mmrl.settings.documents import fit


@dataclass(frozen=True)
class FittedQConfig:
    """Settings of the algorithm; the network has its own, its values those of `policy.critic_hidden`."""

    gamma: float = 0.95
    """Discount per step."""
    levels: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0)
    """Values that each number of a continuous action may have; the choices are all their combinations."""
    remembered_actions: int = 0
    """Newest choices that belong to the state beside the senses, for worlds that show late what an action did."""
    random_steps: int = 64
    """Steps of every world with random actions before anything is fitted."""
    num_steps: int = 64
    """Steps of every world between two updates, which the batch of all transitions grows by."""
    epsilon: float = 0.1
    """Share of random actions in these steps at the start."""
    final_epsilon: float | None = None
    """Share of random actions at the end, approached linearly; unset is that of the start."""
    iterations: int = 10
    """Iterations of an update: each computes the targets of all transitions and fits the values to them."""
    epochs: int = 30
    """Passes of a fit over all transitions."""
    fit: Literal["rprop", "adam"] = "rprop"
    """Optimiser of a fit: `rprop` takes one step from the gradient of all transitions, `adam` one from each
    minibatch. Both begin anew in every fit, from the weights of the one before."""
    learning_rate: float = 1e-3
    """Step size of `adam`, first step size of `rprop`."""
    minibatch_size: int = 256
    """Transitions of a step of `adam`."""
    teaching_epochs: int = 20
    """Passes over the readings of the random steps in which objectives teach the encoders, which then stay as they
    are."""
    teaching_rate: float = 1e-3
    """Step size of Adam in the first of these passes, which falls to 0 from one to the next."""

    def __post_init__(self) -> None:
        fit(self, "fitted_q.")
        above_zero = ("random_steps", "num_steps", "iterations", "epochs", "learning_rate", "minibatch_size")
        for name in (*above_zero, "teaching_epochs", "teaching_rate"):
            self._require(0 < vars(self)[name] < math.inf, name, "be above 0 and finite")
        self._require(self.remembered_actions >= 0, "remembered_actions", "not be negative")
        self._require(0 <= self.gamma < 1, "gamma", "lie in [0, 1)")
        for name in ("epsilon", "final_epsilon"):
            self._require(vars(self)[name] is None or 0 <= vars(self)[name] <= 1, name, "lie in [0, 1]")
        finite = all(map(math.isfinite, self.levels))
        self._require(finite and len(set(self.levels)) >= 2, "levels", "be two or more different numbers")

    def _require(self, holds: bool, name: str, rule: str) -> None:
        if not holds:
            raise ValueError(f"fitted_q.{name} must {rule}, got {vars(self)[name]}")
