import math
import sys
import types
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mmrl.encoders import (
    CausalTemporalEncoder,
    DifferenceEncoder,
    Encoder,
    ImageEncoder,
    build_encoder,
    register_encoder,
)
from mmrl.encoders.layers import CausalConv
from mmrl.modality import MLP, Custom, DifferenceMLP, EncoderSpec, ImageConv, Modality, TemporalConv

SMALL_IMAGE = ImageConv(channels=(3, 4), kernels=(4, 3), strides=(2, 1), features=5)
CAMERA = Modality("camera", (12, 14, 3), 20, SMALL_IMAGE, dtype="uint8")
WRENCH = Modality("wrench", (6,), 1000, TemporalConv(channels=(8, 9), features=7), history=32)
PROPRIO = Modality("proprio", (4,), 500, MLP(hidden=(8,), features=6), history=3)
FEATURES = {"camera": 5, "wrench": 7, "proprio": 6}


def readings(modality: Modality, rows: int) -> Tensor:
    rng = np.random.default_rng(0)
    shape = (rows, *modality.window_shape)
    if modality.dtype == "uint8":
        return torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8))
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("modality", [CAMERA, WRENCH, PROPRIO], ids=lambda m: m.name)
def test_maps_the_declared_shape_to_features(modality: Modality) -> None:
    encoder = build_encoder(modality)
    encoding = encoder(readings(modality, 4))
    assert encoding.shape == (4, FEATURES[modality.name]) == (4, encoder.features)
    assert encoding.dtype == torch.float32


def test_image_encoder_is_the_plain_convolution_of_scaled_pixels() -> None:
    encoder = build_encoder(CAMERA)
    assert isinstance(encoder, ImageEncoder)
    first, second = (m for m in encoder.modules() if isinstance(m, nn.Conv2d))
    images = readings(CAMERA, 2)
    h = (images.float() / 255 - 0.5).permute(0, 3, 1, 2).contiguous()
    h = torch.relu(nn.functional.conv2d(h, first.weight, first.bias, stride=2))
    h = torch.relu(nn.functional.conv2d(h, second.weight, second.bias))
    expected = torch.relu(encoder.linear(h.flatten(1)))
    torch.testing.assert_close(encoder(images), expected, atol=1e-5, rtol=1e-5)


def test_image_encoder_takes_floats_in_the_declared_range() -> None:
    images = readings(CAMERA, 2)
    encoder = build_encoder(CAMERA)
    torch.testing.assert_close(encoder(images.float()), encoder(images))


def test_images_of_bounded_floats_are_scaled_by_their_bounds() -> None:
    unit = Modality("camera", (12, 14, 3), 20, SMALL_IMAGE, low=0.0, high=1.0)
    ours, theirs = build_encoder(unit), build_encoder(CAMERA)
    ours.load_state_dict(theirs.state_dict())
    images = readings(CAMERA, 2)
    torch.testing.assert_close(ours(images / 255), theirs(images), atol=1e-5, rtol=1e-5)


def test_unbounded_images_are_standardised_by_what_was_seen() -> None:
    depth = Modality("depth", (12, 14, 1), 20, SMALL_IMAGE, low=0.0)
    encoder = build_encoder(depth)
    x = readings(depth, 3).abs() * 100 + 1000
    encoder.update_statistics(x)
    shifted = build_encoder(depth)
    shifted.load_state_dict(encoder.state_dict() | fresh_statistics(shifted))
    shifted.update_statistics(x * 2 - 7)
    torch.testing.assert_close(shifted(x * 2 - 7), encoder(x), atol=1e-3, rtol=1e-3)


def fresh_statistics(encoder: nn.Module) -> dict[str, Tensor]:
    return {key: value for key, value in encoder.state_dict().items() if "statistics" in key}


def test_too_small_an_image_is_named() -> None:
    tiny = Modality("tiny", (5, 5, 3), 20, SMALL_IMAGE, dtype="uint8")
    with pytest.raises(ValueError, match=r"'tiny'.*\(5, 5, 3\).*\(4, 3\)"):
        build_encoder(tiny)


FRAMES = Modality("frames", (5, 4, 2), 15, DifferenceMLP(features=6), dtype="uint8", low=0, high=1)


def difference_encoder(modality: Modality) -> DifferenceEncoder:
    encoder = build_encoder(modality)
    assert isinstance(encoder, DifferenceEncoder)
    return encoder


