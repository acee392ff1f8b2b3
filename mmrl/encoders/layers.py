"""Layers that encoders, fusions and policies are made of, with their initial weights.

Shapes: B rows, T readings of a window (oldest first), C channels of an image, H x W pixels, L positions along a
convolved window.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

LEAKY_SLOPE = 0.1  # Lee et al. 2019, released code
LEAKY_GAIN = nn.init.calculate_gain("leaky_relu", LEAKY_SLOPE)


class PixelConv(nn.Module):
    """conv(weight, scale * x + offset), computed without a pass over all pixels of x.

    Without padding it equals conv(weight * scale, x) + sum(weight * offset).
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, conv: nn.Conv2d, scale: np.ndarray, offset: np.ndarray) -> None:
        super().__init__()
        orthogonal_(conv, math.sqrt(2))
        self.conv = conv
        for name, values in (("scale", scale), ("offset", offset)):
            constant = torch.as_tensor(values, dtype=torch.float32).view(1, -1, 1, 1)
            self.register_buffer(name, constant, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.conv.weight, self.conv.bias
        assert bias is not None
        bias = bias + (weight * self.offset).sum((1, 2, 3))
        return functional.conv2d(x, weight * self.scale, bias, self.conv.stride)


class CausalConv(nn.Module):
    """Strided convolution along time, aligned so that its last output ends on the newest input.

    (B, T, inputs) -> (B, ceil(T / stride), outputs). Zeros fill the missing past on the left. It is
    a linear layer over windows because that takes half the time of `nn.Conv1d` on a CPU.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.linear = nn.Linear(inputs * kernel, outputs)
        orthogonal_(self.linear, LEAKY_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        positions = math.ceil(x.shape[1] / self.stride)
        missing = (positions - 1) * self.stride + self.kernel - x.shape[1]
        # A kernel shorter than the stride makes it negative: the oldest inputs are cut off.
        padded = functional.pad(x, (0, 0, missing, 0)) if missing else x
        windows = padded.unfold(1, self.kernel, self.stride)  # (B, L, inputs, kernel)
        outputs: Tensor = self.linear(windows.flatten(2))
        return outputs


def mlp(sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.Tanh) -> nn.Sequential:
    """Linear layers sizes[0] -> sizes[1] -> ..., an activation after each; empty for one size."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        linear = nn.Linear(inputs, outputs)
        orthogonal_(linear, math.sqrt(2))
        layers += [linear, activation()]
    return nn.Sequential(*layers)


def orthogonal_(layer: nn.Linear | nn.Conv2d, gain: float) -> None:
    """Orthogonal weights times `gain` and zero biases, in place."""
    nn.init.orthogonal_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def spread_keeping_(layer: nn.Linear) -> None:
    """Orthogonal weights such that each output spreads as far as the inputs do, and zero biases, in place.

    With gain 1 a layer of more outputs than inputs shares what it reads among them.
    """
    orthogonal_(layer, max(1.0, layer.out_features / layer.in_features) ** 0.5)
