"""Correlation between senses as a loss: its value, and that deep layers find what linear ones cannot."""

import pytest
import torch

from mmrl.modality import Modality, Unencoded
from mmrl.perception import Perception
from mmrl.representation import objective_configs
from mmrl.representation.cca import canonical_directions
from tests.mmrl.representation.samples import Samples

TWO = {name: Modality(name, (2,), 20, Unencoded()) for name in ("left", "right")}


def squares(rows: int = 256) -> Samples:
    """The right sense reads squares of the left one, which are not correlated with it."""
    left = torch.randn(rows, 2, generator=torch.Generator().manual_seed(0))
    return Samples({"left": left, "right": left.square()}, torch.zeros(rows))


def test_the_loss_is_minus_the_mean_correlation_of_the_encodings() -> None:
    batch, perception = squares(), Perception(TWO, features=8)
    perception.update_statistics(batch.observations)
    objective = objective_configs({"cca": {"size": 2, "ridge": 1e-6}})["cca"].start(perception, TWO)
    loss = objective(batch, perception(batch.observations))
    found = canonical_directions(batch.observations["left"], batch.observations["right"]).correlations
    assert loss.item() == pytest.approx(-float(found.mean()), abs=1e-3)


def test_a_batch_that_says_nothing_costs_nothing() -> None:
    """Four numbers on both sides correlate in four rows, whatever they are."""
    perception = Perception(TWO, features=8)
    objective = objective_configs({"cca": {"size": 2}})["cca"].start(perception, TWO)
    few, more = squares(4), squares(5)
    assert objective(few, perception(few.observations)).item() == 0
    assert objective(more, perception(more.observations)).item() < 0
    nobody = squares(5)._replace(present={"left": torch.zeros(5, dtype=torch.bool)})
    assert objective(nobody, perception(nobody.observations, nobody.present)).item() == 0


@pytest.mark.parametrize("name", ["dcca", "dccae"])
def test_deep_layers_find_what_linear_ones_cannot(name: str) -> None:
    torch.manual_seed(0)
    batch, perception = squares(), Perception(TWO, features=8)
    linear = objective_configs({"cca": {"size": 2}})["cca"].start(perception, TWO)
    deep = objective_configs({name: {"size": 2, "hidden": [32]}})[name].start(perception, TWO)
    deep.update_statistics(batch.observations)
    optimizer = torch.optim.Adam(deep.parameters(), 1e-2)
    seen = perception(batch.observations)
    losses = []
    for _ in range(60):
        loss = deep(batch, seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert linear(batch, seen).item() > -0.3
    assert losses[-1] < -0.9 + (name == "dccae") * 0.6  # which decodes as well
    assert losses[-1] < losses[0] - 0.3
