"""Following an instruction."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TOLD_INSERTION: Mapping[str, Any] = {
    "env": "mmrl/ToldInsertion-v0",
    "num_worlds": 80,
    "total_steps": 220_000,
    # Words and holes are tokens that attend to each other; side by side they cannot be matched.
    "policy": {"fusion": "transformer", "log_std_init": -0.5},
    "ppo": {
        "learning_rate": 7e-4,
        "final_learning_rate": 2e-4,
        "num_steps": 25,
        "minibatch_size": 256,
        "epochs": 5,
        "gamma": 0.97,
        "gae_lambda": 0.95,
        "clip": 0.2,
    },
    # The way to the hole that is meant is part of the state that the critic sees.
    "objectives": {"state": {"weight": 1.0}},
}
"""By the pairs of colour and mark that training may hear; `--context words=held_out` judges by the others."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mmrl/ToldInsertion-v0": {"default": TOLD_INSERTION},
        # the name of the policy that comes with the package
        "told_insertion": {"default": TOLD_INSERTION},
    }
)
