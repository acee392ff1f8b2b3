"""Self-supervision of vision and touch: its labels, its pairs, and that it learns what there is to learn."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mmrl.modality import MLP, Modality, Unencoded
from mmrl.modality.image import usual_conv
from mmrl.perception import Perception
from mmrl.representation import objective_configs
from mmrl.representation.vision_touch import SelfSupervision
from tests.mmrl.representation.samples import Recorded, Samples

SENSES = {
    "camera": Modality("camera", (2,), 20, MLP((16,), features=8)),
    "force_torque": Modality("force_torque", (2,), 100, MLP((16,), features=8), history=3, unit=("N", "N m")),
    "proprioception": Modality("proprioception", (2,), 100, MLP((16,), features=8), history=3, unit=("m", "m/s")),
}
HIDDEN = {"flow": Modality("flow", (5, 11, 3), 20, Unencoded())}
ROWS = 96


def started(**settings: object) -> tuple[Perception, SelfSupervision]:
    torch.manual_seed(0)
    perception = Perception(SENSES, features=16)
    objective = objective_configs({"vision_touch": settings})["vision_touch"].begin(perception, SENSES | HIDDEN, 1)
    assert isinstance(objective, SelfSupervision)
    return perception, objective


def world(rows: int = ROWS) -> Samples:
    """A tip moves by its action; above 0 it touches, with a force that its place says; the camera sees the place.

    The left half of the picture then flows to the right as far as the tip has moved, and down by its place; of the rest
    nothing is known.
    """
    draw = torch.Generator().manual_seed(0)
    place, action = (torch.rand((rows, 1), generator=draw) * 2 - 1 for _ in range(2))

    def at(place: Tensor) -> dict[str, Tensor]:
        force = torch.where(place > 0, 10.0, 0.5) + place
        return {
            "camera": place.repeat(1, 2),
            "force_torque": torch.stack([force, torch.zeros_like(force)], dim=2).repeat(1, 3, 1),
            "proprioception": torch.stack([place, torch.zeros_like(place)], dim=2).repeat(1, 3, 1),
        }

    steps = torch.arange(rows)
    flow = torch.full((rows, *HIDDEN["flow"].shape), 7.0)
    flow[:, :, :5] = torch.stack([3 * action, place, torch.ones(rows, 1)], dim=2).unsqueeze(1)
    flow[:, :, 5:, 2] = 0
    later = {**at(place + 0.5 * action), "flow": flow}
    timeline = Recorded(steps // 8, steps % 8, later, torch.ones(rows, dtype=torch.bool))
    return Samples(at(place), action, timeline=timeline)


def losses_after(steps: int, **settings: object) -> tuple[float, float]:
    batch, (perception, objective) = world(), started(**settings)
    perception.update_statistics(batch.observations)
    optimizer = torch.optim.Adam([*perception.parameters(), *objective.parameters()], 2e-2)
    losses = []
    for _ in range(steps):
        loss = objective(batch, perception(batch.observations))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[0], losses[-1]


@pytest.mark.parametrize(
    ("asked", "learned"),
    [
        ({"contact": 1.0}, 0.3),
        ({"motion": 1.0}, 0.2),
        ({"pairing": 1.0, "tolerance_m": 0.5}, 0.5),
        ({"flow": 1.0}, 0.4),
    ],
)
def test_each_of_its_questions_is_learned_to_be_answered(asked: dict[str, float], learned: float) -> None:
    before, after = losses_after(60, **{"contact": 0.0, "motion": 0.0, "pairing": 0.0} | asked)
    assert before > 0.7  # 1 where nothing is known
    assert after < learned


def test_contact_is_a_force_at_any_reading_of_the_next_window() -> None:
    batch, (perception, objective) = world(4), started(pairing=0.0, motion=0.0)
    touch = torch.zeros(4, 3, 2)
    touch[0, 1, 0] = -5.0  # newtons in the middle of the window
    touch[1, 2, 1] = 50.0  # of newton metres
    touch[2, 2, 0] = 2.9
    assert isinstance(batch.timeline, Recorded)
    later = {**batch.timeline.later, "force_torque": touch}
    with torch.no_grad():
        objective.touching.weight.zero_()
        objective.touching.bias.fill_(20.0)  # sure of contact
    asked = [
        objective(
            batch._replace(timeline=replace(batch.timeline, later=later, follows=follows)),
            perception(batch.observations),
        ).item()
        for follows in torch.eye(4, dtype=torch.bool)
    ]
    # 20 / log 2 bits where there is none
    assert asked == pytest.approx([0, 28.85, 28.85, 28.85], abs=0.01)


def test_only_instants_that_are_apart_are_held_against_each_other() -> None:
    batch, (perception, objective) = world(), started(contact=0.0, motion=0.0, tolerance_m=10.0)
    with torch.no_grad():
        objective.belonging.weight.zero_()
        objective.belonging.bias.fill_(20.0)  # sure that all belongs together
    seen = perception(batch.observations)
    assert objective(batch, seen).item() == pytest.approx(0, abs=1e-6)  # nothing is 10 m away
    near = SelfSupervision(replace(objective.config, tolerance_m=1e-9), perception, SENSES, 1)
    near.load_state_dict(objective.state_dict())
    assert near(batch, seen).item() == pytest.approx(0.5 * 28.85, rel=0.02)


def flow_loss(batch: Samples, objective: SelfSupervision, perception: Perception) -> Tensor:
    loss: Tensor = objective(batch, perception(batch.observations, batch.present))
    return loss


ONLY_FLOW: dict[str, object] = {"contact": 0.0, "motion": 0.0, "pairing": 0.0, "flow": 1.0}


def test_the_error_of_a_flow_is_how_far_its_end_is_off_where_it_is_known() -> None:
    batch, (perception, objective) = world(4), started(**ONLY_FLOW)
    assert objective.flowing is not None
    with torch.no_grad():
        for weight in objective.flowing.parameters():
            weight.zero_()  # nothing moves
    flow = torch.zeros(4, 5, 11, 3)
    flow[0, 1, 2] = torch.tensor([3.0, -4.0, 1.0])  # 5 px
    flow[1, 0, 0] = torch.tensor([1.0, 0.0, 1.0])
    flow[1, 4, 10] = torch.tensor([50.0, 0.0, 0.0])  # not known
    flow[2, 3, 3] = torch.tensor([0.0, 9.0, 1.0])  # the camera is absent
    flow[3, 3, 3] = torch.tensor([0.0, 9.0, 1.0])  # nothing follows
    follows = torch.tensor([True, True, True, False])
    assert isinstance(batch.timeline, Recorded)
    timeline = replace(batch.timeline, later={**batch.timeline.later, "flow": flow}, follows=follows)
    batch = batch._replace(timeline=timeline, present={"camera": torch.tensor([True, True, False, True])})
    # Errors of 5 and 1 px, in mean lengths, which are learned from them: 3 px.
    assert flow_loss(batch, objective.train(), perception).item() == pytest.approx(1.0)
    assert float(objective.lengths.mean) == pytest.approx(3.0)
    assert flow_loss(batch, objective.eval(), perception).item() == pytest.approx(1.0)
    nothing = batch._replace(timeline=replace(timeline, follows=torch.zeros(4, dtype=torch.bool)))
    assert flow_loss(nothing, objective, perception).item() == 0


def test_the_flow_teaches_the_encoders_of_all_senses() -> None:
    batch, (perception, objective) = world(), started(**ONLY_FLOW)
    flow_loss(batch, objective, perception).backward()
    for sense in SENSES:
        gradients = [weight.grad for weight in perception.encoder(sense).parameters()]
        assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients), sense


def test_flow_goes_on_bit_for_bit_from_its_state() -> None:
    batch, (perception, objective) = world(), started(**ONLY_FLOW)
    flow_loss(batch, objective, perception)
    other = started(**ONLY_FLOW)[1]
    other.load_state_dict(objective.state_dict())
    assert torch.equal(flow_loss(batch, objective, perception), flow_loss(batch, other, perception))


def test_without_flow_it_is_what_it_was() -> None:
    names = started()[1].state_dict()
    assert not [name for name in names if "flow" in name or "lengths" in name]


def test_flow_must_be_a_sense_of_the_critic_alone() -> None:
    config = objective_configs({"vision_touch": {"flow": 1.0}})["vision_touch"]
    privileged = {"privileged": Modality("privileged", (3,), 20, Unencoded())}
    with pytest.raises(ValueError, match=r"foretells 'flow', .* the critic here has privileged; worlds of mmrl with"):
        config.begin(Perception(SENSES, features=16), SENSES | privileged, 1)
    seen = SENSES | {"flow": Modality("flow", (5, 11, 3), 20, usual_conv(5, 11))}
    with pytest.raises(ValueError, match="the critic here has none"):
        config.begin(Perception(seen, features=16), seen, 1)
    with pytest.raises(ValueError, match=r"needs 'flow' as \(H, W, 3\), .*, got \(4,\)"):
        config.begin(Perception(SENSES, features=16), SENSES | {"flow": Modality("flow", (4,), 20, Unencoded())}, 1)


def test_choices_will_do_for_actions() -> None:
    batch, perception = world(), Perception(SENSES, features=16)
    objective = objective_configs({"vision_touch": 1})["vision_touch"].begin(perception, SENSES, 4)
    chosen = batch._replace(actions=torch.arange(ROWS) % 4)
    assert torch.isfinite(objective(chosen, perception(batch.observations)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"touch": "nose"}, "'vision_touch' reads 'nose', the senses are camera, force_torque, proprioception"),
        ({"touch": "camera"}, "'vision_touch' needs 3 senses or more, got camera, proprioception"),
        ({"touch": "proprioception", "pose": "force_torque"}, "needs features of 'proprioception' in N, they are in m"),
        ({"contact": 0, "pairing": 0, "motion": 0}, "motion and flow are 0, which asks nothing"),
        ({"flow": -1.0}, r"VisionTouch\.flow must be finite and not negative, got -1"),
        ({"contact_n": 0.0}, r"VisionTouch\.contact_n must be finite and above 0, got 0"),
        ({"motion": -1.0}, r"VisionTouch\.motion must be finite and not negative, got -1"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        started(**settings)


def test_it_needs_to_know_what_follows_and_a_perception_of_single_instants() -> None:
    batch, (perception, objective) = world(), started()
    with pytest.raises(ValueError, match="'vision_touch' with its next contact and pose needs the order"):
        objective(batch._replace(timeline=None), perception(batch.observations))
    config = objective_configs({"vision_touch": 1})["vision_touch"]
    with pytest.raises(ValueError, match="this fusion remembers"):
        config.begin(Perception(SENSES, "lstm", 16), SENSES, 1)
