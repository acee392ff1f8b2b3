"""Small actor-critics over three senses, with observations for them."""

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from mmrl.modality import MLP, ImageConv, Modality, TemporalConv, Unencoded
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig

SENSES = {
    "camera": Modality("camera", (10, 10, 3), 20, ImageConv((4, 5), (4, 3), (2, 1), features=6), dtype="uint8"),
    "wrench": Modality("wrench", (6,), 1000, TemporalConv((4, 5), features=6), history=8),
    "arm.state": Modality("arm.state", (4,), 500, MLP((7,), features=5), history=3),
}
SMALL = PolicyConfig(fused_features=12, actor_hidden=(9,), critic_hidden=(8, 7))
BOX = spaces.Box(-1, 1, (3,))
DISCRETE = spaces.Discrete(4)


def policy(space: spaces.Box | spaces.Discrete = BOX, privileged_size: int = 0, seed: int = 0) -> ActorCritic:
    """A policy whose every parameter has moved away from its initial value."""
    torch.manual_seed(seed)
    made = ActorCritic(SENSES, space, SMALL, of_critic(privileged_size))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def of_critic(size: int) -> dict[str, Modality]:
    """The sense of a critic alone: a vector of this size, none for 0."""
    return {"privileged": Modality("privileged", (size,), 20, Unencoded())} if size else {}


def observation(rows: int, seed: int = 0, privileged: Tensor | None = None) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    beside = {} if privileged is None else {"privileged": privileged}
    return beside | {
        name: torch.from_numpy(
            rng.integers(0, 256, (rows, *sense.window_shape), dtype=np.uint8)
            if sense.dtype == "uint8"
            else rng.normal(size=(rows, *sense.window_shape)).astype(np.float32)
        )
        for name, sense in SENSES.items()
    }
