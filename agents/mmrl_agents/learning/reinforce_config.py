"""The settings of REINFORCE."""

import math
from dataclasses import dataclass
from typing import Literal

from mmrl.settings.documents import fit
from mmrl_agents.learning.optimizers import OptimizerName, require_steps


@dataclass(frozen=True)
class ReinforceConfig:
    """Settings of the algorithm; the network has its own."""

    optimizer: OptimizerName = "rmsprop"
    """How a gradient becomes a step."""
    learning_rate: float = 1e-4
    """Step size at the start, epsilon_0."""
    final_learning_rate: float | None = None
    """Step size at the end of a linear decay, epsilon_tau; unset keeps it constant."""
    decay_updates: int | None = None
    """Updates until the decay has reached its end, tau; unset takes the whole training."""
    momentum: float = 0.9
    """Share of the last step that `momentum` takes again."""
    rms_decay: float = 0.99
    """Decay per update of the mean squares of `rmsprop` and `adadelta`."""
    adam_betas: tuple[float, float] = (0.9, 0.999)
    """Decays per update of the mean and the mean square that `adam` and `adamw` keep."""
    eps: float = 1e-5
    """Added to the root of the squares in all optimisers but `sgd` and `momentum`; within it in `adadelta`."""
    weight_decay: float = 0.01
    """Share of a weight, times the step size, that `adamw` takes off at each update."""
    games_per_batch: int = 10
    """Whole games between two updates, a multiple of the number of worlds."""
    gamma: float = 0.99
    """Discount per step."""
    reset_returns_at_points: bool = False
    """Start the discounted sum anew at every reward that is not zero: for games of points, such as Pong."""
    standardize: Literal["batch", "game", "none"] = "batch"
    """Bring returns to unit deviation, and to zero mean where there is no baseline: by batch, by game or not at all."""
    baseline: Literal["none", "running_mean", "value"] = "none"
    """The baseline subtracted from the returns: nothing, their mean in earlier batches, or the critic's expectation."""
    baseline_decay: float = 0.9
    """Decay per update of the running mean."""
    value_learning_rate: float = 1e-3
    """Step size of the critic where it is the baseline, which has an Adam of its own."""
    value_epochs: int = 1
    """Passes of the critic over a batch of games, after the policy has learned from it. It changes nothing that the
    actor reads, so what the actor's encoders leave out it cannot learn unless `policy.separate_critic` is set."""
    entropy_coef: float = 0.0
    """Weight of the entropy bonus."""
    max_grad_norm: float | None = None
    """The gradient is scaled down to this norm; unset leaves it as it is."""

    def __post_init__(self) -> None:
        fit(self, "reinforce.")
        for name in (
            "learning_rate",
            "final_learning_rate",
            "decay_updates",
            "games_per_batch",
            "value_learning_rate",
            "value_epochs",
            "max_grad_norm",
        ):
            self._require(vars(self)[name] is None or 0 < vars(self)[name] < math.inf, name, "be above 0 and finite")
        require_steps(self, "reinforce")
        self._require(0 <= self.baseline_decay < 1, "baseline_decay", "lie in [0, 1)")
        self._require(0 <= self.gamma <= 1, "gamma", "lie in [0, 1]")
        self._require(0 <= self.entropy_coef < math.inf, "entropy_coef", "be finite and not negative")
        if self.decay_updates is not None and self.final_learning_rate is None:
            raise ValueError(f"reinforce.decay_updates is {self.decay_updates}, but final_learning_rate is not set")

    def _require(self, holds: bool, name: str, rule: str) -> None:
        if not holds:
            raise ValueError(f"reinforce.{name} must {rule}, got {vars(self)[name]}")
