"""Fusions of two to eight senses as they start, and how they learn from six of which four say nothing."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from mmrl.fusion import FUSIONS, Fusion, make_fusion

FEW: Mapping[str, Mapping[str, object]] = {"tensor": {"projection": 2}}  # 3 ** 8 products at most
SMALL: Mapping[str, Mapping[str, object]] = {
    "tensor": {"projection": 3},
    "attention": {"dim": 16},
    "transformer": {"dim": 16, "layers": 1},
    "mvlstm": {"units": 8},
    "mfn": {"units": 8, "memory": 16, "hidden": 16},
    "tagm": {"attention": 8},
}


def build(name: str, senses: int, size: int, features: int, options: Mapping[str, object]) -> Fusion:
    shape = (2, size) if name == "early" else size
    return make_fusion(name, {f"sense_{index}": shape for index in range(senses)}, features, options)


def encodings(fusion: Fusion, rows: int) -> dict[str, Tensor]:
    """Of unit spread, as encoders roughly give them."""
    return {name: torch.randn(rows, *shape) for name, shape in fusion.shapes.items()}


@pytest.mark.parametrize("name", FUSIONS)
@torch.no_grad()
def test_the_joint_vector_differs_from_row_to_row_at_the_start(name: str) -> None:
    torch.manual_seed(0)
    for senses in range(2, 9):
        fusion = build(name, senses, 32, 128, FEW.get(name, {}))
        fused = fusion(encodings(fusion, 128))
        experts = fused.view(128, fusion.experts or 1, -1)
        vectors = experts if fusion.experts is None else experts[..., :-1]  # without the 1 that says: is there
        spread = float(vectors.std(dim=0).square().mean().sqrt())
        assert 0.2 < spread < 2, f"{senses} senses"


@pytest.mark.parametrize("name", FUSIONS)
def test_it_learns_what_two_of_six_senses_tell(name: str) -> None:
    """The sign of the sum of a number in each, which a guess meets in half of the cases, one sense alone in 3 of 4."""
    torch.manual_seed(0)
    fusion = build(name, 6, 4, 16, SMALL.get(name, {}))
    network = nn.Linear(fusion.features, 1)
    optimizer = torch.optim.Adam([*fusion.parameters(), *network.parameters()], lr=2e-2)
    for _ in range(60):
        features = encodings(fusion, 128)
        loss = nn.functional.softplus(-sign(features) * network(fusion(features)).squeeze(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    features = encodings(fusion, 1000)
    with torch.no_grad():
        right = network(fusion(features)).squeeze(1) * sign(features) > 0
    assert right.float().mean() > 0.8


def sign(features: Mapping[str, Tensor]) -> Tensor:
    first, second = (features[name].flatten(1)[:, -1] for name in ("sense_1", "sense_4"))
    return (first + second).sign()
