"""Translation between senses: exact where one is a linear map of the other, and no better than the mean where not."""

import torch

from mmrl.modality import Modality, Unencoded
from mmrl.perception import Perception
from mmrl.representation import objective_configs
from mmrl.representation.translation import Translators
from tests.mmrl.representation.samples import Samples

TWO = {name: Modality(name, (2,), 20, Unencoded()) for name in ("left", "right")}


def learned(batch: Samples, steps: int = 150) -> tuple[Perception, Translators, float]:
    torch.manual_seed(0)
    perception = Perception(TWO, features=8)
    objective = objective_configs({"translation": {"hidden": []}})["translation"].start(perception, TWO)
    assert isinstance(objective, Translators)
    perception.update_statistics(batch.observations)
    objective.update_statistics(batch.observations)
    optimizer = torch.optim.Adam(objective.parameters(), 5e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, steps)
    loss = torch.tensor(torch.nan)
    for _ in range(steps):
        loss = objective(batch, perception(batch.observations))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return perception, objective, loss.item()


def test_a_linear_map_is_translated_exactly_there_and_back() -> None:
    left = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    right = 30 + left @ torch.tensor([[2.0, 1.0], [0.0, -3.0]])
    batch = Samples({"left": left, "right": right}, torch.zeros(256))
    perception, objective, loss = learned(batch)
    # of variances: the error of a way there and of one back, together
    assert loss < 1e-5
    seen = perception(batch.observations)
    imagined = objective.imagined("left", "right", seen).detach()
    assert float((imagined - right).square().mean() / right.var()) < 1e-5


def test_of_what_another_sense_says_nothing_the_mean_is_imagined() -> None:
    draw = torch.Generator().manual_seed(0)
    left, right = (torch.randn(512, 2, generator=draw) for _ in range(2))
    batch = Samples({"left": left, "right": 7 + right}, torch.zeros(512))
    perception, objective, loss = learned(batch, 60)
    assert loss > 0.9  # a variance, of which no line learns much by heart; the way back costs little
    imagined = objective.imagined("left", "right", perception(batch.observations)).detach()
    assert float((imagined.mean(dim=0) - 7).abs().max()) < 0.3
