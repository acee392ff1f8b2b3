"""The cart and the pendulum of Gymnasium, which a change can be tried on in a minute."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

CARTPOLE = {
    "env": "CartPole-v1",
    "num_worlds": 8,
    "total_steps": 60_000,
    "ppo": {"learning_rate": 2e-3, "minibatch_size": 256, "epochs": 10, "gamma": 0.98, "gae_lambda": 0.8},
}
"""A pole to balance on a cart: a reward of 1 for each step that it stands, of 500 at most."""

PENDULUM = {
    "env": "Pendulum-v1",
    "num_worlds": 16,
    "total_steps": 300_000,
    "ppo": {"learning_rate": 1e-3, "num_steps": 64, "minibatch_size": 256, "epochs": 10, "gamma": 0.9},
    "policy": {"log_std_init": 0.0},
}
"""A pendulum to swing up and hold, by a torque that is too weak to lift it at once."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {"CartPole-v1": {"default": CARTPOLE}, "Pendulum-v1": {"default": PENDULUM}}
)
