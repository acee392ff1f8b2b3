"""A peg that sits in the grasp nobody knows how."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

GRASPED_INSERTION: Mapping[str, Any] = {
    "env": "mmrl/GraspedInsertion-v0",
    "num_worlds": 64,
    "total_steps": 300_000,
    "ppo": {
        "learning_rate": 7e-4,
        "final_learning_rate": 1e-4,
        "num_steps": 32,
        "minibatch_size": 512,
        "epochs": 3,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "clip": 0.2,
        "log_std": [-0.5, -2.2],
    },
    # How the peg sits has to be read off the outline that is felt.
    "objectives": {"state": {"weight": 1.0}},
}
"""Estimate of the hole and touch, together."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {"mmrl/GraspedInsertion-v0": {"default": GRASPED_INSERTION}}
)
