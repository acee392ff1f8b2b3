"""A plug that clicks."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

CLICK_PLUG: Mapping[str, Any] = {
    "env": "mmrl/ClickPlug-v0",
    "num_worlds": 64,
    "total_steps": 250_000,
    "ppo": {
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
        "num_steps": 32,
        "minibatch_size": 512,
        "epochs": 4,
        "gamma": 0.99,
        # Wider noise says done by itself, long before the plug is in.
        "log_std": [-1.0, -2.2],
    },
    "curriculum": "success_gated",
    "curriculum_options": {"episodes": 32, "harder_above": 0.6, "step_harder": 0.15, "step_easier": 0.05},
    # To begin in the mouth: done has to be tried near the click before the policy has unlearned to say it.
    "vary": {"start_z_m": [[-0.006, -0.004], [0.004, 0.01]]},
    # That it has clicked is in a few readings of fifty.
    "objectives": {"state": {"weight": 1.0}},
}
"""Push until it clicks, and say done."""

BY_SOUND: Mapping[str, Any] = {**CLICK_PLUG, "sensors": ["hole_estimate", "microphone"]}
"""The same by ear, without the wrench."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mmrl/ClickPlug-v0": {"default": CLICK_PLUG, "sound": BY_SOUND},
        # the name of the policy that comes with the package
        "click_plug": {"default": CLICK_PLUG},
    }
)
