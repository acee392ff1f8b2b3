"""Masked autoencoding: how much is hidden, that nothing hidden is seen, and that readings fall into parts."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mmrl.encoders import build_token_encoder
from mmrl.modality import MLP, Modality
from mmrl.perception import Perception, Seen
from mmrl.representation import objective_configs
from mmrl.representation.masked import Hiding, MaskedAutoencoder
from tests.mmrl.representation.samples import SENSES, Samples, readings

ROWS = 400


def started(**settings: object) -> tuple[Perception, MaskedAutoencoder, Samples]:
    torch.manual_seed(0)
    perception = Perception(SENSES, "transformer", 16, {"dim": 16, "heads": 2})
    objective = objective_configs({"masked": {"dim": 16, "heads": 2, **settings}})["masked"].start(perception, SENSES)
    assert isinstance(objective, MaskedAutoencoder)
    batch = Samples(readings(ROWS), torch.zeros(ROWS, 2))
    perception.update_statistics(batch.observations)
    objective.update_statistics(batch.observations)
    return perception, objective, batch


def scrambled(encoding: Tensor, hidden: Tensor) -> Tensor:
    """Encodings whose hidden tokens hold something else, NaN among it."""
    tokens = encoding if encoding.dim() == 3 else encoding.unsqueeze(1)
    other = torch.where(torch.arange(tokens.shape[2]) % 2 == 0, 100.0, torch.nan)
    return torch.where(hidden.unsqueeze(2), other, tokens).view_as(encoding)


def test_the_output_does_not_depend_on_what_hidden_tokens_hold() -> None:
    perception, objective, batch = started(whole=0.3)
    seen = perception(batch.observations)
    hiding = objective.hide(batch, seen)
    before = objective.decoded(hiding, batch, seen)
    held = {name: scrambled(encoding, hiding.hidden[name]) for name, encoding in seen.encodings.items()}
    after = objective.decoded(hiding, batch, Seen(held, seen.fused, None, perception))
    for name, decoded in before.items():
        there = hiding.there[name]
        assert torch.equal(decoded[there], after[name][there]), name
    visible = {name: scrambled(seen.encodings[name], ~hiding.hidden[name]) for name in SENSES}
    other = objective.decoded(hiding, batch, Seen(visible, seen.fused, None, perception))
    assert not torch.equal(other["film"], before["film"])  # as it does on those of visible ones


@pytest.mark.parametrize("ratio", [0.75, 0.95, 0.5])
def test_a_share_of_the_tokens_of_each_sense_is_hidden(ratio: float) -> None:
    perception, objective, batch = started(ratio=ratio, whole=0.0)
    hiding = objective.hide(batch, perception(batch.observations))
    for name in ("film", "force", "pose"):
        assert float(hiding.hidden[name].float().mean()) == pytest.approx(ratio, abs=0.06), name
    again = objective.hide(batch, perception(batch.observations))
    assert not torch.equal(hiding.hidden["film"], again.hidden["film"])


def test_a_share_of_the_rows_hides_a_sense_altogether() -> None:
    perception, objective, batch = started(ratio=0.0, whole=0.5)
    hiding = objective.hide(batch, perception(batch.observations))
    film = hiding.hidden["film"]
    assert torch.equal(film.all(dim=1), film.any(dim=1))
    assert float(film.all(dim=1).float().mean()) == pytest.approx(0.5 / len(SENSES), abs=0.04)


def test_what_is_missing_is_neither_hidden_nor_shown() -> None:
    perception, objective, batch = started()
    absent = {"pose": torch.arange(ROWS) % 2 == 0}
    batch = batch._replace(present=absent)
    hiding: Hiding = objective.hide(batch, perception(batch.observations, absent))
    assert torch.equal(hiding.there["pose"][:, 0], absent["pose"])
    assert torch.equal(hiding.there["points"], batch.observations["points"][..., -1] > 0.5)
    assert not any((hiding.hidden[name] & ~hiding.there[name]).any() for name in SENSES)
    assert hiding.kept.shape == hiding.visible.shape
    offsets = torch.tensor([shape[0] for shape in objective.shapes.values()]).cumsum(0)
    places = hiding.kept[hiding.visible]
    assert int(places.max()) < int(offsets[-1])


@pytest.mark.parametrize("name", list(SENSES))
def test_readings_are_made_of_their_parts_again(name: str) -> None:
    for side in (8, 7):  # of which pixels and readings do not fall into equal parts
        sense = SENSES[name]
        if name == "film":
            sense = replace(sense, shape=(side, 8, 1))
        if name == "force":
            sense = replace(sense, history=side)
        encoder = build_token_encoder(sense)
        x = readings(6, **{name: sense})[name]
        parts = encoder.parts(x)
        assert parts.shape[:2] == (6, encoder.tokens or 1)
        whole = encoder.whole(parts, sense.window_shape)
        there = x > 0 if name == "speech" else torch.ones_like(x, dtype=torch.bool)
        assert torch.equal(whole[there], x[there].float())


def test_what_it_lacks_is_named() -> None:
    pose = {"pose": Modality("pose", (3,), 20, MLP((8,), features=5))}
    config = objective_configs({"masked": 1})["masked"]
    with pytest.raises(
        ValueError, match=r"'masked' needs a fusion .* --fusion transformer; ConcatFusion has no tokens"
    ):
        config.start(Perception(pose), pose)
    for settings, message in (
        ({"ratio": 1.5}, r"Masked\.ratio must lie in \[0, 1\], got 1\.5"),
        ({"ratio": 0.0, "whole": 0.0}, "which hides nothing"),
        ({"dim": 10, "heads": 3}, r"Masked\.dim must be a multiple of heads \(3\), got 10"),
    ):
        with pytest.raises(ValueError, match=message):
            objective_configs({"masked": settings})
