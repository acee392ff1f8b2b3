"""Saliency against weights known by hand and against finite differences, and how it is drawn."""

import sys
import types
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mmrl.modality import Custom, DifferenceMLP, ImageConv, Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.watching.saliency import heat_of, overlay, pixel_gradients

SIDE = 20
TWO_FRAMES = Modality("image", (SIDE, SIDE, 2), 15.0, DifferenceMLP(1), low=0, high=1, dtype="uint8")
UNFUSED = PolicyConfig(fused_features=0, actor_hidden=(), critic_hidden=())


def test_of_a_linear_policy_it_is_the_pattern_of_the_weights() -> None:
    # One hidden unit w . (newest - previous), above 0 and so linear, and one logit of gain 2: the odds of action 1.
    torch.manual_seed(0)
    policy = ActorCritic(
        {"image": TWO_FRAMES},
        spaces.Discrete(2),
        PolicyConfig(fused_features=0, actor_hidden=(), critic_hidden=(), head="bernoulli"),
    )
    weights = torch.linspace(-0.5, 1.0, SIDE * SIDE)
    with torch.no_grad():
        policy.perception.encoders["/image"].weight.copy_(weights[:, None])
        policy.head.linear.weight.fill_(2.0)
    frames = np.zeros((2, SIDE, SIDE, 2), np.uint8)
    frames[0, -1, -3:, 1] = 1
    frames[1, -1, -1, 1] = 1
    obs = {"image": torch.as_tensor(frames)}
    for action in (0, 1):
        got = pixel_gradients(policy, obs, torch.full((2,), action), ["image"])["image"]
        # d log p(a) / d logit is 1 - p(a), and the logit's derivative by a pixel is 2 w, minus that in the older frame.
        remaining = 1 - policy.distribution(obs).probs[:, action].detach()
        expected = remaining[:, None] * 2 * weights.abs()
        for frame in (0, 1):
            torch.testing.assert_close(got[..., frame].flatten(1), expected)


def seeing(encoder: Any, actions: int = 3) -> ActorCritic:
    torch.manual_seed(1)
    eye = Modality("eye", (SIDE, SIDE, 3), 1.0, encoder, dtype="uint8")
    policy = ActorCritic({"eye": eye}, spaces.Discrete(actions), UNFUSED).eval()
    nn.init.normal_(policy.head.linear.weight)
    return policy


def test_of_a_convolution_it_is_the_slope_of_the_log_probability() -> None:
    policy = seeing(ImageConv((4,), (5,), (3,), 8)).double()
    image = torch.randint(256, (1, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    action = torch.tensor([1])
    slopes = pixel_gradients(policy, {"eye": image}, action, ["eye"])["eye"]
    for pixel in ((0, 3, 4, 0), (0, 10, 10, 1), (0, 15, 2, 2)):
        step = torch.zeros(image.shape, dtype=torch.float64)
        step[pixel] = 1e-3
        above, below = (policy.distribution({"eye": image + sign * step}).log_prob(action) for sign in (1, -1))
        slope = (above - below).abs().item() / 2e-3
        assert slope > 0
        assert slopes[pixel].item() == pytest.approx(slope, rel=1e-4)


def test_a_pixel_nothing_depends_on_has_none() -> None:
    policy = seeing(ImageConv((4,), (5,), (5,), 8))
    with torch.no_grad():
        policy.perception.encoders["/eye"].convolutions[0].conv.weight[:, 2] = 0  # the blue channel
    image = torch.randint(256, (1, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    slopes = pixel_gradients(policy, {"eye": image}, torch.tensor([0]), ["eye"])["eye"]
    assert (slopes[..., 2] == 0).all()
    assert (slopes[..., :2] > 0).any()


class ByDtype(nn.Module):
    """Scales bytes, and takes floats for scaled ones."""

    def forward(self, x: Tensor) -> Tensor:
        return (x / 255 if x.dtype == torch.uint8 else x).flatten(1)[:, :8]


class BytesOnly(nn.Module):
    """A table with an entry for every byte."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(256, 8)

    def forward(self, x: Tensor) -> Tensor:
        looked_up: Tensor = self.table(x[:, 0, 0, 0].int() if x.dtype == torch.uint8 else x[:, 0, 0, 0])
        return looked_up


@pytest.mark.parametrize(("network", "why"), [(ByDtype, "decides otherwise"), (BytesOnly, "does not read 'eye'")])
def test_a_network_without_a_gradient_by_its_pixels_is_refused(
    network: type[nn.Module], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = types.ModuleType("user_networks")
    monkeypatch.setitem(sys.modules, "user_networks", plugin)
    plugin.make = lambda modality: network()  # type: ignore[attr-defined]  # a stand-in
    policy = seeing(Custom("user_networks:make", 8))
    image = torch.full((1, SIDE, SIDE, 3), 200, dtype=torch.uint8)
    with pytest.raises(ValueError, match=rf"the network {why}.* as floats.*--no-saliency"):
        pixel_gradients(policy, {"eye": image}, torch.tensor([0]), ["eye"])


def test_heat_is_the_largest_over_channels_and_time_and_peaks_where_it_does() -> None:
    gradients = np.zeros((2, 30, 40, 3))
    gradients[0, 5, 6, 2] = 4.0
    gradients[1, 20, 30, 0] = 2.0
    heat = heat_of(gradients)
    assert heat.shape == (30, 40)
    # Each point becomes a bell, exp(-1 / 2) as high one pixel aside. 1 stands for the third largest of 1200 pixels,
    # a neighbour of the higher point, which is 4 exp(-1 / 2); the lower point is 2.
    assert heat[5, 6] == 1
    assert heat[20, 30] == pytest.approx(2 / (4 * np.exp(-0.5)), rel=1e-3)
    assert heat[20, 28] / heat[20, 30] == pytest.approx(np.exp(-2), rel=1e-3)
    assert heat[12, 20] == 0


@given(scale=st.floats(1e-20, 1e6), seed=st.integers(0, 2**32 - 1))
def test_heat_does_not_depend_on_the_scale_of_the_gradient(scale: float, seed: int) -> None:
    gradients = np.random.default_rng(seed).random((1, 12, 9, 2))
    heat = heat_of(gradients)
    assert heat.min() >= 0
    assert heat.max() == 1
    np.testing.assert_allclose(heat_of(scale * gradients), heat, rtol=1e-9)


def test_without_any_gradient_there_is_no_heat() -> None:
    assert (heat_of(np.zeros((1, 8, 8, 1))) == 0).all()


def test_overlay_is_grey_where_it_is_cold_and_yellow_where_it_is_hot() -> None:
    picture = np.full((1, 3, 3), 200, np.uint8)
    cold, warm, hot = overlay(picture, np.array([[0.0, 0.5, 1.0]]))[0].astype(int)
    assert cold[0] == cold[1] == cold[2] == 150  # three quarters of the brightness
    assert hot[0] >= hot[1] > 2 * hot[2]
    assert hot[1] > warm[1] - 30
    assert warm[0] > warm[1]
    # What lies below can still be told apart.
    assert (overlay(picture, np.ones((1, 3))) != overlay(np.zeros_like(picture), np.ones((1, 3)))).all()
