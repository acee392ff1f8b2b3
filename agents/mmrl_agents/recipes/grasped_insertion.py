"""A peg that sits in the grasp nobody knows how."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

GRASPED_INSERTION: Mapping[str, Any] = {
    "env": "mmrl/GraspedInsertion-v0",
    "num_worlds": 64,
    # A peg has to be turned before it is down: what is pressed on the block does not slide.
    "env_kwargs": {"impedance": {"step_m": 0.004, "step_rad": 0.15, "lead_rad": 0.25}},
    "total_steps": 400_000,
    "ppo": {
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
        # With twice as many samples an update one seed of three stays behind.
        "num_steps": 16,
        "minibatch_size": 256,
        "epochs": 3,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "clip": 0.2,
        "log_std": [-0.8, -2.3],
    },
    "curriculum": "success_gated",
    "curriculum_options": {"episodes": 32, "harder_above": 0.65, "step_harder": 0.12, "step_easier": 0.04},
    # Far turned pegs look alike whichever way they are turned: reading them is learned from the straight ones outward.
    "vary": {
        "grasp_turn_rad": [[-0.1, 0.1], [-0.7, 0.7]],
        "grasp_shift_m": [[0.0, 0.002], [0.0, 0.008]],
        "clearance_mm": [2.5, 0.8],
        "holds_nm": [0.6, 0.17],
    },
    # How the peg sits has to be read off the outline that is felt.
    "objectives": {"state": {"weight": 1.0}},
}
"""Estimate of the hole and touch, together."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mmrl/GraspedInsertion-v0": {"default": GRASPED_INSERTION},
        # the name of the policy that comes with the package
        "grasped_insertion": {"default": GRASPED_INSERTION},
    }
)
