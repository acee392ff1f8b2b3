"""The contract of the networks of every kind of sense."""

import pytest
import torch

from mmrl.encoders import build_encoder
from mmrl.modality import MLP, EncoderSpec, ImageConv, Modality, TemporalConv
from tests.mmrl.encoders.drawn import readings

SMALL_IMAGE = ImageConv(channels=(3, 4), kernels=(4, 3), strides=(2, 1), features=5)
CAMERA = Modality("camera", (12, 14, 3), 20, SMALL_IMAGE, dtype="uint8")
WRENCH = Modality("wrench", (6,), 1000, TemporalConv(channels=(8, 9), features=7), history=32)
PROPRIO = Modality("proprio", (4,), 500, MLP(hidden=(8,), features=6), history=3)
FEATURES = {"camera": 5, "wrench": 7, "proprio": 6}


@pytest.mark.parametrize("modality", [CAMERA, WRENCH, PROPRIO], ids=lambda m: m.name)
def test_maps_the_declared_shape_to_features(modality: Modality) -> None:
    encoder = build_encoder(modality)
    encoding = encoder(readings(modality, 4))
    assert encoding.shape == (4, FEATURES[modality.name]) == (4, encoder.features)
    assert encoding.dtype == torch.float32


@pytest.mark.parametrize(
    "spec",
    [TemporalConv(channels=(3,), features=4), MLP(hidden=(5,), features=4)],
    ids=lambda s: type(s).__name__,
)
def test_statistics_undo_units(spec: EncoderSpec) -> None:
    """An encoder that has seen a quantity in mm answers as one that has seen it in m."""
    modality = Modality("sense", (2,), 100, spec, history=6)
    metres, millimetres = build_encoder(modality), build_encoder(modality)
    millimetres.load_state_dict(metres.state_dict())
    x = torch.randn(50, 6, 2)
    metres.update_statistics(x)
    millimetres.update_statistics(x * 1000)
    torch.testing.assert_close(millimetres(x * 1000), metres(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "modality",
    [
        Modality("camera", (6, 6, 2), 20, ImageConv((2,), (3,), (2,), features=2), low=0, high=1),
        Modality("wrench", (2,), 100, TemporalConv((3, 2), features=2, squash=(0.5,)), history=5),
        Modality("proprio", (2,), 100, MLP((3,), features=2), history=2),
    ],
    ids=lambda m: m.name,
)
def test_gradients_are_right(modality: Modality) -> None:
    torch.manual_seed(1)
    encoder = build_encoder(modality).double()
    x = torch.rand(2, *modality.window_shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(encoder, (x,))
