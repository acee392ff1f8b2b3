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

    rows: Tensor
    columns: Tensor
    beside: Tensor
    along: Tensor

    def __init__(self, spec: GlimpseConv, modality: Modality) -> None:
        super().__init__()
        low, high = modality.bounds
        self.features = spec.features
        self._unit = float((high - low).max()) if spec.unit is None else spec.unit
        height, width, channels = modality.shape
        tables = {
            "rows": _shares(height, spec.size, spec.scales).flatten(1, 2),
            "columns": _shares(width, spec.size, spec.scales),
            "beside": _neighbours(height, spec.spot),
            "along": _neighbours(width, spec.spot),
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

        Beyond the border of an image is its mean.
        """
        lines = self._lines(x)
        row, column = self._salient(lines)
        rows, columns = self.rows.index_select(0, row), self.columns.index_select(0, column)
        channels, width = lines.shape[2:]
        # Products of matrices, which take a tenth of the time of an index for each pixel.
        strips = (rows @ lines.flatten(2)).unflatten(2, (channels, width))  # (B, G P, C, W)
        strips = strips.flatten(1, 2).unflatten(1, (columns.shape[1], -1))  # (B, G, P C, W)
        patches = (strips @ columns.transpose(2, 3)).unflatten(2, (-1, channels))  # (B, G, P, C, P)
        glimpse: Tensor = patches.transpose(2, 3).flatten(1, 2)
        return glimpse

    def salient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Row and column (B,) of the pixel of each image (B, H, W, C) around which it stands out most."""
        return self._salient(self._lines(x))

    def _lines(self, x: Tensor) -> Tensor:
        """Images (B, H, W, C) as lines of one channel, (B, H, C, W), less the mean of the channel, in `unit`."""
        lines = self._floats(x.transpose(2, 3).contiguous()) / self._unit
        return lines - lines.mean(dim=(1, 3), keepdim=True)

    def _salient(self, lines: Tensor) -> tuple[Tensor, Tensor]:
        saliency = self.beside @ lines[:, :, -1].square() @ self.along  # (B, H, W)
        most = saliency.flatten(1).argmax(dim=1)
        width = saliency.shape[2]
        return most // width, most % width


def _shares(length: int, size: int, scales: tuple[int, ...]) -> Tensor:
    """Shares of each pixel along a side of an image in each of `size` pixels of each patch, by the place it is around.

    (length, G, size, length): place, patch, pixel of it, pixel of the image.
    """
    places, pixels = torch.arange(length)[:, None, None], torch.arange(length)
    cells = []
    for scale in scales:
        begin = places + scale * (torch.arange(size) - size // 2)[:, None]
        cells.append(((pixels >= begin) & (pixels < begin + scale)).float() / scale)
    return torch.stack(cells, dim=1)


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
