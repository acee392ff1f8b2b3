"""Glimpses of images: where they are, and what is in them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmrl.encoders import build_encoder
from mmrl.encoders.glimpse import GlimpseEncoder
from mmrl.modality import GlimpseConv, Modality

SMALL = GlimpseConv(size=4, scales=(1, 3), spot=3, channels=(5,), kernels=(2,), strides=(1,), features=6, unit=50.0)


def sense(spec: GlimpseConv = SMALL, shape: tuple[int, ...] = (13, 17, 2)) -> Modality:
    return Modality("film", shape, 10, spec, dtype="uint8")


def glimpse_encoder(spec: GlimpseConv = SMALL) -> GlimpseEncoder:
    encoder = build_encoder(sense(spec))
    assert isinstance(encoder, GlimpseEncoder)
    return encoder


def with_a_mark(row: int, column: int) -> np.ndarray:
    """Noise, and on it a bright square of 3 pixels a side in the newest channel."""
    image = np.random.default_rng(0).integers(90, 110, (13, 17, 2), dtype=np.uint8)
    image[row - 1 : row + 2, column - 1 : column + 2, 1] = 250
    return image


@given(row=st.integers(1, 11), column=st.integers(1, 15))
def test_patches_are_means_of_the_pixels_around_what_stands_out(row: int, column: int) -> None:
    image, encoder = with_a_mark(row, column), glimpse_encoder()
    batch = torch.from_numpy(np.stack([with_a_mark(6, 8), image]))
    assert [int(place[1]) for place in encoder.salient(batch)] == [row, column]
    patches = encoder.glimpse(batch)[1]
    assert patches.shape == (2 * 2, 4, 4)
    differences = (image - image.mean(axis=(0, 1))) / 50
    padded = np.pad(differences, ((20, 20), (20, 20), (0, 0)))
    for number, scale in enumerate((1, 3)):
        top, left = row + 20 - 2 * scale, column + 20 - 2 * scale
        window = padded[top : top + 4 * scale, left : left + 4 * scale].reshape(4, scale, 4, scale, 2)
        expected = window.mean(axis=(1, 3)).transpose(2, 0, 1)
        np.testing.assert_allclose(patches[2 * number : 2 * number + 2], expected, atol=1e-5)


@given(down=st.integers(-4, 4), right=st.integers(-5, 5))
def test_a_picture_that_is_shifted_is_encoded_alike(down: int, right: int) -> None:
    """Where the glimpse does not reach beyond the border."""
    encoder = build_encoder(sense(shape=(31, 33, 2)))
    image = np.full((31, 33, 2), 100, np.uint8)
    image[14:17, 15:18, 1] = 250
    image[12:15, 15:18, 0] = 30
    shifted = np.roll(image, (down, right), axis=(0, 1))
    one, other = encoder(torch.from_numpy(np.stack([image, shifted])))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_brighter_lamp_does_not_lead_it_astray() -> None:
    encoder = glimpse_encoder()
    image = torch.from_numpy(with_a_mark(6, 8)[None])
    brighter = (image.float() * 0.8).to(torch.uint8)
    assert encoder.salient(image) == encoder.salient(brighter) == (torch.tensor([6]), torch.tensor([8]))


def test_gradients_are_right() -> None:
    torch.manual_seed(1)
    spec = GlimpseConv(size=3, scales=(1,), spot=1, channels=(2,), kernels=(2,), strides=(1,), features=2)
    encoder = build_encoder(Modality("film", (5, 5, 1), 10, spec, low=0, high=1)).double()
    x = torch.rand(2, 5, 5, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(encoder, (x,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sense(GlimpseConv(size=3)), r"patches of 3 pixels a side are too small for kernels \(4, 3\)"),
        (lambda: GlimpseConv(spot=2), r"GlimpseConv\.spot must be odd, so that it has a middle, got 2"),
        (lambda: GlimpseConv(unit=0), r"GlimpseConv\.unit must be finite and > 0, got 0"),
        (lambda: GlimpseConv(kernels=(3,)), r"needs channels, kernels and strides of one length"),
        (lambda: GlimpseConv(scales=()), r"GlimpseConv\.scales"),
        (lambda: sense(shape=(2, 9, 1)), r"'film': what stands out has 3 pixels a side, the image only \(2, 9\)"),
        (lambda: Modality("pose", (3,), 10, SMALL), r"'pose': GlimpseConv reads one image \(H, W, C\) without history"),
        (lambda: Modality("depth", (9, 9, 1), 10, SMALL), r"'depth': GlimpseConv reads pixels with bounds; declare"),
    ],
)
def test_what_cannot_be_glimpsed_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]  # it is called to raise
