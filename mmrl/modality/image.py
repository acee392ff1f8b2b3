"""Images (H, W, C): convolutional networks, and those that an image gets where nobody chose any."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from gymnasium import spaces

from mmrl.modality.declaration import EncoderSpec, Modality, require_sizes, require_units
from mmrl.modality.kinds import Kind, register_kind
from mmrl.modality.space_reading import Array, Reading, Space, SpaceReader, Unreadable, as_float32, require_box
from mmrl.settings.documents import fit

IMAGE_CHANNELS = (1, 3, 4)
"""Channels that bytes (H, W, C) must have to be an image without doubt."""


@dataclass(frozen=True)
class ImageConv(EncoderSpec):
    """A convolutional network over one image (H, W, C)."""

    channels: tuple[int, ...] = (16, 32, 32)
    """Output channels of each convolution."""
    kernels: tuple[int, ...] = (8, 4, 3)
    """Side of each square kernel in pixels."""
    strides: tuple[int, ...] = (4, 2, 1)
    """Stride of each convolution in pixels."""
    features: int = 128
    """Size of the encoding."""
    zero: float | None = None
    """Pixel value that is read as 0, such as that of the background; unset is the middle of the range."""
    unit: float | None = None
    """Difference of pixel values that is read as 1; unset is the whole range."""

    def __post_init__(self) -> None:
        fit(self, "ImageConv.")
        if self.unit is not None and not 0 < self.unit < math.inf:
            raise ValueError(f"ImageConv.unit must be finite and > 0, got {self.unit}")
        if self.zero is not None and not math.isfinite(self.zero):
            raise ValueError(f"ImageConv.zero must be finite, got {self.zero}")
        require_units("ImageConv.channels", self.channels)
        require_sizes("ImageConv.kernels", self.kernels)
        require_sizes("ImageConv.strides", self.strides)
        require_units("ImageConv.features", (self.features,))
        if not len(self.channels) == len(self.kernels) == len(self.strides):
            raise ValueError(
                "ImageConv needs channels, kernels and strides of one length, got "
                f"{self.channels}, {self.kernels} and {self.strides}"
            )

    def check(self, modality: Modality) -> None:
        if len(modality.shape) != 3 or modality.history is not None:
            raise ValueError(
                f"modality {modality.name!r}: ImageConv reads one image (H, W, C) without history, "
                f"got shape {modality.shape} and history {modality.history}"
            )


# By the smallest side in pixels that they can read, largest first.
_LADDER = (
    (36, ImageConv(channels=(16, 32, 32), kernels=(8, 4, 3), strides=(4, 2, 1))),
    (9, ImageConv(channels=(16, 32, 32), kernels=(3, 3, 3), strides=(1, 2, 1))),
    (5, ImageConv(channels=(16, 32), kernels=(3, 3), strides=(1, 1))),
    (3, ImageConv(channels=(32,), kernels=(3,), strides=(1,))),
    (1, ImageConv(channels=(32,), kernels=(1,), strides=(1,))),
)


def usual_conv(height: int, width: int) -> ImageConv:
    """Strided convolutions where there are pixels enough, fine ones for a small image, fewer for a tiny one."""
    return next(conv for least, conv in _LADDER if min(height, width) >= least)


def read_image(space: Space) -> Reading:
    """A Box (H, W, C) or (H, W) of bytes or other numbers."""
    box = require_box(space, "a Box (H, W, C) or (H, W)")
    if len(box.shape) not in (2, 3):
        raise Unreadable(f"reads a Box (H, W, C) or (H, W), not one of shape {box.shape}")
    shape = box.shape if len(box.shape) == 3 else (*box.shape, 1)
    dtype = "uint8" if box.dtype == np.uint8 else "float32"

    def convert(value: Any) -> Array:
        return np.asarray(value).reshape(shape).astype(dtype, copy=False)

    low, high = (float(side.item()) for side in (box.low.min(), box.high.max()))
    if not low < high:
        low, high = -math.inf, math.inf
    return Reading(shape, convert, usual_conv(*shape[:2]), dtype=dtype, low=as_float32(low), high=as_float32(high))


def read_image_chw(space: Space) -> Reading:
    """A Box (C, H, W), as other libraries order images."""
    box = require_box(space, "a Box (C, H, W)")
    if len(box.shape) != 3:
        raise Unreadable(f"reads a Box (C, H, W), not one of shape {box.shape}")
    low, high = (side.transpose(1, 2, 0) for side in (box.low, box.high))
    image = read_image(spaces.Box(low, high, dtype=box.dtype.type))
    return replace(image, convert=lambda value: image.convert(np.asarray(value).transpose(1, 2, 0)))


def read_image_stack(space: Space) -> Reading:
    """A Box (T, H, W, C) of frames: one image whose channels are those of the frames, the oldest first."""
    box = require_box(space, "a Box (T, H, W, C)")
    if len(box.shape) != 4:
        raise Unreadable(f"reads a Box (T, H, W, C), not one of shape {box.shape}")

    def side_by_side(frames: Any) -> Array:
        stacked = np.moveaxis(np.asarray(frames), 0, 2)  # (T, H, W, C) -> (H, W, T, C)
        return stacked.reshape(*stacked.shape[:2], -1)

    image = read_image(spaces.Box(side_by_side(box.low), side_by_side(box.high), dtype=box.dtype.type))
    return replace(image, convert=lambda value: image.convert(side_by_side(value)))


def _are_pixels(space: Space, axes: int) -> bool:
    if not isinstance(space, spaces.Box) or len(space.shape) != axes:
        return False
    return space.dtype == np.uint8 and space.shape[-1] in IMAGE_CHANNELS


register_kind(
    Kind(
        "image",
        ImageConv,
        "mmrl.encoders.image:NETWORKS",
        {
            "image": SpaceReader(read_image, lambda space: _are_pixels(space, 3)),
            "image_chw": SpaceReader(read_image_chw),
            "image_stack": SpaceReader(read_image_stack, lambda space: _are_pixels(space, 4)),
        },
    )
)
