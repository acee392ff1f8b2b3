import math

import pytest
import torch
from torch import nn

from mmrl_agents.learning.finiteness import (
    clip_gradient,
    first_gradient_not_finite,
    first_not_finite,
    first_weight_not_finite,
)


def test_the_first_of_several_is_named_with_its_number_and_an_example() -> None:
    tensors = {
        "counts": torch.tensor([1]),  # whole numbers are always finite
        "nothing": None,
        "fine": torch.ones(2),
        "returns": torch.tensor([1.0, math.inf, 3.0, math.nan]),
        "values": torch.tensor([math.nan]),
    }
    assert first_not_finite(tensors) == "returns (2 of 4 values, such as inf)"
    assert first_not_finite({"fine": torch.ones(2)}) == ""


def test_weights_and_gradients_are_named() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    assert first_weight_not_finite(net) == first_gradient_not_finite(net) == ""
    net[1].weight.grad = torch.tensor([[1.0, math.nan]])
    assert first_gradient_not_finite(net) == "the gradient of 1.weight (1 of 2 values, such as nan)"
    with torch.no_grad():
        net[0].bias[0] = math.inf
    assert first_weight_not_finite(net) == "the weights 0.bias (1 of 2 values, such as inf)"


@pytest.mark.parametrize("most", [0.5, 100.0, math.inf])
def test_a_finite_gradient_is_clipped_as_torch_does(most: float) -> None:
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    for name in ("weight", "bias"):
        gradient = torch.randn_like(getattr(ours, name))
        getattr(ours, name).grad, getattr(theirs, name).grad = gradient.clone(), gradient.clone()
    norm = clip_gradient(ours, most)
    assert torch.equal(norm, nn.utils.clip_grad_norm_(theirs.parameters(), most))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)  # type: ignore[arg-type]  # both are there


def test_a_gradient_that_is_not_finite_stays_where_it_is() -> None:
    net = nn.Linear(2, 1)
    net.weight.grad, net.bias.grad = torch.tensor([[1.0, math.nan]]), torch.tensor([2.0])
    assert not torch.isfinite(clip_gradient(net, 0.5))
    assert net.bias.grad.tolist() == [2.0]
