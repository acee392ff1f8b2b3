"""Objectives by name, and the read-out of the state."""

import pytest
import torch

from mmrl.modality import MLP, ImageConv, Modality, Unencoded
from mmrl.perception import Perception
from mmrl.representation import OBJECTIVES, objective_configs
from mmrl.representation.state import StateReadOut
from tests.mmrl.representation.samples import Samples

POSE = {"pose": Modality("pose", (3,), 20, MLP((4,), features=5))}
STATE = Modality("privileged", (2,), 20, Unencoded())


def test_settings_by_name_become_objectives() -> None:
    assert objective_configs({}) == {}
    assert objective_configs({"state": {"weight": 1, "sense": "map"}}) == {"state": StateReadOut(1.0, "map")}
    assert objective_configs({"state": None}) == {}
    assert OBJECTIVES["state"] is StateReadOut


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sound": {"weight": 1}}, "unknown objective 'sound'; there are state"),
        ({"state": "much"}, r"objective 'state' is set by state=WEIGHT and state.SETTING=VALUE, got 'much'"),
        ({"state": {"size": 3}}, "objective 'state': StateReadOut has no size; it has weight, sense"),
        ({"state": {"weight": -1}}, "objective 'state': StateReadOut.weight must be finite and not negative, got -1"),
        ({"state": {"weight": "much"}}, "objective 'state': weight must be float, got 'much'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        objective_configs(settings)


@pytest.mark.parametrize(
    ("senses", "sense", "given"),
    [({}, "privileged", "none"), ({"map": STATE}, "privileged", "map"), ({"privileged": STATE}, "pose", "privileged")],
)
def test_only_what_the_critic_alone_senses_is_read_off(senses: dict[str, Modality], sense: str, given: str) -> None:
    with pytest.raises(ValueError, match=rf"'state' reads off '{sense}', .* the critic here has {given}"):
        StateReadOut(sense=sense).start(Perception(POSE), {**POSE, **senses})


def test_a_state_that_can_be_seen_is_learned_to_be_read() -> None:
    torch.manual_seed(0)
    perception = Perception(POSE, features=16)
    objective = StateReadOut().start(perception, {**POSE, "privileged": STATE})
    pose = torch.randn(256, 3)
    samples = Samples({"pose": pose, "privileged": 100 + 7 * pose[:, :2]}, torch.zeros(256))
    perception.update_statistics(samples.observations)
    objective.update_statistics(samples.observations)
    optimizer = torch.optim.Adam([*perception.parameters(), *objective.parameters()], 1e-2)
    losses = []
    for _ in range(60):
        loss = objective(samples, perception(samples.observations))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # Whatever the size of the state, one that nothing is known of costs its variance, 1; W h + b starts near there.
    assert 0.5 < losses[0] < 2.5
    assert losses[-1] < 0.1


def test_a_state_of_any_shape_is_read_off() -> None:
    image = Modality("map", (4, 4, 1), 20, ImageConv((2,), (2,), (1,)), dtype="uint8")
    perception = Perception(POSE, features=8)
    objective = StateReadOut(sense="map").start(perception, {**POSE, "map": image})
    observations = {"pose": torch.randn(5, 3), "map": torch.randint(0, 256, (5, 4, 4, 1), dtype=torch.uint8)}
    objective.update_statistics(observations)
    loss = objective(Samples(observations, torch.zeros(5)), perception(observations))
    assert loss.shape == ()
    assert torch.isfinite(loss)
