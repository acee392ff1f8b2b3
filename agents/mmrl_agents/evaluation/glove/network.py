"""A convolutional network that says by a few frames of the glove which thing is held.

That of Sundaram et al., "Learning the signatures of the human grasp using a scalable tactile glove" (Nature 569, 2019):
every frame passes a 3 x 3 convolution, max-pooling and two layers of ResNet-18 (He et al. 2016) with dropout of whole
channels between them; the maps of all frames, side by side, a 1 x 1 convolution, the mean over places and a linear
layer. Theirs has a width of 64.

Letters: B = batch, n = frames, w = width, k = taxels to a side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmrl_envs.sensors.tactile.glove import GLOVE_RESOLUTION

FULL_SCALE_N = 0.5
"""Force on a taxel beyond which all are read alike, newtons: that of the real glove."""
DROPOUT = 0.2
_SMALLER = 4


def as_input(frames: Tensor) -> Tensor:
    """Forces in newtons as the network takes them, from 0 to 1."""
    return (frames / FULL_SCALE_N).clamp(0.0, 1.0)


class FrameTrunk(nn.Module):
    """The part of the network through which every frame passes by itself.

    Args:
        width: w, channels of the first convolution.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map_shape = (2 * width, GLOVE_RESOLUTION // _SMALLER, GLOVE_RESOLUTION // _SMALLER)
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
            _Residual(width, width, 1),
            _Residual(width, width, 1),
            nn.Dropout2d(DROPOUT),
            _Residual(width, 2 * width, 2),
            _Residual(2 * width, 2 * width, 1),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Maps (B, 2 w, k / 4, k / 4) of frames (B, k, k) from 0 to 1."""
        maps: Tensor = self.layers(frames[:, None])
        return maps


class _Residual(nn.Module):
    """A basic block of ResNet."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = inputs == outputs and stride == 1
        self.beside: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.path(x) + self.beside(x))


class FramesHead(nn.Module):
    """The part of the network that joins the maps of some frames.

    Args:
        map_shape: of a frame, channels and two sides.
        frames: n.
        things: number of things to tell apart.
    """

    def __init__(self, map_shape: tuple[int, int, int], frames: int, things: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(map_shape[0] * frames, map_shape[0], 1)
        self.score = nn.Linear(map_shape[0], things)

    def forward(self, maps: Tensor) -> Tensor:
        """Scores (B, things) of maps (B, n, 2 w, k / 4, k / 4)."""
        joined = torch.relu(self.join(maps.flatten(1, 2)))
        scores: Tensor = self.score(joined.mean(dim=(2, 3)))
        return scores
