"""The slot car on one track."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

SLOT_CAR: Mapping[str, Any] = {
    "env": "mmrl/SlotCar-v0",
    "num_worlds": 64,
    "total_steps": 330_000,
    "ppo": {
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
        "num_steps": 32,
        "minibatch_size": 512,
        "epochs": 3,
        "gamma": 0.96,
        # Wider noise at first throws the car off, and the fear of it outlasts the noise.
        "log_std": [-1.0, -2.5],
    },
    # The speed is in no single picture, and where the car is has to be read off a few pixels.
    "objectives": {"state": {"weight": 1.0}},
}
"""Laps of one track, the oval where nobody names another."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType({"mmrl/SlotCar-v0": {"default": SLOT_CAR}})
