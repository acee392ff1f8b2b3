"""Sizes of a policy's networks, as a training states them; nothing here needs torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from mmrl.modality.declaration import MOST_UNITS
from mmrl.settings.documents import fit
from mmrl.settings.named import Settings

LOG_STD_MIN = -3.0
"""Least logarithm of the standard deviation of continuous actions that is ever used."""

_DEFAULT_FUSION = "concat"


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the networks behind the encoders."""

    fusion: str = _DEFAULT_FUSION
    """How the senses are joined, a name in `mmrl.fusion.FUSIONS`."""
    fusion_options: Settings = field(default_factory=dict)
    """Options of that fusion by name, such as rank=8; docs/fusion.md lists them."""
    fused_features: int = 128
    """Size of the joint vector of all senses, or of each of those that stay side by side; 0 takes the encoding of an
    only sense as it is, without fusion."""
    actor_hidden: tuple[int, ...] = (128,)
    """Sizes of the hidden layers between the joint vector and the action."""
    critic_hidden: tuple[int, ...] = (128, 128)
    """Sizes of the hidden layers of the critic."""
    separate_critic: bool = False
    """Give the critic encoders and a fusion of its own in place of the actor's."""
    privileged_critic: bool = True
    """Let the critic read what the worlds show it alone, in simulation the state of the task; else it reads what the
    actor senses."""
    log_std_init: float = -1.0
    """Initial logarithm of the standard deviation of continuous actions."""
    penalty: float = 0.0
    """Weight alpha of the penalty alpha sum |w|^p on the size of weights, beside the loss: Lp regularisation."""
    penalty_power: Literal[1, 2] = 2
    """p: 1 for sparse weights, 2 for small ones."""
    head: str = "auto"
    """The head that turns the actor's last layer into actions, a name in `mmrl.policy.heads.ACTION_HEADS`."""

    def __post_init__(self) -> None:
        fit(self, "policy.")
        hidden = (*self.actor_hidden, *self.critic_hidden)
        if not all(1 <= size <= MOST_UNITS for size in hidden):
            raise ValueError(f"layer sizes must lie in 1..{MOST_UNITS}, got {hidden}")
        if not 0 <= self.fused_features <= MOST_UNITS:
            raise ValueError(f"fused_features must lie in 0..{MOST_UNITS}, got {self.fused_features}")
        if self.fused_features == 0 and (self.fusion != _DEFAULT_FUSION or self.fusion_options):
            asked = self.fusion if self.fusion != _DEFAULT_FUSION else f"the options {dict(self.fusion_options)}"
            raise ValueError(
                f"nothing is fused where fused_features is 0, which leaves no place for {asked}: "
                "give fused_features a size, such as 128"
            )
        if not 0 <= self.penalty < math.inf:
            raise ValueError(f"penalty must be finite and not negative, got {self.penalty}")
        if not LOG_STD_MIN <= self.log_std_init < math.inf:
            raise ValueError(f"log_std_init must be >= {LOG_STD_MIN}, got {self.log_std_init}")
