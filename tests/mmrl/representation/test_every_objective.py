"""The contract of all objectives, on a sense of each kind: gradients, absent senses, and what a checkpoint keeps."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor

from mmrl.inputs import Memory
from mmrl.perception import Perception
from mmrl.representation import OBJECTIVES, Objective, objective_configs
from mmrl.representation.base import DecodingObjective
from tests.mmrl.representation.samples import SENSES, Recorded, Samples, readings

ROWS = 48
OF_SENSES = [name for name in OBJECTIVES if name != "state"]
SETTINGS: dict[str, dict[str, object]] = {
    **{name: {"size": 3} for name in ("cca", "dcca", "dccae")},
    "masked": {"dim": 16, "heads": 2},
    "vision_touch": {"camera": "film", "touch": "force", "pose": "pose", "contact_n": 7.0},
}
"""Of objectives whose usual ones ask for larger batches, or take longer."""
FUSIONS = {"masked": "transformer"}
"""Of objectives that do not go with every fusion."""
REMEMBERING = [name for name in OF_SENSES if name not in ("masked", "vision_touch")]

torch.set_num_threads(1)


def started(name: str, fusion: str = "", **settings: object) -> tuple[Perception, Objective]:
    torch.manual_seed(0)
    perception = Perception(SENSES, fusion or FUSIONS.get(name, "concat"), features=16)
    objective = objective_configs({name: {**SETTINGS.get(name, {}), **settings}})[name].begin(perception, SENSES, 2)
    observations = readings(200, seed=1)
    perception.update_statistics(observations)
    objective.update_statistics(observations)
    return perception, objective


def samples(rows: int = ROWS, present: dict[str, Tensor] | None = None, **others: Tensor) -> Samples:
    steps = torch.arange(rows)
    episodes = Recorded(steps // 6, steps % 6, readings(rows, seed=2), steps % 6 < 5)
    return Samples({**readings(rows), **others}, torch.zeros(rows, 2), present, timeline=episodes)


def loss_of(perception: Perception, objective: Objective, batch: Samples) -> Tensor:
    loss = objective(batch, perception(batch.observations, batch.present, batch.memory))
    assert isinstance(loss, Tensor)
    return loss


@pytest.mark.parametrize("name", OF_SENSES)
def test_it_teaches_the_encoders_of_all_senses(name: str) -> None:
    perception, objective = started(name)
    loss = loss_of(perception, objective, samples())
    assert loss.shape == ()
    loss.backward()
    for sense in SENSES:
        gradients = [weight.grad for weight in perception.encoder(sense).parameters()]
        assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients), sense
    assert all(weight.grad is None or torch.isfinite(weight.grad).all() for weight in objective.parameters())


@pytest.mark.parametrize("name", OF_SENSES)
def test_what_an_absent_sense_holds_changes_nothing(name: str) -> None:
    """NaN in place of the readings: the same loss, and no gradient that is not finite."""
    masks = {"pose": torch.arange(ROWS) % 3 > 0, "force": torch.arange(ROWS) % 4 > 0}
    lost = {
        sense: torch.where(mask.view(-1, *(1,) * len(SENSES[sense].window_shape)), readings(ROWS)[sense], np.nan)
        for sense, mask in masks.items()
    }
    losses = []
    for others in ({}, lost):
        perception, objective = started(name)
        loss = loss_of(perception, objective, samples(present=masks, **others))
        loss.backward()
        losses.append(loss)
        weights = [*perception.parameters(), *objective.parameters()]
        assert all(weight.grad is None or torch.isfinite(weight.grad).all() for weight in weights)
    assert torch.equal(*losses)
    assert not torch.equal(losses[0], loss_of(*started(name), samples()))


@pytest.mark.parametrize("name", OF_SENSES)
def test_a_sense_that_nobody_has_leaves_the_others_to_learn_from(name: str) -> None:
    perception, objective = started(name)
    nobody = {"pose": torch.zeros(ROWS, dtype=torch.bool)}
    loss = loss_of(perception, objective, samples(present=nobody))
    loss.backward()
    assert torch.isfinite(loss)
    assert any(weight.grad is not None and weight.grad.abs().max() > 0 for weight in perception.parameters())
    pose = perception.encoder("pose").parameters()
    assert all(weight.grad is None or not weight.grad.any() for weight in pose)


@pytest.mark.parametrize("name", OF_SENSES)
def test_it_goes_on_bit_for_bit_from_its_state(name: str) -> None:
    """Its draws go on as well."""
    perception, objective = started(name)
    batch = samples()
    loss_of(perception, objective, batch)
    saved = {key: value.clone() for key, value in objective.state_dict().items()}
    going_on = [loss_of(perception, objective, batch) for _ in range(3)]
    torch.manual_seed(5)
    other = deepcopy(objective)
    for value in other.state_dict().values():
        value.zero_()
    other.load_state_dict(saved)
    assert all(map(torch.equal, going_on, [loss_of(perception, other, batch) for _ in range(3)]))


@pytest.mark.parametrize("name", REMEMBERING)
def test_a_perception_that_remembers_will_do(name: str) -> None:
    perception, objective = started(name, "lstm")
    starts = torch.zeros(12, 4, dtype=torch.bool)
    memory = Memory(torch.zeros(4, perception.state_size), starts)
    assert torch.isfinite(loss_of(perception, objective, samples()._replace(memory=memory)))


@pytest.mark.parametrize("name", OF_SENSES)
def test_readings_come_back_in_their_shapes(name: str) -> None:
    perception, objective = started(name)
    if not isinstance(objective, DecodingObjective):
        assert name in ("clip", "cca", "dcca", "vision_touch")
        return
    batch = samples(5)
    found = objective.reconstructed(batch, perception(batch.observations))
    assert {one.sense for one in found} == set(SENSES)
    assert all(one.readings.shape == (5, *SENSES[one.sense].window_shape) for one in found)
    assert len({(one.sense, one.source) for one in found}) == len(found)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("autoencoder", {"sense": "nose"}, "'autoencoder' decodes 'nose', the senses are film, force, pose"),
        ("denoising", {"noise": [0.0]}, r"Denoising\.noise must be numbers in \(0, 1\], got \(0\.0,\)"),
        ("clip", {"sense": "pose"}, "'clip' needs 2 senses or more, got pose of film, force"),
        (
            "clip",
            {"negatives": "none"},
            "negatives must be one of 'all', .* got 'none'",
        ),
        ("clip", {"size": 0}, r"Clip\.size must be integers >= 1, got \(0,\)"),
        ("cca", {"ridge": 0.0}, r"LinearCorrelation\.ridge must be finite and above 0, got 0\.0"),
        ("dccae", {"reconstruction": 0.0}, "without reconstruction it is dcca"),
        ("translation", {"cycle": -1.0}, r"Translation\.cycle must be finite and not negative, got -1\.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        started(name, **settings)


@pytest.mark.parametrize("name", ["bimodal", "clip", "cca", "dcca", "dccae", "translation"])
def test_one_sense_is_too_few_between_senses(name: str) -> None:
    start: Callable[..., Objective] = objective_configs({name: 1})[name].start
    alone = {"pose": SENSES["pose"]}
    with pytest.raises(ValueError, match=f"objective '{name}' needs 2 senses or more, got pose of pose"):
        start(Perception(alone), alone)
