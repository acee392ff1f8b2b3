"""Images of any size get convolutions that can read them, with and without settings of one's own."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from mmrl.encoders import build_encoder, build_token_encoder
from mmrl.modality import ImageConv, Modality
from mmrl.modality.foreign import modalities_of
from mmrl.modality.image import usual_conv


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 7, 8, 9, 16, 32, 35, 36, 64])
def test_an_image_of_any_size_is_encoded(side: int) -> None:
    (camera,) = modalities_of(spaces.Box(0, 255, (side, 64, 3), np.uint8)).values()
    image = torch.randint(0, 256, (2, side, 64, 3), dtype=torch.uint8)
    assert build_encoder(camera)(image).shape == (2, 128)
    tokens = build_token_encoder(camera)
    assert tokens(image).shape == (2, *tokens.size)  # type: ignore[misc]  # an encoder of tokens has two sizes


def test_only_small_images_get_others_than_the_usual_ones() -> None:
    assert usual_conv(36, 36) == usual_conv(64, 48) == ImageConv()
    assert usual_conv(35, 64).strides == (1, 2, 1)
    assert usual_conv(7, 7).kernels == (3, 3)


def test_one_setting_leaves_the_others_as_they_suit_the_image() -> None:
    space = spaces.Box(0, 255, (7, 7, 3), np.uint8)
    (grid,) = modalities_of(space, overrides={"observation": {"features": 32}}).values()
    assert build_encoder(grid)(torch.zeros(1, 7, 7, 3, dtype=torch.uint8)).shape == (1, 32)


def test_kernels_that_are_too_large_are_told_from_those_that_would_fit() -> None:
    grid = Modality("grid", (7, 7, 3), 20, ImageConv(), dtype="uint8")
    message = (
        r"'grid': an image \(7, 7, 3\) is too small for kernels \(8, 4, 3\).*such as channels \(16, 32\), kernels "
        r"\(3, 3\) and strides \(1, 1\).*--modalities grid\.kernels="
    )
    with pytest.raises(ValueError, match=message):
        build_encoder(grid)
