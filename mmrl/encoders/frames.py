"""A layer over what changed between two frames (H, W, 2)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders.base import Encoder, Networks
from mmrl.encoders.image import ImageSignal, pixel_scaling
from mmrl.modality import DifferenceMLP, Modality


class DifferenceEncoder(Encoder):
    """relu(W^T (newest - previous)) of two frames (H, W, 2), in units of the declared range of a pixel.

    Weights start as N(0, 1) / sqrt(H W), as in Karpathy 2016, "Deep Reinforcement Learning: Pong from Pixels".

    From one frame to the next few pixels of a game change. Of integer frames only those are multiplied, which takes a
    quarter of the time of a matrix product where 1 % change and as long as it at 8 %. Frames of floats may need a
    gradient themselves, which every pixel has, and go through the matrix product.
    """

    def __init__(self, spec: DifferenceMLP, modality: Modality) -> None:
        super().__init__()
        self.features = spec.features
        height, width, _ = modality.shape
        low, high = (bound.astype(np.float64) for bound in modality.bounds)
        self.scale = float(1.0 / (high.max() - low.min()))
        # A row per pixel, so that the weights of one pixel lie side by side in memory.
        self.weight = nn.Parameter(torch.randn(height * width, spec.features) / math.sqrt(height * width))

    def forward(self, x: Tensor) -> Tensor:
        previous, newest = x.flatten(1, 2).unbind(-1)  # (B, H, W, 2) -> twice (B, H W)
        if x.is_floating_point():
            return functional.relu(self._floats(newest - previous) * self.scale @ self.weight)
        rows, pixels = (newest != previous).nonzero(as_tuple=True)
        changes = self._floats(newest[rows, pixels]) - self._floats(previous[rows, pixels])
        counts = torch.bincount(rows, minlength=len(x))
        starts = counts.cumsum(0) - counts
        summed = functional.embedding_bag(
            pixels, self.weight, starts, mode="sum", per_sample_weights=changes * self.scale
        )
        return functional.relu(summed)


NETWORKS = Networks(
    DifferenceEncoder,
    signal=lambda spec, modality, clock, pixels: ImageSignal(modality, clock, pixels, pixel_scaling(modality)),
)
