"""The network of Karpathy 2016, "Deep Reinforcement Learning: Pong from Pixels"."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from mmrl.modality import DifferenceMLP, Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig

FRAMES = {"image": Modality("image", (80, 80, 2), 15, DifferenceMLP(200), dtype="uint8", low=0, high=1)}
PUBLISHED = PolicyConfig(fused_features=0, actor_hidden=(), head="bernoulli")


def test_the_network_of_pong_from_pixels_is_two_matrices() -> None:
    """Karpathy 2016: h = relu(W1 x), p = sigmoid(W2 h), no biases, 6,400 pixels and 200 hidden units."""
    torch.manual_seed(0)
    made = ActorCritic(FRAMES, spaces.Discrete(2), PUBLISHED)
    actor = {name: x for name, x in made.named_parameters() if not name.startswith("critic.")}
    # 200 * 6400 + 200
    assert sum(x.numel() for x in actor.values()) == 1_280_200
    w1, w2 = (x.detach().numpy() for x in actor.values())
    assert (w1.shape, w2.shape) == ((6400, 200), (1, 200))
    frames = np.random.default_rng(0).integers(0, 2, (5, 80, 80, 2), dtype=np.uint8)
    x = (frames[..., 1].astype(np.float64) - frames[..., 0]).reshape(5, 6400)
    up = 1 / (1 + np.exp(-np.maximum(x @ w1, 0) @ w2[0]))
    obs = {"image": torch.from_numpy(frames)}
    log_prob = made.evaluate_actions(obs, torch.ones(5, dtype=torch.int64)).log_prob
    np.testing.assert_allclose(log_prob.exp().detach(), up, rtol=1e-5)
    log_prob = made.evaluate_actions(obs, torch.zeros(5, dtype=torch.int64)).log_prob
    np.testing.assert_allclose(log_prob.exp().detach(), 1 - up, rtol=1e-5)
    action, _ = made.act(obs, deterministic=True)
    assert action.tolist() == (up > 0.5).astype(int).tolist()
    # 200 draws of deviation 1 / sqrt(200): theirs is known to 5 %
    assert float(w2.std()) == pytest.approx(200**-0.5, rel=0.3)


def test_samples_of_one_logit_follow_it() -> None:
    torch.manual_seed(0)
    made = ActorCritic(FRAMES, spaces.Discrete(2), PUBLISHED)
    frames = torch.zeros(1, 80, 80, 2, dtype=torch.uint8)
    frames[0, :, :20, 1] = 1
    up = float(made.distribution({"image": frames}).log_prob(torch.tensor(1)).exp().detach())
    assert 0.01 < up < 0.99
    many = {"image": frames.expand(4000, -1, -1, -1)}
    action, log_prob = made.act(many, generator=torch.Generator().manual_seed(0))
    # Standard error of a frequency: at most 0.5 / sqrt(4000) = 0.008; six of them never happen.
    assert float(action.float().mean()) == pytest.approx(up, abs=0.05)
    assert action.dtype == torch.int64
    expected = np.log(np.where(action.numpy() == 1, up, 1 - up))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-4)