@given(highest=st.sampled_from([1, 3, 255]), rows=st.integers(0, 5), seed=st.integers(0, 2**32 - 1))
def test_frames_are_subtracted_and_multiplied(highest: int, rows: int, seed: int) -> None:
    encoder = difference_encoder(replace(FRAMES, high=highest))
    frames = np.random.default_rng(seed).integers(0, highest + 1, (rows, 5, 4, 2), dtype=np.uint8)
    change = (frames[..., 1].astype(np.float32) - frames[..., 0]).reshape(rows, 20) / highest
    expected = np.maximum(change @ encoder.weight.detach().numpy(), 0)
    encoding = encoder(torch.from_numpy(frames))
    assert encoding.shape == (rows, 6)
    np.testing.assert_allclose(encoding.detach(), expected, atol=1e-5)


def test_the_weights_of_frames_get_the_gradient_of_the_matrix_product() -> None:
    encoder = difference_encoder(FRAMES)
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (30, 5, 4, 2), dtype=np.uint8))
    frames[7] = 1  # nothing changes
    upstream = torch.randn(30, 6)
    change = (frames[..., 1].float() - frames[..., 0].float()).flatten(1)
    upstream_of_relu = upstream * (change @ encoder.weight.detach() > 0)
    encoder(frames).backward(upstream)
    torch.testing.assert_close(encoder.weight.grad, change.T @ upstream_of_relu)


def test_frames_of_floats_pass_the_gradient_on_to_every_pixel() -> None:
    encoder = difference_encoder(FRAMES).double()
    frames = torch.zeros(2, 5, 4, 2, dtype=torch.float64)  # an image that did not change has one too
    frames[0, 1, 2, 1] = 1.0
    before = encoder(frames)
    torch.testing.assert_close(encoder(frames.to(torch.uint8)), before)
    frames.requires_grad_()
    encoder(frames)[0].sum().backward()
    # Where the unit is on, the newest pixel counts with its weight and the previous one against it.
    expected = (encoder.weight * (before[0] > 0)).sum(dim=1).view(5, 4)
    assert frames.grad is not None
    torch.testing.assert_close(frames.grad[0, ..., 1], expected)
    torch.testing.assert_close(frames.grad[0, ..., 0], -expected)


def test_weights_of_frames_start_at_the_inverse_root_of_the_inputs() -> None:
    encoder = difference_encoder(replace(FRAMES, shape=(50, 40, 2), encoder=DifferenceMLP(100)))
    assert encoder.weight.shape == (2000, 100)
    # 200,000 draws: the deviation is right to 1 / sqrt(400,000) = 0.16 %, six times that never fails
    assert float(encoder.weight.detach().std()) == pytest.approx(2000**-0.5, rel=0.01)


@given(
    length=st.integers(1, 20),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    layers=st.integers(1, 3),
    data=st.data(),
)
def test_temporal_positions_depend_on_no_later_reading(
    length: int, kernel: int, stride: int, layers: int, data: st.DataObject
) -> None:
    spec = TemporalConv(channels=(3,) * layers, kernel=kernel, stride=stride, features=2)
    encoder = build_encoder(Modality("wrench", (2,), 1000, spec, history=length))
    assert isinstance(encoder, CausalTemporalEncoder)
    x = torch.randn(1, length, 2)
    before = encoder.convolve(x)
    back = data.draw(st.integers(0, before.shape[1] - 1), label="positions before the last")
    changed = x.clone()
    newest = min(back * stride**layers, length)
    changed[:, length - newest :] += 1.0
    position = before.shape[1] - 1 - back
    torch.testing.assert_close(encoder.convolve(changed)[:, : position + 1], before[:, : position + 1])


@given(length=st.integers(1, 20), kernel=st.integers(1, 4), stride=st.integers(1, 3))
def test_last_temporal_position_reads_the_newest(length: int, kernel: int, stride: int) -> None:
    spec = TemporalConv(channels=(3, 4), kernel=kernel, stride=stride, features=2)
    encoder = build_encoder(Modality("wrench", (2,), 1000, spec, history=length))
    assert isinstance(encoder, CausalTemporalEncoder)
    x = torch.randn(1, length, 2, requires_grad=True)
    encoder.convolve(x)[:, -1].sum().backward()
    assert x.grad is not None
    assert (x.grad[:, -1] != 0).any()


