import pytest
import torch
from torch import Tensor, nn

from mmrl.encoders import ImageEncoder, build_encoder
from mmrl.modality import ImageConv, Modality
from tests.mmrl.encoders.drawn import readings

SMALL_IMAGE = ImageConv(channels=(3, 4), kernels=(4, 3), strides=(2, 1), features=5)
CAMERA = Modality("camera", (12, 14, 3), 20, SMALL_IMAGE, dtype="uint8")


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
