import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy.stats import norm
from torch import Tensor
from torch.distributions import Distribution

from mmrl.policy.heads import (
    ActionHead,
    GaussianProductHead,
    build_action_head,
    make_action_head,
    make_critic,
    make_trunk,
)

EXPERTS = 3
BOX = spaces.Box(-1, 1, (2,))
ABSENT = [(), (0,), (1, 2), (0, 1, 2)]


def joint(absent: Sequence[int], inputs: int = 2, rows: int = 1, seed: int = 0) -> Tensor:
    """A joint vector as a late fusion gives it: vectors of experts, each with its presence."""
    torch.manual_seed(seed)
    vectors = torch.randn(rows, EXPERTS, inputs + 1)
    vectors[:, :, -1] = 1
    vectors[:, list(absent)] = 0
    return vectors.flatten(1)


def moved(module: ActionHead) -> ActionHead:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def opinion(head: ActionHead, x: Tensor, expert: int) -> Tensor:
    """The output of an expert's linear layer."""
    part = x.view(-1, EXPERTS, x.shape[1] // EXPERTS)[:, expert, :-1]
    weight, bias = (head.get_parameter(f"opinions.{expert}.{name}") for name in ("weight", "bias"))
    return (part @ weight.T + bias).detach()


@pytest.mark.parametrize("absent", ABSENT, ids=str)
def test_late_gaussians_are_the_product_of_the_densities_of_those_present(absent: Sequence[int]) -> None:
    head, x = moved(make_action_head(BOX, 2, -0.5, EXPERTS)), joint(absent)
    grid = np.linspace(-12, 12, 200_001)
    distribution = head(x)
    prior_mean, prior_std = (
        head.get_parameter("prior_mean").detach(),
        head.get_parameter("prior_log_std").detach().exp(),
    )
    for action in range(2):
        density = norm.pdf(grid, float(prior_mean[action]), float(prior_std[action]))
        for expert in set(range(EXPERTS)) - set(absent):
            parameters = opinion(head, x, expert)[0]
            density *= norm.pdf(grid, float(parameters[action]), float(parameters[2 + action].exp()))
        density /= density.sum()
        mean = (grid * density).sum()
        assert distribution.mean[0, action].detach().item() == pytest.approx(mean, abs=1e-5)
        assert distribution.stddev[0, action].detach().item() == pytest.approx(
            np.sqrt(((grid - mean) ** 2 * density).sum()), rel=1e-5
        )


@pytest.mark.parametrize("absent", ABSENT, ids=str)
def test_late_logits_are_averaged_over_those_present(absent: Sequence[int]) -> None:
    head, x = moved(make_action_head(spaces.Discrete(4), 2, 0.0, EXPERTS)), joint(absent)
    present = [expert for expert in range(EXPERTS) if expert not in absent]
    scores = head.get_parameter("scores").detach().exp()
    logits = head.get_parameter("prior_logits").detach() * scores[-1]
    logits = logits + sum(scores[expert] * opinion(head, x, expert)[0] for expert in present)
    total = scores[-1] + scores[present].sum()
    expected = torch.log_softmax(logits / total, dim=0)
    torch.testing.assert_close(head(x).log_prob(torch.arange(4)), expected)


def test_late_gaussians_start_as_wide_as_configured_and_near_zero() -> None:
    distribution: Distribution = make_action_head(BOX, 2, -0.7, EXPERTS)(joint((), rows=50))
    torch.testing.assert_close(distribution.stddev, torch.full((50, 2), math.exp(-0.7)), rtol=0.1, atol=0)
    assert distribution.mean.abs().max() < 0.1
    wider = make_action_head(BOX, 2, -0.7, EXPERTS)(joint((0, 2), rows=50)).stddev
    # of E + 1 = 4 equal precisions two are left
    torch.testing.assert_close(wider, torch.full((50, 2), math.exp(-0.7) * math.sqrt(2)), rtol=0.1, atol=0)


def test_late_gaussians_have_a_floor() -> None:
    head = make_action_head(BOX, 2, 0.0, EXPERTS)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.fill_(-50.0)
    distribution = head(joint((), inputs=2).abs())
    torch.testing.assert_close(distribution.stddev, torch.full((1, 2), math.exp(-3)))
    assert torch.isfinite(distribution.mean).all()


def test_actions_of_any_shape() -> None:
    head = make_action_head(spaces.Box(-1, 1, (2, 3)), 2, 0.0, EXPERTS)
    assert isinstance(head, GaussianProductHead)
    distribution = head(joint((), rows=5))
    assert distribution.mean.shape == (5, 2, 3)
    assert distribution.log_prob(torch.zeros(5, 2, 3)).shape == (5,)


def test_layers_keep_experts_apart() -> None:
    torch.manual_seed(0)
    trunk, x = make_trunk((2, 5, 4), EXPERTS), joint((1,), rows=3).requires_grad_()
    parts = trunk(x).view(3, EXPERTS, 5)
    assert parts[:, :, -1].tolist() == [[1, 0, 1]] * 3
    assert (parts[:, 1] == 0).all()
    (gradient,) = torch.autograd.grad(parts[:, 0].sum(), x)
    touched = gradient.view(3, EXPERTS, 3).abs().sum(dim=(0, 2)) > 0
    assert touched.tolist() == [True, False, False]


def test_values_of_experts_add_up() -> None:
    torch.manual_seed(0)
    critic = make_critic((2, 6), EXPERTS)
    values = {absent: critic(joint(absent)).detach().item() for absent in ((), (0,), (1,), (0, 1))}
    assert values[()] - values[(0,)] == pytest.approx(values[(1,)] - values[(0, 1)], abs=1e-6)
    assert values[()] != pytest.approx(values[(0,)])


def test_one_logit_is_refused_to_experts() -> None:
    with pytest.raises(ValueError, match="head 'bernoulli' has one opinion and cannot join those of experts"):
        build_action_head("bernoulli", spaces.Discrete(2), 2, 0.0, EXPERTS)


@pytest.mark.parametrize("experts", [None, EXPERTS])
def test_a_deviation_below_its_floor_can_rise_again_and_sinks_no_further(experts: int | None) -> None:
    """Actions far from the mean ask for more deviation, those at the mean for less."""
    head = make_action_head(BOX, 2, -3.0, experts)
    x = torch.ones(1, 2) if experts is None else joint(())
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            if name.endswith("log_std"):
                parameter.fill_(-7.0)
            if name.endswith("bias") and experts is not None:
                parameter[2:] = -7.0  # of each expert the logarithms of two deviations
    assert head(x).stddev.tolist() == [[pytest.approx(math.exp(-3.0))] * 2]
    for distance, sign in ((1.0, -1), (0.0, 0)):
        head.zero_grad()
        chosen = head(x)
        (-chosen.log_prob(chosen.mean.detach() + distance)).sum().backward()
        pushed = [p.grad for n, p in head.named_parameters() if n.endswith("log_std")]
        if experts is not None:
            pushed += [p.grad[2:] for n, p in head.named_parameters() if n.endswith("bias") and p.grad is not None]
        assert all(gradient is not None and bool((gradient.sign() == sign).all()) for gradient in pushed)
