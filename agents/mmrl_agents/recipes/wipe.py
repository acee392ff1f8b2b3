"""Wiping a stain that is seen with a force that is felt."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

WIPE: Mapping[str, Any] = {
    "env": "mmrl/Wipe-v0",
    "num_worlds": 64,
    "total_steps": 200_000,
    "ppo": {
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
        "num_steps": 32,
        "minibatch_size": 512,
        "epochs": 3,
        "gamma": 0.98,
        # Wide noise presses by chance, now too hard, now not at all; as it narrows the policy has to.
        "log_std": [-1.0, -2.5],
    },
    # Where the dots are has to be read off some pixels each.
    "objectives": {"state": {"weight": 1.0}},
}
"""Without a curriculum: every dot is rewarded at once, whether the board is whole or not."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mmrl/Wipe-v0": {"default": WIPE},
        # the name of the policy that comes with the package
        "wipe": {"default": WIPE},
    }
)
