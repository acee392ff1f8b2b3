"""The bimodal autoencoder: which senses are shown, and that one of them gives back the other."""

import torch

from mmrl.inputs import Memory
from mmrl.modality import MLP, Modality
from mmrl.perception import Perception
from mmrl.representation import objective_configs
from mmrl.representation.bimodal import JointReconstruction
from tests.mmrl.representation.samples import Samples

TWO = {name: Modality(name, (2,), 20, MLP((16,), features=8)) for name in ("left", "right")}


def started() -> tuple[Perception, JointReconstruction]:
    torch.manual_seed(0)
    perception = Perception(TWO, features=16)
    objective = objective_configs({"bimodal": 1})["bimodal"].start(perception, TWO)
    assert isinstance(objective, JointReconstruction)
    return perception, objective


def test_a_third_of_the_rows_shows_both_and_a_third_each_alone() -> None:
    _, objective = started()
    shown = objective.shown(Samples({}, torch.zeros(9000)))
    left, right = shown["left"], shown["right"]
    assert (left | right).all()
    for share in ((left & right), left & ~right, right & ~left):
        assert abs(float(share.float().mean()) - 1 / 3) < 0.02


def test_a_sense_that_is_not_there_is_never_shown() -> None:
    _, objective = started()
    there = {"left": torch.arange(300) % 2 == 0}
    shown = objective.shown(Samples({}, torch.zeros(300), there))
    assert not (shown["left"] & ~there["left"]).any()
    assert shown["right"][~there["left"]].all()


def test_a_world_that_is_remembered_shows_the_same_at_all_steps() -> None:
    _, objective = started()
    memory = Memory(torch.zeros(50, 3), torch.zeros(4, 50, dtype=torch.bool))
    shown = objective.shown(Samples({}, torch.zeros(200), memory=memory))["left"].view(4, 50)
    assert (shown == shown[0]).all()
    assert 0 < int(shown[0].sum()) < 50


def test_either_sense_gives_back_the_other_where_they_say_the_same() -> None:
    perception, objective = started()
    left = torch.randn(96, 2)
    batch = Samples({"left": left, "right": 40 + 3 * left.flip(1)}, torch.zeros(96))
    perception.update_statistics(batch.observations)
    objective.update_statistics(batch.observations)
    optimizer = torch.optim.Adam([*perception.parameters(), *objective.parameters()], 2e-2)
    for _ in range(70):
        loss = objective(batch, perception(batch.observations))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = objective.reconstructed(batch, perception(batch.observations))
    assert [(one.sense, one.source) for one in found] == [
        *(("left", "all senses"), ("right", "all senses")),
        *(("right", "left"), ("left", "right")),
    ]
    for one in found:
        reading = batch.observations[one.sense]
        error = ((one.readings - reading) / reading.std(dim=0)).square().mean()
        assert float(error.detach()) < 0.1, (one.sense, one.source)
