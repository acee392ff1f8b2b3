"""Convolutions over a glimpse of an image, around the place that stands out most.

Shapes: B rows, H x W pixels, C channels of an image, G patches of P x P pixels.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders.base import Encoder, Networks
from mmrl.encoders.image import ImageSignal, pixel_scaling
from mmrl.encoders.layers import orthogonal_
from mmrl.modality import GlimpseConv, Modality


class GlimpseEncoder(Encoder):
    """(B, H, W, C) -> (B, features): patches, convolutions with a ReLU each, a linear layer with one."""

    beside: Tensor
    along: Tensor
    offsets: Tensor

    def __init__(self, spec: GlimpseConv, modality: Modality) -> None:
        super().__init__()
        low, high = modality.bounds
        self.features = spec.features
        self._unit = float((high - low).max()) if spec.unit is None else spec.unit
        self._scales = spec.scales
        height, width, channels = modality.shape
        steps = torch.arange(float(spec.size)) - spec.size // 2
        tables = {
            "beside": _neighbours(height, spec.spot),
            "along": _neighbours(width, spec.spot),
            "offsets": torch.stack(
                torch.meshgrid(steps, steps, indexing="ij"), dim=-1
            ),  # rows and columns from the place
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
        layers: list[nn.Module] = []
        sizes = (channels * len(spec.scales), *spec.channels)
        for size, kernel, stride in zip(itertools.pairwise(sizes), spec.kernels, spec.strides, strict=True):
            convolution = nn.Conv2d(*size, kernel, stride)
            orthogonal_(convolution, math.sqrt(2))
            layers += [convolution, nn.ReLU(inplace=True)]
        self.convolutions = nn.Sequential(*layers)
        self.linear = nn.Linear(spec.channels[-1] * spec.last_side**2, spec.features)
        orthogonal_(self.linear, math.sqrt(2))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.linear(self.convolutions(self.glimpse(x)).flatten(1)))

    def glimpse(self, x: Tensor) -> Tensor:
        """The patches of images (B, H, W, C), (B, G C, P, P), less the mean of each channel, in `unit`.

        Beyond the border of an image is its mean. Coarse pixels are interpolated between means over squares.
        """
        differences = self._differences(x)
        place = self._salient(differences[:, -1])[:, None, None]
        patches = []
        for scale in self._scales:
            coarse = differences if scale == 1 else functional.avg_pool2d(differences, scale, ceil_mode=True)
            at = (place + scale * self.offsets - (scale - 1) / 2) / scale  # in coarse pixels
            sides = torch.tensor(coarse.shape[2:], dtype=at.dtype, device=at.device)
            grid = ((2 * at + 1) / sides - 1).flip(-1)  # columns before rows
            patches.append(functional.grid_sample(coarse, grid, align_corners=False))
        return torch.cat(patches, dim=1)

    def salient(self, x: Tensor) -> Tensor:
        """Row and column of the pixel around which each image (B, H, W, C) stands out most, (B, 2)."""
        return self._salient(self._differences(x)[:, -1])

    def _differences(self, x: Tensor) -> Tensor:
        """Images as (B, C, H, W), less the mean of each channel, in `unit`."""
        pixels = self._floats(x.permute(0, 3, 1, 2).contiguous()) / self._unit
        return pixels - pixels.mean(dim=(2, 3), keepdim=True)

    def _salient(self, channel: Tensor) -> Tensor:
        saliency = self.beside @ channel.square() @ self.along  # (B, H, W)
        most, width = saliency.flatten(1).argmax(dim=1), saliency.shape[2]
        return torch.stack([most // width, most % width], dim=1).to(channel.dtype)


def _neighbours(length: int, spot: int) -> Tensor:
    """Which pixels along a side are within a spot around each, 1 or 0, (length, length)."""
    pixels = torch.arange(length)
    return ((pixels - pixels.unsqueeze(1)).abs() <= spot // 2).float()


NETWORKS = Networks(
    GlimpseEncoder,
    signal=lambda spec, modality, clock, pixels: ImageSignal(
        modality, clock, pixels, pixel_scaling(modality, unit=spec.unit)
    ),
)
