"""The parts of REINFORCE, by hand and by the textbook: returns, loss, step sizes, optimisers."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmrl_agents.experience.returns import discounted_returns, standardized
from mmrl_agents.learning.optimizers import OPTIMIZERS
from mmrl_agents.learning.reinforce import policy_gradient_loss, step_size
from mmrl_agents.learning.reinforce_config import ReinforceConfig

torch.set_num_threads(1)


def test_returns_by_hand() -> None:
    rewards = torch.tensor([0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 2.0])
    ends = torch.tensor([False, False, False, False, True, False, True])
    # Within the first game: -1; 0 + 0.5 * -1; 1 + 0.5 * -0.5; 0.5 * 0.75; 0.5 * 0.375. The second: 2; 1.
    expected = [0.1875, 0.375, 0.75, -0.5, -1.0, 1.0, 2.0]
    assert discounted_returns(rewards, 0.5, False, ends).tolist() == expected
    # At the point of the third step the sum begins anew: 1; 0.5; 0.25.
    expected = [0.25, 0.5, 1.0, -0.5, -1.0, 1.0, 2.0]
    assert discounted_returns(rewards, 0.5, True, ends).tolist() == expected


@given(
    rewards=st.lists(st.sampled_from([-1.0, 0.0, 0.0, 1.0]), min_size=1, max_size=30),
    cut=st.integers(0, 29),
    points=st.booleans(),
)
def test_returns_of_a_game_know_no_other(rewards: list[float], cut: int, points: bool) -> None:
    whole = torch.tensor(rewards)
    ends = torch.arange(len(rewards)) == min(cut, len(rewards) - 1)
    ends[-1] = True
    first = min(cut, len(rewards) - 1) + 1
    together = discounted_returns(whole, 0.9, points, ends)
    apart = [discounted_returns(part, 0.9, points, end) for part, end in _halves(whole, ends, first)]
    assert torch.equal(together, torch.cat(apart))


def _halves(rewards: torch.Tensor, ends: torch.Tensor, first: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(rewards[:first], ends[:first]), (rewards[first:], ends[first:])]


def test_standardised_by_hand() -> None:
    returns = torch.tensor([1.0, 3.0, 10.0, 10.0], dtype=torch.float64)
    groups = torch.tensor([0, 0, 1, 1])
    # means 2 and 10, deviations 1 and 0: the second group is not divided
    assert standardized(returns, groups, centre=True).tolist() == [-1.0, 1.0, 0.0, 0.0]
    assert standardized(returns, groups, centre=False).tolist() == [1.0, 3.0, 10.0, 10.0]
    # all together: mean 6, deviation sqrt((25 + 9 + 16 + 16) / 4)
    whole = standardized(returns, torch.zeros(4, dtype=torch.int64), centre=True)
    assert whole.tolist() == pytest.approx([x / math.sqrt(16.5) for x in (-5, -3, 4, 4)])


def test_rounding_is_not_taken_for_a_difference() -> None:
    returns = torch.full((1000,), 0.1, dtype=torch.float64)
    assert standardized(returns, torch.zeros(1000), centre=True).abs().max() < 1e-12


def test_loss_by_hand() -> None:
    log_prob = torch.tensor([math.log(0.5), math.log(0.25)], requires_grad=True)
    loss = policy_gradient_loss(log_prob, torch.tensor([2.0, -1.0]))
    # -(2 ln 0.5 - ln 0.25) = -(2 ln 0.5 - 2 ln 0.5) = 0
    assert loss.item() == pytest.approx(0, abs=1e-6)
    loss.backward()
    assert log_prob.grad is not None
    assert log_prob.grad.tolist() == [-2.0, 1.0]


def test_step_size_by_hand() -> None:
    # a = 0, 1/4, 1 and 1: 0.75 * 0.1 + 0.25 * 0.02 = 0.08
    assert [step_size(k, 0.1, 0.02, 8) for k in (0, 2, 8, 100)] == pytest.approx([0.1, 0.08, 0.02, 0.02])


Numbers = NDArray[np.float64]


def textbook(config: ReinforceConfig, weights: Numbers, gradients: list[Numbers]) -> Numbers:
    """Goodfellow et al. 2016, algorithms 8.1, 8.2, 8.4, 8.5 (eps outside the root, as published for Pong) and 8.7.

    Beside them Zeiler 2012, algorithm 1, and Loshchilov and Hutter 2019, algorithm 2.
    """
    w, v, r = weights.copy(), np.zeros_like(weights), np.zeros_like(weights)
    rate, eps, (b1, b2) = config.learning_rate, config.eps, config.adam_betas
    for k, g in enumerate(gradients, start=1):
        if config.optimizer == "sgd":
            w -= rate * g
        elif config.optimizer == "momentum":
            v = config.momentum * v - rate * g
            w += v
        elif config.optimizer == "adagrad":
            r += g**2
            w -= rate * g / (eps + np.sqrt(r))
        elif config.optimizer == "rmsprop":
            r = config.rms_decay * r + (1 - config.rms_decay) * g**2
            w -= rate * g / (np.sqrt(r) + eps)
        elif config.optimizer == "adadelta":
            r = config.rms_decay * r + (1 - config.rms_decay) * g**2
            step = g * np.sqrt(v + eps) / np.sqrt(r + eps)
            v = config.rms_decay * v + (1 - config.rms_decay) * step**2
            w -= rate * step
        else:
            w -= (rate * config.weight_decay if config.optimizer == "adamw" else 0.0) * w
            v = b1 * v + (1 - b1) * g
            r = b2 * r + (1 - b2) * g**2
            w -= rate * (v / (1 - b1**k)) / (np.sqrt(r / (1 - b2**k)) + eps)
    return w


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_are_those_of_the_textbook(name: Any) -> None:
    config = ReinforceConfig(
        optimizer=name,
        learning_rate=0.03,
        momentum=0.7,
        rms_decay=0.8,
        adam_betas=(0.6, 0.9),
        eps=0.01,
        weight_decay=0.2,
    )
    rng = np.random.default_rng(0)
    start, steps = rng.normal(size=3), [rng.normal(size=3) for _ in range(4)]
    weights = torch.nn.Parameter(torch.tensor(start))
    optimizer = OPTIMIZERS[name]([weights], config)
    for gradient in steps:
        weights.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(weights.detach(), textbook(config, start, steps), rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"value_epochs": 0}, "reinforce.value_epochs must be above 0 and finite, got 0"),
        (
            {"optimizer": "newton"},
            "reinforce.optimizer must be one of 'sgd', 'momentum', 'adagrad', 'adadelta', 'rmsprop', 'adam', 'adamw', "
            "got 'newton'",
        ),
        ({"standardize": "all"}, "reinforce.standardize must be one of 'batch', 'game', 'none', got 'all'"),
        ({"baseline": "mean"}, "reinforce.baseline must be one of 'none', 'running_mean', 'value', got 'mean'"),
        ({"learning_rate": 0.0}, "reinforce.learning_rate must be above 0 and finite, got 0.0"),
        ({"learning_rate": math.nan}, "reinforce.learning_rate must be above 0 and finite, got nan"),
        ({"max_grad_norm": 0.0}, "reinforce.max_grad_norm must be above 0 and finite, got 0.0"),
        ({"games_per_batch": 0}, "reinforce.games_per_batch must be above 0 and finite, got 0"),
        ({"momentum": 1.0}, r"reinforce.momentum must lie in \[0, 1\), got 1.0"),
        ({"adam_betas": (0.9, 1.0)}, r"reinforce.adam_betas must lie in \[0, 1\), got \(0.9, 1.0\)"),
        ({"gamma": 1.5}, r"reinforce.gamma must lie in \[0, 1\], got 1.5"),
        ({"entropy_coef": -1.0}, "reinforce.entropy_coef must be finite and not negative, got -1.0"),
        ({"decay_updates": 5}, "reinforce.decay_updates is 5, but final_learning_rate is not set"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReinforceConfig(**settings)
