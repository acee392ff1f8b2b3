"""Peg insertion: seen, seen badly, and felt."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

PEG_INSERTION: Mapping[str, Any] = {
    "env": "mmrl/PegInsertion-v0",
    "num_worlds": 64,
    "total_steps": 210_000,
    "stop_at_success": 1.0,
    "ppo": {
        "learning_rate": 7e-4,
        "final_learning_rate": 1e-4,
        "num_steps": 32,
        "minibatch_size": 512,
        "epochs": 3,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "clip": 0.2,
    },
    "policy": {"log_std_init": -0.5},
    # Reading the hole's place off the image is what takes longest to learn from rewards alone.
    "objectives": {"state": {"weight": 1.0}},
}
"""The usual peg into a hole that a camera shows, until 200 episodes in a row succeed."""

# The common shapes succeed 200 times in a row before the rare failures are gone, so these run to their end.
ALL_SHAPES = {**PEG_INSERTION, "context": {"shape": "all"}, "total_steps": 250_000, "stop_at_success": None}
"""One policy for the five shapes."""

REPLAYED = {
    "env": "mmrl/PegInsertion-v0",
    "agent": "sb3-sac",
    "num_worlds": 16,
    "total_steps": 30_720,
    "sb3": {
        "options": {
            "train_freq": 1,
            "gradient_steps": 16,
            "learning_starts": 1_000,
            "gamma": 0.98,
            "learning_rate": 7e-4,
            # From 1 on, as SB3 has it, it takes 5,000 steps to be as low.
            "ent_coef": "auto_0.1",
        },
    },
}
"""300 episodes, of which 80 mostly do, on a perception that was taught before: `--init RUN --freeze perception`.

A gradient step for each step of a world."""

RANDOMIZED = {
    **PEG_INSERTION,
    "context": {
        "clearance_mm": [1.0, 3.0],
        "friction": [0.2, 1.0],
        "camera_shift_m": [0.0, 0.005],
        "camera_turn_rad": [0.0, 0.02],
        "light_azimuth_rad": [-3.14, 3.14],
        "light_intensity": [0.6, 1.4],
    },
    "total_steps": 400_000,
    "stop_at_success": None,
}
"""Domain randomisation: contact, camera and light differ in every episode (Tobin et al. 2017, "Domain Randomization for
Transferring Deep Neural Networks from Simulation to the Real World")."""

TIGHT = {
    **PEG_INSERTION,
    "env_kwargs": {"action": "xyz_yaw", "reward": "sparse"},
    "sensors": ["hole_estimate", "force_torque", "proprioception"],
    "context": {"friction": [0.2, 1.0]},
    "total_steps": 500_000,
    "stop_at_success": None,
    "curriculum": "success_gated",
    "curriculum_options": {"episodes": 32, "harder_above": 0.7, "step_harder": 0.15, "step_easier": 0.06},
    "vary": {
        "clearance_mm": [2.24, 0.3],
        # A square peg comes back to itself with a quarter turn, so that this is any yaw.
        "hole_yaw_rad": [0.0, [-0.785, 0.785]],
        "hole_x_m": [0.0, [-0.04, 0.04]],
        "hole_y_m": [0.0, [-0.04, 0.04]],
        # From the bottom of the hole to its mouth, then ever higher and further aside: no step of the way is a leap.
        "start_progress": [1.0, 0.0],
    },
    "judge_every": 16_384,
    # A step of 3 mm drawn as widely as elsewhere would miss a play of 0.15 mm to either side nearly always.
    "policy": {"log_std_init": -1.6},
}
"""Tight insertion: 0.3 mm clearance, any yaw, rewarded for success alone, by a curriculum that begins in the hole."""

BLURRED = {
    **PEG_INSERTION,
    "env": "mmrl/PegInsertionBlurred-v0",
    "total_steps": 400_000,
    "stop_at_success": None,
    "curriculum": "success_gated",
    "curriculum_options": {"episodes": 32, "harder_above": 0.7, "step_harder": 0.15, "step_easier": 0.06},
    "vary": {"clearance_mm": [2.24, 0.5], "camera_shift_m": [0.0, [0.0, 0.006]]},
    # Wide noise finds the hole by chance and would leave touch without use.
    "policy": {},
    "ppo": {**PEG_INSERTION["ppo"], "log_std": [-0.5, -2.5]},
}
"""A hole that is seen to some millimetres and has to be felt for the rest."""

BLIND = {
    **PEG_INSERTION,
    "env": "mmrl/PegInsertionBlind-v0",
    "sensors": ["hole_estimate", "tip_force_torque", "proprioception"],
    "total_steps": 600_000,
    "stop_at_success": None,
    "curriculum": "success_gated",
    "curriculum_options": {"episodes": 32, "harder_above": 0.7, "step_harder": 0.1, "step_easier": 0.04},
    "vary": {"hole_estimate_error_m": [0.0, 0.01]},
    # Wide noise searches by itself; as it narrows the policy has to.
    "policy": {},
    "ppo": {**PEG_INSERTION["ppo"], "log_std": [-0.5, -2.0]},
}
"""A search by feel around an estimate that gets worse as the policy gets better."""

GENTLE = {
    **PEG_INSERTION,
    "env": "mmrl/PegInsertionGentle-v0",
    # What breaks on the way is mostly a little above the limit: to come near it has to cost before.
    "env_kwargs": {"safe_share": 0.6, "force_penalty": 1.0},
    "total_steps": 350_000,
    "stop_at_success": None,
    "curriculum": "success_gated",
    "curriculum_options": {"episodes": 32, "harder_above": 0.7, "step_harder": 0.15, "step_easier": 0.06},
    "vary": {
        # A block that hardly breaks lets insertion be learned first, with and without touch.
        "force_limit_n": [[150.0, 200.0], [25.0, 60.0]],
        # From within the hole up to where episodes begin: steps of 3 mm find no hole by chance.
        "start_progress": [[0.6, 1.0], [0.0, 0.0]],
    },
    "policy": {},
    "ppo": {**PEG_INSERTION["ppo"], "learning_rate": 1e-3, "final_learning_rate": 2e-4, "log_std": [-1.0, -2.2]},
}
"""Gentleness by starts that rise out of the hole and limits that fall as the policy succeeds under them."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mmrl/PegInsertion-v0": {
            "default": PEG_INSERTION,
            "all_shapes": ALL_SHAPES,
            "randomized": RANDOMIZED,
            "replayed": REPLAYED,
            "tight": TIGHT,
        },
        "mmrl/PegInsertionBlurred-v0": {"default": BLURRED},
        "mmrl/PegInsertionBlind-v0": {"default": BLIND},
        "mmrl/PegInsertionGentle-v0": {"default": GENTLE},
        # the names of the policies that come with the package
        "peg_insertion": {"default": PEG_INSERTION},
        "peg_insertion_all_shapes": {"all_shapes": ALL_SHAPES},
        "peg_insertion_gentle": {"default": GENTLE},
    }
)
