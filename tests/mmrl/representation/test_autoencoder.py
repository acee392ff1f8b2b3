"""The autoencoder: what it learns, of which senses, and what it leaves out."""

import numpy as np
import pytest
import torch

from mmrl.encoders.code import CodeEncoder
from mmrl.modality import MLP, FrameCodes, Modality
from mmrl.perception import Perception
from mmrl.representation import objective_configs
from mmrl.representation.autoencoder import Autoencoder
from tests.mmrl.representation.samples import Samples

POSE = {"pose": Modality("pose", (3,), 20, MLP((4,), features=5), history=2)}


def test_a_spot_on_a_ring_is_found_by_two_numbers() -> None:
    """Pictures of a spot that goes round a noisy picture: a code of two numbers tells where it is."""
    torch.manual_seed(0)
    angle = torch.linspace(0, 2 * torch.pi, 257)[:-1]
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    away = (rows - 5.5 - 4 * angle.sin().view(-1, 1, 1)).square() + (
        columns - 5.5 - 4 * angle.cos().view(-1, 1, 1)
    ) ** 2
    pictures = 60 + 150 * torch.exp(-away / 3) + 4 * torch.randn(256, 12, 12)
    film = {"film": pictures.clamp(0, 255).to(torch.uint8).unsqueeze(-1)}
    spec = FrameCodes(size=2, channels=(8,), kernel=5, hidden=(64, 32), blur=1.0)
    perception = Perception({"film": Modality("film", (12, 12, 1), 10, spec, dtype="uint8")}, features=0)
    objective = Autoencoder(sense="film").start(perception, perception.modalities)
    perception.update_statistics(film)
    objective.update_statistics(film)
    optimizer = torch.optim.Adam([*perception.parameters(), *objective.parameters()], 2e-3)
    losses = []
    for _ in range(300):
        loss = objective(Samples(film, torch.zeros(256)), perception(film))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.9
    assert losses[-1] < 0.15
    encoder = perception.encoder("film")
    assert isinstance(encoder, CodeEncoder)
    codes = encoder.codes(film["film"])[:, 0].detach()
    nearest = (torch.cdist(codes, codes) + 1e9 * torch.eye(256)).argmin(dim=1)
    steps = (nearest - torch.arange(256) + 128) % 256 - 128  # round the ring, of 256
    assert float(steps.abs().float().median()) <= 3


def test_any_sense_can_be_decoded() -> None:
    torch.manual_seed(0)
    perception = Perception(POSE, features=7)
    objective = objective_configs({"autoencoder": {"sense": "pose", "weight": 0.1}})["autoencoder"]
    started = objective.start(perception, POSE)
    readings = {"pose": 50 + 3 * torch.randn(8, 2, 3)}
    started.update_statistics(readings)
    loss = started(Samples(readings, torch.zeros(8)), perception(readings))
    loss.backward()
    assert 0.3 < float(loss.detach()) < 3  # in variances, whatever the size of the readings
    assert all(weight.grad is not None for weight in started.parameters())


def test_rows_without_the_sense_have_no_error() -> None:
    torch.manual_seed(0)
    perception = Perception(POSE, features=7)
    objective = Autoencoder(sense="pose").start(perception, POSE)
    pose = torch.randn(4, 2, 3)
    lost = torch.where(torch.tensor([True, True, False, False]).view(4, 1, 1), pose, np.nan)
    masks = {"pose": torch.tensor([True, True, False, False])}
    whole = objective(Samples({"pose": pose[:2]}, torch.zeros(2)), perception({"pose": pose[:2]}))
    part = objective(Samples({"pose": lost}, torch.zeros(4), masks), perception({"pose": lost}, masks))
    torch.testing.assert_close(part, whole)
    part.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in objective.parameters() if weight.grad is not None)


def test_a_sense_that_nobody_sees_is_refused() -> None:
    with pytest.raises(ValueError, match="objective 'autoencoder' decodes 'camera', the senses are pose"):
        Autoencoder(sense="camera").start(Perception(POSE), POSE)
