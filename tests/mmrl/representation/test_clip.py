"""Contrast between senses: the loss by hand, which readings stand among each other, and that it is learned."""

import math

import pytest
import torch
from torch import Tensor

from mmrl.modality import Modality, Unencoded
from mmrl.perception import Perception
from mmrl.representation import objective_configs
from mmrl.representation.clip import Contrast
from tests.mmrl.representation.samples import Recorded, Samples

TWO = {name: Modality(name, (4,), 20, Unencoded()) for name in ("left", "right")}


SCORE = 2.0


def started(**settings: object) -> tuple[Perception, Contrast]:
    """Projections that leave a standard normal reading as it is; what is alike gets a score of 2."""
    torch.manual_seed(0)
    perception = Perception(TWO, features=8)
    objective = objective_configs({"clip": {"size": 4, **settings}})["clip"].start(perception, TWO)
    assert isinstance(objective, Contrast)
    for projection in objective.projections.values():
        torch.nn.init.eye_(projection.weight)  # type: ignore[arg-type]  # of a linear layer
    assert objective.scale.item() == pytest.approx(math.log(1 / 0.07))  # as CLIP begins
    torch.nn.init.constant_(objective.scale, math.log(SCORE))
    return perception, objective


def loss(batch: Samples, **settings: object) -> Tensor:
    perception, objective = started(**settings)
    found = objective(batch, perception(batch.observations, batch.present))
    assert isinstance(found, Tensor)
    return found


def corners(rows: int, present: dict[str, Tensor] | None = None, episodes: Tensor | None = None) -> Samples:
    """Unit vectors along the axes, the same for both senses."""
    readings = torch.eye(4)[torch.arange(rows) % 4]
    timeline = None if episodes is None else Recorded(episodes, torch.arange(rows))
    return Samples({"left": readings, "right": readings}, torch.zeros(rows), present, timeline=timeline)


def by_hand(others: int, alike: int = 0) -> float:
    """Cross entropy of a score of 2 among so many of 0 and, of those that look alike, as high ones."""
    high = math.exp(SCORE)
    return -math.log(high / ((1 + alike) * high + others))


def test_the_loss_is_the_cross_entropy_by_hand() -> None:
    assert loss(corners(4)).item() == pytest.approx(by_hand(3), rel=1e-4)
    assert loss(corners(8)).item() == pytest.approx(by_hand(6, alike=1), rel=1e-4)


def test_negatives_are_of_other_episodes_or_of_other_times_of_the_same() -> None:
    episodes = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])  # in each, all four corners once
    batch = corners(8, episodes=episodes)
    assert loss(batch, negatives="same_episode").item() == pytest.approx(by_hand(3), rel=1e-4)
    assert loss(batch, negatives="other_episodes").item() == pytest.approx(by_hand(3, alike=1), rel=1e-4)
    alone = corners(4, episodes=torch.arange(4))
    assert loss(alone, negatives="same_episode").item() == 0
    with pytest.raises(ValueError, match="'clip' with negatives=same_episode needs the order in which samples came"):
        loss(corners(4), negatives="same_episode")


def test_rows_that_lack_a_sense_stand_among_none() -> None:
    part = corners(8, {"right": torch.arange(8) < 4})
    torch.testing.assert_close(loss(part), loss(corners(4)))


def test_the_scale_never_exceeds_100() -> None:
    perception, objective = started()
    torch.nn.init.constant_(objective.scale, 20.0)
    batch = corners(8)
    # a score of 100 among six of 0 and one of 100
    assert objective(batch, perception(batch.observations)).item() == pytest.approx(math.log(2), rel=1e-4)


def test_what_belongs_together_is_learned() -> None:
    torch.manual_seed(0)
    left = torch.randn(64, 4)
    batch = Samples({"left": left, "right": left @ torch.randn(4, 4)}, torch.zeros(64))
    perception = Perception(TWO, features=8)
    objective = objective_configs({"clip": {"size": 8}})["clip"].start(perception, TWO)
    optimizer = torch.optim.Adam(objective.parameters(), 1e-2)
    losses = []
    for _ in range(150):
        found = objective(batch, perception(batch.observations))
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        losses.append(found.item())
    assert losses[0] > 3  # log 64 is 4.2
    assert losses[-1] < 0.5
