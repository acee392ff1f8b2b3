import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.stats import norm

from mmrl.fusion import make_fusion
from mmrl.fusion.poe import ProductOfExpertsFusion

# Means and variances of the experts, which do not depend on their encodings here.
EXPERTS = {"camera": (1.5, 0.4), "wrench": (-2.0, 3.0), "proprioception": (0.3, 0.05)}
SUBSETS = [subset for size in range(4) for subset in itertools.combinations(EXPERTS, size)]


def fixed_experts() -> ProductOfExpertsFusion:
    fusion = make_fusion("poe", dict.fromkeys(EXPERTS, 2), 1).double()
    with torch.no_grad():
        for name, (mean, variance) in EXPERTS.items():
            fusion.get_parameter(f"beliefs./{name}.weight").zero_()
            # the inverse of softplus is log(exp(v) - 1)
            bias = torch.tensor([mean, np.log(np.expm1(variance))])
            fusion.get_parameter(f"beliefs./{name}.bias").copy_(bias)
    assert isinstance(fusion, ProductOfExpertsFusion)
    return fusion


@pytest.mark.parametrize("seen", SUBSETS, ids=lambda subset: "+".join(subset) or "none")
def test_is_the_product_of_the_densities_of_those_present(seen: Sequence[str]) -> None:
    present = {name: torch.tensor([name in seen]) for name in EXPERTS}
    encodings = {name: torch.zeros(1, 2, dtype=torch.float64) for name in EXPERTS}
    mean, variance = fixed_experts().posterior(encodings, present)
    grid = np.linspace(-12, 12, 200_001)
    density = norm.pdf(grid)  # the prior
    for name in seen:
        density *= norm.pdf(grid, EXPERTS[name][0], np.sqrt(EXPERTS[name][1]))
    density /= density.sum()
    expected = (grid * density).sum()
    assert mean.item() == pytest.approx(expected, abs=1e-6)
    assert variance.item() == pytest.approx(((grid - expected) ** 2 * density).sum(), rel=1e-6)


def test_the_joint_vector_is_the_mean() -> None:
    fusion = fixed_experts()
    encodings = {name: torch.zeros(3, 2, dtype=torch.float64) for name in EXPERTS}
    # sums of m / v over 1 + sum of 1 / v: (3.75 - 2 / 3 + 6) / (1 + 2.5 + 1 / 3 + 20)
    expected = torch.full((3, 1), (3.75 - 2 / 3 + 6) / (23.5 + 1 / 3), dtype=torch.float64)
    torch.testing.assert_close(fusion(encodings), expected, atol=1e-6, rtol=0)


def test_a_sense_more_never_makes_it_less_certain() -> None:
    torch.manual_seed(0)
    fusion = make_fusion("poe", dict.fromkeys(EXPERTS, 2), 4)
    assert isinstance(fusion, ProductOfExpertsFusion)
    encodings = {name: torch.randn(20, 2) for name in EXPERTS}
    nowhere = {"wrench": torch.zeros(20, dtype=torch.bool)}
    _, with_all = fusion.posterior(encodings)
    _, without = fusion.posterior(encodings, nowhere)
    assert (with_all < without).all()
    assert (without < 1).all()  # the variance of the prior
