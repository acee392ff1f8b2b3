"""The action that pays is the exclusive or of a bit in the image and a bit in the touch window.

Neither sense alone tells anything of it, and no sum of what each tells does either: the four cases weigh on any sum of
two terms by z00 + z11 = z01 + z10, which leaves -log p(right action) at a mean of log 2 or more.
"""

import math

import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from mmrl.modality import ImageConv, Modality, TemporalConv
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig

SENSES = {
    "camera": Modality("camera", (8, 8, 1), 20, ImageConv((4,), (4,), (2,), features=8), dtype="uint8"),
    "touch": Modality("touch", (2,), 200, TemporalConv((4, 4), features=8, squash=(1.0,)), history=8),
}
OPTIONS = {"attention": {"dim": 16}, "transformer": {"dim": 16, "layers": 1}, "tensor": {"projection": 8}}
LEARN = ["mlp", "product", "tensor", "lowrank", "gated", "poe", "hybrid"]
LEARN_SLOWLY = ["early", "attention", "transformer"]
ADDITIVE = ["sum", "late"]
SOLVED = math.log(2) / 4  # one case of four decided wrongly costs log 2 or more in it


def samples(rows: int, generator: torch.Generator) -> tuple[dict[str, Tensor], Tensor]:
    """A bright left or right half, a push up or down somewhere in the window, both in noise; equally many of each."""
    bits = torch.arange(rows) % 4
    seen, felt = bits // 2, bits % 2
    image = torch.randint(0, 60, (rows, 8, 8, 1), generator=generator)
    image[:, :, :4] += 120 * (1 - seen).view(-1, 1, 1, 1)
    image[:, :, 4:] += 120 * seen.view(-1, 1, 1, 1)
    window = 0.1 * torch.randn(rows, 8, 2, generator=generator)
    when = torch.randint(0, 8, (rows,), generator=generator)
    window[torch.arange(rows), when, 0] += 2.0 * felt - 1
    return {"camera": image.to(torch.uint8), "touch": window}, seen ^ felt


def surprise_after_training(fusion: str, steps: int, rate: float, hidden: tuple[int, ...] = ()) -> float:
    """Mean -log p(right action) on fresh samples."""
    torch.manual_seed(0)
    options = OPTIONS.get(fusion, {})
    config = PolicyConfig(fusion, options, fused_features=16, actor_hidden=hidden, critic_hidden=(2,))
    policy = ActorCritic(SENSES, spaces.Discrete(2), config)
    optimizer = torch.optim.Adam(policy.parameters(), lr=rate)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        observation, action = samples(64, generator)
        optimizer.zero_grad()
        (-policy.distribution(observation).log_prob(action)).mean().backward()
        optimizer.step()
    observation, action = samples(400, generator)
    with torch.no_grad():
        return float(-policy.distribution(observation).log_prob(action).mean())


@pytest.mark.parametrize("fusion", LEARN)
def test_a_fusion_in_which_senses_interact_learns_it_alone(fusion: str) -> None:
    """No other layer lies between the encoders and the action."""
    assert surprise_after_training(fusion, 60, 2e-2) < SOLVED


@pytest.mark.parametrize("fusion", LEARN_SLOWLY)
def test_so_do_those_that_look_for_what_to_read(fusion: str) -> None:
    assert surprise_after_training(fusion, 120, 1e-2) < SOLVED


def test_concatenation_needs_a_layer_more() -> None:
    assert surprise_after_training("concat", 60, 2e-2, hidden=(16,)) < SOLVED


@pytest.mark.parametrize("fusion", ADDITIVE)
def test_what_only_adds_up_stays_at_chance(fusion: str) -> None:
    assert surprise_after_training(fusion, 60, 2e-2) > math.log(2) - 0.01