def test_causal_convolution_is_a_convolution_padded_on_the_left() -> None:
    ours = CausalConv(inputs=2, outputs=3, kernel=3, stride=2)
    theirs = nn.Conv1d(2, 3, kernel_size=3, stride=2)
    with torch.no_grad():
        theirs.weight.copy_(ours.linear.weight.view(3, 2, 3))
        theirs.bias.copy_(torch.arange(3.0))  # type: ignore[union-attr]  # it has a bias
        ours.linear.bias.copy_(torch.arange(3.0))
    x = torch.randn(4, 8, 2)
    # 8 readings, stride 2: 4 outputs, covering 3 * 2 + 3 = 9 readings, so one zero comes before.
    padded = nn.functional.pad(x.transpose(1, 2), (1, 0))
    torch.testing.assert_close(ours(x), theirs(padded).transpose(1, 2))


def test_five_layers_reduce_32_readings_to_one_as_published() -> None:
    spec = TemporalConv(channels=(16, 32, 64, 128, 256), features=64)
    encoder = build_encoder(Modality("wrench", (6,), 1000, spec, history=32))
    assert isinstance(encoder, CausalTemporalEncoder)
    assert encoder.convolve(torch.zeros(1, 32, 6)).shape == (1, 1, 256)


def test_mlp_can_read_the_last_reading_only() -> None:
    spec = MLP(hidden=(), features=3, window="last", squash=(1.0,))
    encoder = build_encoder(Modality("proprio", (2,), 500, spec, history=4))
    x = torch.randn(5, 4, 2)
    older_changed = x.clone()
    older_changed[:, :-1] += 1
    newest_changed = x.clone()
    newest_changed[:, -1] += 1
    torch.testing.assert_close(encoder(older_changed), encoder(x), atol=0, rtol=0)
    assert not torch.equal(encoder(newest_changed), encoder(x))


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


@dataclass(frozen=True)
class Unheard(EncoderSpec):
    def check(self, modality: Modality) -> None:
        """Every modality will do."""


@dataclass(frozen=True)
class Doubling(Unheard):
    """The tests register an encoder for it."""


def test_unknown_spec_lists_the_known() -> None:
    with pytest.raises(TypeError, match=r"Unheard.*'ear'.*Custom.*ImageConv.*MLP.*TemporalConv"):
        build_encoder(Modality("ear", (2,), 100, Unheard()))


def test_a_user_registers_an_encoder() -> None:
    @register_encoder(Doubling)
    class DoublingEncoder(Encoder):
        def __init__(self, spec: Doubling, modality: Modality) -> None:
            super().__init__()
            self.features = modality.shape[-1]

        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    encoder = build_encoder(Modality("ear", (2,), 100, Doubling()))
    assert encoder(torch.ones(1, 2)).tolist() == [[2.0, 2.0]]


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("user_encoders")
    monkeypatch.setitem(sys.modules, "user_encoders", module)
    return module


def ear(factory: str, features: int = 5) -> Modality:
    return Modality("ear", (2, 3), 100, Custom(f"user_encoders:{factory}", features), history=4)


def flat(modality: Modality, features: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(modality.window_shape), features))


def test_custom_network_is_found_by_its_path(plugin: types.ModuleType) -> None:
    plugin.make = lambda modality: flat(modality, 5)  # type: ignore[attr-defined]  # a stand-in
    encoder = build_encoder(ear("make"))
    assert encoder.features == 5
    assert encoder.training
    assert encoder(torch.zeros(7, 4, 2, 3)).shape == (7, 5)


def test_custom_network_of_another_size_is_refused(plugin: types.ModuleType) -> None:
    plugin.make = lambda modality: flat(modality, 6)  # type: ignore[attr-defined]  # a stand-in
    with pytest.raises(ValueError, match=r"\(2, 4, 2, 3\) to \(2, 5\), got \(2, 6\)") as caught:
        build_encoder(ear("make"))
    assert "'ear'" in caught.value.__notes__[0]


def test_custom_factory_must_return_a_module(plugin: types.ModuleType) -> None:
    plugin.make = lambda modality: None  # type: ignore[attr-defined]  # a stand-in
    with pytest.raises(ValueError, match=r"user_encoders:make.*nn.Module, got None"):
        build_encoder(ear("make"))


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("target", ["user_encoders:missing", "no_such_package.module:make"])
def test_custom_target_that_cannot_be_imported_is_named(target: str) -> None:
    with pytest.raises(ValueError, match=rf"'ear'.*{target}"):
        build_encoder(Modality("ear", (2,), 100, Custom(target)))
