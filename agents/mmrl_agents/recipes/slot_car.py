"""The slot car on one track, and on any."""

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
        "epochs": 2,  # a third one learns no more from the same pictures
        "gamma": 0.96,
        # Wider noise at first throws the car off, and the fear of it outlasts the noise.
        "log_std": [-1.2, -2.7],
    },
    # The speed is in no single picture, and where the car is has to be read off a few pixels.
    "objectives": {"state": {"weight": 1.0}},
}
"""Laps of one track, the oval where nobody names another."""

GENERALIST: Mapping[str, Any] = {
    **SLOT_CAR,
    "total_steps": 1_500_000,
    # On tracks that it knows less well a car has to be driven with more care.
    "env_kwargs": {"reward_weights": {"crash": -2.0}},
    # Thirty tracks are learned by heart from whole pictures, and any other is left at once. A glimpse around the car
    # shows bends, and no track.
    "modalities": {"track_camera.encoder": "GlimpseConv", "track_camera.unit": 64},
    "context": {
        "track": [f"random_{number:02d}" for number in range(1, 31)],
        "latency_s": [0.02, 0.1],
        "grip": [0.9, 1.1],
        "mirrored": "all",
    },
}
"""Thirty random tracks, each mirrored in all ways, pictures of any age and tyres of any grip within a tenth."""

FITTED_Q: Mapping[str, Any] = {
    "env": "mmrl/SlotCar-v0",
    "agent": "fitted-q",
    "num_worlds": 32,
    "total_steps": 60_000,
    "modalities": {"track_camera.encoder": "FrameCodes"},
    "objectives": {"autoencoder": {"sense": "track_camera"}},
    "policy": {"fused_features": 0, "critic_hidden": [64, 64]},
    "fitted_q": {
        "gamma": 0.95,
        "levels": [-1.0, -0.6, -0.2, 0.2, 0.6, 1.0],
        "remembered_actions": 1,
        "random_steps": 100,
        "num_steps": 150,
        "iterations": 8,
        "epochs": 6,
        # Rprop takes as long over an epoch of 30,000 transitions, and comes less far.
        "fit": "adam",
        "learning_rate": 2e-3,
        "minibatch_size": 1024,
        "teaching_epochs": 9,
        "teaching_rate": 1.5e-3,
    },
}
"""Laps of one track as Lange et al. learn them: a code of the pictures first, then fitted Q iteration on it."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mmrl/SlotCar-v0": {"default": SLOT_CAR, "generalist": GENERALIST, "fitted_q": FITTED_Q},
        # the names of the policies that come with the package
        "slot_car": {"default": SLOT_CAR},
        "slot_car_any_track": {"generalist": GENERALIST},
    }
)
