"""Learning to walk, in 20 minutes of walking."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TODDLER: Mapping[str, Any] = {
    "env": "mmrl/Toddler-v0",
    "num_worlds": 16,
    "total_steps": 60_416,
    "ppo": {
        "learning_rate": 1.5e-3,
        "final_learning_rate": 2e-4,
        "num_steps": 64,
        "minibatch_size": 256,
        "epochs": 8,
        "gamma": 0.97,
        # Without a bound half of the samples end beyond the clip, and some walks are unlearned again.
        "target_kl": 0.03,
        # Wide noise rolls a foot over its inner edge however well it walks.
        "log_std": [-1.0, -3.0],
    },
}
"""40 minutes of walking, those of all worlds together: 1,500 decisions are a minute."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mmrl/Toddler-v0": {"default": TODDLER},
        # the name of the policy that comes with the package
        "toddler": {"default": TODDLER},
    }
)
