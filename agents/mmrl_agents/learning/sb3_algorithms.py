"""Algorithms of Stable-Baselines3 and sb3-contrib by the name that a training run uses, and their settings.

Nothing here loads SB3, which is an optional dependency.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mmrl.settings.documents import fit
from mmrl.settings.named import Settings


@dataclass(frozen=True)
class SB3Config:
    """Settings of an algorithm of Stable-Baselines3, under the names that it uses itself."""

    options: Settings = field(default_factory=dict)
    """Arguments of the algorithm, such as batch_size=256 learning_rate=lin_3e-4, where lin_ falls linearly to 0;
    action_noise_std=0.1 is Gaussian exploration noise."""
    policy_options: Settings = field(default_factory=dict)
    """Arguments of its policy besides fusion and layer sizes, which are those of mmrl's own, such as n_critics=5."""

    def __post_init__(self) -> None:
        fit(self, "sb3.")


@dataclass(frozen=True)
class SB3Algorithm:
    """Where an algorithm is found and what a run of it starts from."""

    summary: str
    """A line for `mmrl list agents`."""
    class_name: str
    """Name of its class."""
    package: str = "stable_baselines3"
    """Package that has the class."""
    policy: str = "MultiInputPolicy"
    """Its policy for observations with names."""
    critic: str = "vf"
    """The name of the critic in its `net_arch`."""
    replays: bool = False
    """Whether it learns from a buffer of transitions rather than from rollouts."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Arguments in place of SB3's own defaults, which are for one world and no images."""

    def load(self) -> type[Any]:
        """Its class; ValueError where the package is not installed."""
        try:
            found: type[Any] = getattr(importlib.import_module(self.package), self.class_name)
        except ImportError as error:
            missing = self.package.replace("_", "-")
            raise ValueError(f"{self.class_name} needs {missing}, install it by: pip install 'mmrl[sb3]'") from error
        return found


_ROLLOUTS = MappingProxyType({"learning_rate": "lin_5e-4", "n_steps": 32, "batch_size": 512, "n_epochs": 3})
# A transition with a camera of 64 x 64 pixels takes 28 kB, so that SB3's default of a million would take 28 GB.
_REPLAY = MappingProxyType(
    {"buffer_size": 50_000, "learning_starts": 2_000, "batch_size": 256, "train_freq": 4, "gradient_steps": 16}
)

SB3_ALGORITHMS: Mapping[str, SB3Algorithm] = MappingProxyType(
    {
        "sb3-ppo": SB3Algorithm(
            "Proximal policy optimisation of Stable-Baselines3.",
            "PPO",
            defaults=_ROLLOUTS,
        ),
        "sb3-sac": SB3Algorithm(
            "Soft actor-critic of Stable-Baselines3 (Haarnoja et al. 2018).",
            "SAC",
            critic="qf",
            replays=True,
            defaults=_REPLAY,
        ),
        "sb3-td3": SB3Algorithm(
            "Twin delayed DDPG of Stable-Baselines3 (Fujimoto et al. 2018).",
            "TD3",
            critic="qf",
            replays=True,
            defaults={**_REPLAY, "action_noise_std": 0.1},
        ),
        "sb3-recurrent-ppo": SB3Algorithm(
            "PPO with an LSTM behind the fused senses, of sb3-contrib.",
            "RecurrentPPO",
            package="sb3_contrib",
            policy="MultiInputLstmPolicy",
            defaults=_ROLLOUTS,
        ),
        "sb3-tqc": SB3Algorithm(
            "Truncated quantile critics of sb3-contrib (Kuznetsov et al. 2020).",
            "TQC",
            package="sb3_contrib",
            critic="qf",
            replays=True,
            defaults=_REPLAY,
        ),
    }
)
"""By the name that `mmrl train --agent` takes."""
