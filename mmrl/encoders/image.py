"""Networks for images (H, W, C).

Shapes: B rows, H x W pixels, C channels, K = `Encoder.tokens`.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders.base import Encoder, Networks
from mmrl.encoders.clock import Clock
from mmrl.encoders.layers import PixelConv, orthogonal_
from mmrl.encoders.signal import Signal
from mmrl.modality import ImageConv, Modality
from mmrl.modality.image import usual_conv
from mmrl.normalization import RunningStatistics

Scaling: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Scale and offset (C,) of the channels of an image."""


class ImageMaps(Encoder, ABC):
    """Convolutions without padding, each with a ReLU, over one image (H, W, C).

    Bounded pixels are mapped from [low, high] to [-0.5, 0.5], or by `zero` and `unit` of the spec; unbounded ones (a
    depth image without a far limit) are standardised per channel by running statistics. NHWC is the memory order of
    `channels_last` convolutions, so the bytes of a uint8 image are converted but never moved.
    """

    def __init__(self, spec: ImageConv, modality: Modality) -> None:
        super().__init__()
        height, width, channels = modality.shape
        scaling = pixel_scaling(modality, spec.zero, spec.unit)
        self.statistics = None if scaling else RunningStatistics(channels)
        scale, offset = scaling or (np.ones(channels), np.zeros(channels))

        first = nn.Conv2d(channels, spec.channels[0], spec.kernels[0], spec.strides[0])
        layers: list[nn.Module] = [PixelConv(first, scale, offset), nn.ReLU(inplace=True)]
        sizes = itertools.pairwise(spec.channels)
        for size, kernel, stride in zip(sizes, spec.kernels[1:], spec.strides[1:], strict=True):
            convolution = nn.Conv2d(*size, kernel, stride)
            orthogonal_(convolution, math.sqrt(2))
            layers += [convolution, nn.ReLU(inplace=True)]
        self.convolutions = nn.Sequential(*layers)
        nn.utils.convert_conv2d_weight_memory_format(self.convolutions, torch.channels_last)
        self.grid = (_convolved(height, spec, modality), _convolved(width, spec, modality))
        self.positions = math.prod(self.grid)

    def convolve(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> feature maps (B, channels[-1], H', W') with H' * W' = `positions`."""
        pixels = self._floats(x)
        if self.statistics is not None:
            pixels = self.statistics(pixels)
        maps: Tensor = self.convolutions(pixels.permute(0, 3, 1, 2))  # (B, H, W, C) -> (B, C, H, W)
        return maps

    def update_statistics(self, x: Tensor) -> None:
        if self.statistics is not None:
            self.statistics.update(x)


class ImageEncoder(ImageMaps):
    """`ImageMaps` and a linear layer over all positions, with a ReLU."""

    def __init__(self, spec: ImageConv, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.features = spec.features
        self.linear = nn.Linear(self.positions * spec.channels[-1], spec.features)
        orthogonal_(self.linear, math.sqrt(2))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.linear(self.convolve(x).flatten(1)))


class ImageTokens(ImageMaps):
    """`ImageMaps` with a token for each position, row by row."""

    def __init__(self, spec: ImageConv, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.tokens, self.features = self.positions, spec.channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x).flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, K, C)

    def parts(self, x: Tensor) -> Tensor:
        """A patch of pixels for each position; at the right and the bottom some repeat the last ones."""
        rows, columns = self.grid
        patches = x.float()[:, _stretched(x.shape[1], rows)][:, :, _stretched(x.shape[2], columns)]
        cells: Tensor = patches.unflatten(1, (rows, -1)).unflatten(3, (columns, -1))  # (B, H', h, W', w, C)
        return cells.transpose(2, 3).flatten(3).flatten(1, 2)

    def whole(self, parts: Tensor, shape: tuple[int, ...]) -> Tensor:
        height, width, channels = shape
        rows, columns = self.grid
        cells: Tensor = parts.unflatten(1, (rows, columns)).unflatten(3, (-1, math.ceil(width / columns), channels))
        return cells.transpose(2, 3).flatten(3, 4).flatten(1, 2)[:, :height, :width]


class ImageSignal(Signal):
    """One image, the same at every tick: (B, H, W, channels) -> (B, L, C)."""

    scale: Tensor
    offset: Tensor

    def __init__(self, modality: Modality, clock: Clock, pixels: int, scaling: Scaling | None) -> None:
        height, width, channels = modality.shape
        self._sides = (min(height, pixels), min(width, pixels))
        super().__init__(modality, clock, math.prod(self._sides) * channels)
        self.statistics = None if scaling else RunningStatistics(channels)
        for name, values in zip(("scale", "offset"), scaling or (np.ones(1), np.zeros(1)), strict=True):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        pixels = self._floats(x)
        pixels = pixels if self.statistics is None else self.statistics(pixels)
        areas = functional.adaptive_avg_pool2d(pixels.permute(0, 3, 1, 2), self._sides)  # (B, channels, H, W)
        seen = areas.permute(0, 2, 3, 1) * self.scale + self.offset
        return self.resampling @ seen.flatten(1).unsqueeze(1)

    def update_statistics(self, x: Tensor) -> None:
        if self.statistics is not None:
            self.statistics.update(x)


def pixel_scaling(modality: Modality, zero: float | None = None, unit: float | None = None) -> Scaling | None:
    """Scale and offset (C,) that bring the pixels of an image to [-0.5, 0.5]; None where they have no bounds.

    With `zero` that pixel value becomes 0, with `unit` so many steps of it become 1.
    """
    low, high = (bound.astype(np.float64) for bound in modality.bounds)
    low, high = low.min(axis=(0, 1)), high.max(axis=(0, 1))  # (C,)
    if not np.isfinite(high - low).all():
        return None
    scale = np.ones_like(low) / (high - low if unit is None else unit)
    return scale, -scale * ((low + high) / 2 if zero is None else zero)


def _stretched(side: int, cells: int) -> list[int]:
    """Numbers of the pixels of a side, the last one again until so many cells are equally long."""
    return [min(pixel, side - 1) for pixel in range(math.ceil(side / cells) * cells)]


def _convolved(side: int, spec: ImageConv, modality: Modality) -> int:
    """Side of the last feature map of an image side in pixels."""
    for kernel, stride in zip(spec.kernels, spec.strides, strict=True):
        if side < kernel:
            fits = usual_conv(*modality.shape[:2])
            raise ValueError(
                f"modality {modality.name!r}: an image {modality.shape} is too small for kernels {spec.kernels} with "
                f"strides {spec.strides}; give its ImageConv smaller ones, such as channels {fits.channels}, kernels "
                f"{fits.kernels} and strides {fits.strides}; in a run with --modalities {modality.name}.kernels=..."
            )
        side = (side - kernel) // stride + 1
    return side


NETWORKS = Networks(
    ImageEncoder,
    ImageTokens,
    lambda spec, modality, clock, pixels: ImageSignal(
        modality, clock, pixels, pixel_scaling(modality, spec.zero, spec.unit)
    ),
)
