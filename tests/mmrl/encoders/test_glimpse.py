"""Glimpses of images: where they are, and what is in them."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

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


def coarser(image: np.ndarray, scale: int) -> np.ndarray:
    """Means over squares of pixels of an image (H, W), of fewer at the lower and right border."""
    rows, columns = (range(0, side, scale) for side in image.shape)
    return np.array([[image[y : y + scale, x : x + scale].mean() for x in columns] for y in rows])


@given(row=st.integers(1, 11), column=st.integers(1, 15))
def test_patches_are_what_is_around_the_pixel_that_stands_out(row: int, column: int) -> None:
    image, encoder = with_a_mark(row, column), glimpse_encoder()
    batch = torch.from_numpy(np.stack([with_a_mark(6, 8), image]))
    assert encoder.salient(batch).tolist() == [[6, 8], [row, column]]
    patches = encoder.glimpse(batch)[1]
    assert patches.shape == (2 * 2, 4, 4)
    y, x = np.meshgrid(np.arange(4) - 2, np.arange(4) - 2, indexing="ij")
    for number, (scale, channel) in enumerate(itertools.product((1, 3), (0, 1))):
        differences = (image[..., channel] - image[..., channel].mean()) / 50
        at = np.array([row + scale * y, column + scale * x]) / scale - (scale - 1) / (2 * scale)
        expected = map_coordinates(coarser(differences, scale), at, order=1, mode="grid-constant")
        np.testing.assert_allclose(patches[number], expected, atol=1e-5)


@given(down=st.sampled_from([-6, -3, 0, 3, 6]), right=st.sampled_from([-6, -3, 0, 3, 6]))
def test_a_picture_that_is_shifted_is_encoded_alike(down: int, right: int) -> None:
    """By whole pixels of the coarsest patch, and where the glimpse does not reach beyond the border."""
    encoder = build_encoder(sense(shape=(36, 39, 2)))
    image = np.full((36, 39, 2), 100, np.uint8)
    image[17:20, 18:21, 1] = 250
    image[15:18, 18:21, 0] = 30
    shifted = np.roll(image, (down, right), axis=(0, 1))
    one, other = encoder(torch.from_numpy(np.stack([image, shifted])))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_brighter_lamp_does_not_lead_it_astray() -> None:
    encoder = glimpse_encoder()
    image = torch.from_numpy(with_a_mark(6, 8)[None])
    brighter = (image.float() * 0.8).to(torch.uint8)
    assert encoder.salient(image).tolist() == encoder.salient(brighter).tolist() == [[6, 8]]


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
