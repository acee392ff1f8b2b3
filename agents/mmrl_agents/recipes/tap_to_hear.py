"""Tapping a block and going where its sound says."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TAP_TO_HEAR: Mapping[str, Any] = {
    "env": "mmrl/TapToHear-v0",
    "num_worlds": 64,
    "total_steps": 200_000,
    "ppo": {
        "learning_rate": 1e-3,
        "final_learning_rate": 2e-4,
        "num_steps": 32,
        "minibatch_size": 512,
        "epochs": 4,
        # What is won by going to the right place is won within a second.
        "gamma": 0.97,
        "log_std": [-0.5, -1.5],
    },
    # What kind it is has to be read off a picture before any reward tells.
    "objectives": {"state": {"weight": 1.0}},
}
"""Without a curriculum: every tap is heard, and the way from the middle to the right place is paid step by step."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mmrl/TapToHear-v0": {"default": TAP_TO_HEAR},
        # the name of the policy that comes with the package
        "tap_to_hear": {"default": TAP_TO_HEAR},
    }
)
