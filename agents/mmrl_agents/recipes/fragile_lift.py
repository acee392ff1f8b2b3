"""Lifting what slips or breaks."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

FRAGILE_LIFT: Mapping[str, Any] = {
    "env": "mmrl/FragileLift-v0",
    "num_worlds": 64,
    "total_steps": 240_000,
    "ppo": {
        "learning_rate": 1e-3,
        "final_learning_rate": 2e-4,
        "num_steps": 16,
        "minibatch_size": 256,
        "epochs": 3,
        "gamma": 0.99,
        # An action is the logarithm of a force, and 1 in it is a factor of ten: what is drawn widely crushes.
        "log_std": [-1.2, -3.0],
    },
    "curriculum": "success_gated",
    "curriculum_options": {"episodes": 32, "harder_above": 0.55, "step_harder": 0.1, "step_easier": 0.04},
    # To lift what hardly breaks is learned first, with wide noise; how hard to grip as both get narrower.
    "vary": {"most_share": [10.0, 2.0]},
    # How hard it must be gripped is in the drag while it slides.
    "objectives": {"state": {"weight": 1.0}},
}
"""Grip more firmly while it slips."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mmrl/FragileLift-v0": {"default": FRAGILE_LIFT},
        # the name of the policy that comes with the package
        "fragile_lift": {"default": FRAGILE_LIFT},
    }
)
