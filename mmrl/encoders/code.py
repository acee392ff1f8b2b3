"""The deep encoder of frames down to a code of a few numbers, and the decoder back to their pixels.

Shapes: B rows, C channels of an image, each a frame of H x W pixels, F = B C frames, S numbers of a code.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmrl.encoders.base import Encoder, Networks, ScaledDecoder
from mmrl.encoders.layers import mlp
from mmrl.modality import FrameCodes, Modality
from mmrl.normalization import RunningStatistics

_DARKEST = 1.0  # grey levels: a frame that is darker on average counts as if it were not
_LEAST = 1e-6  # of the deviation of a pixel, where none ever changed
_SHARPEST = 1e-6  # pixels
_HALF, _BRIGHTEST = 127.5, 255.0  # grey levels


class FrameScale(nn.Module):
    """Blurred frames less their mean, one picture for all, in the mean deviation of a pixel.

    First each is divided by its own brightness, so that a lamp that is turned up changes nothing. The blur lets frames
    of one thing at two places near each other look alike, as far as it reaches, and averages the noise of pixels.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, height: int, width: int, blur: float) -> None:
        super().__init__()
        self.statistics = RunningStatistics((height, width))
        self.register_buffer("rows", _blurring(height, blur), persistent=False)
        self.register_buffer("columns", _blurring(width, blur).T, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (F, H, W), row by row."""
        blurred = self._blurred(x)
        deviation = self.statistics.var.mean().sqrt().to(blurred.dtype)
        return (blurred - self.statistics.mean.to(blurred.dtype)) / deviation.clamp(min=_LEAST)

    def restored(self, frames: Tensor) -> Tensor:
        """Blurred frames (..., H, W), 1 on average, from those that `forward` gives."""
        deviation = self.statistics.var.mean().sqrt().to(frames.dtype)
        return frames * deviation.clamp(min=_LEAST) + self.statistics.mean.to(frames.dtype)

    def update(self, x: Tensor) -> None:
        """Learn from new images (B, H, W, C)."""
        self.statistics.update(self._blurred(x))

    def _blurred(self, x: Tensor) -> Tensor:
        frames = x.float().permute(0, 3, 1, 2).flatten(0, 1)  # (B, H, W, C) -> (F, H, W)
        bright = frames / frames.mean(dim=(1, 2), keepdim=True).clamp(min=_DARKEST)
        return self.rows @ (bright @ self.columns)


def _blurring(pixels: int, blur: float) -> Tensor:
    """The matrix that blurs columns of so many pixels: the shares (to, from) of a Gaussian, each row of which is 1."""
    place = torch.arange(float(pixels))
    shares = torch.exp(-0.5 * ((place.unsqueeze(1) - place) / max(blur, _SHARPEST)).square())
    return shares / shares.sum(dim=1, keepdim=True)


class CodeEncoder(Encoder):
    """Convolutions with a stride of 2 and fully connected layers, each with a ReLU, and a linear layer to the code.

    (B, H, W, C) -> (B, C S): the code of the newest channel, then by how much that of each earlier one differs.
    """

    def __init__(self, spec: FrameCodes, modality: Modality) -> None:
        super().__init__()
        height, width, self.frames = modality.shape
        self.features = spec.size * self.frames
        self.scale = FrameScale(height, width, spec.blur)
        layers: list[nn.Module] = []
        inputs = 1
        for channels in spec.channels:
            layers += [nn.Conv2d(inputs, channels, spec.kernel, 2), nn.ReLU()]
            height, width, inputs = (height - spec.kernel) // 2 + 1, (width - spec.kernel) // 2 + 1, channels
        sizes = (inputs * height * width, *spec.hidden)
        self.layers = nn.Sequential(*layers, nn.Flatten(), *mlp(sizes, nn.ReLU), nn.Linear(sizes[-1], spec.size))

    def codes(self, x: Tensor) -> Tensor:
        """The codes (B, C, S) of all channels of images (B, H, W, C)."""
        frames = self.scale(x).unsqueeze(1)
        codes: Tensor = self.layers(frames).unflatten(0, (-1, self.frames))
        return codes

    def forward(self, x: Tensor) -> Tensor:
        codes = self.codes(x)
        newest = codes[:, -1:]
        return torch.cat([newest, codes[:, :-1] - newest], dim=1).flatten(1)

    def update_statistics(self, x: Tensor) -> None:
        self.scale.update(x)


class CodeDecoder(ScaledDecoder):
    """The same fully connected layers the other way round, and one to all pixels, for each frame."""

    def __init__(self, spec: FrameCodes, modality: Modality, features: int) -> None:
        super().__init__()
        height, width, self.frames = modality.shape
        if features != spec.size * self.frames:
            raise ValueError(f"codes of {modality.name!r} have {spec.size * self.frames} numbers, got {features}")
        self.scale = FrameScale(height, width, spec.blur)
        sizes = (spec.size, *reversed(spec.hidden))
        self.layers = nn.Sequential(*mlp(sizes, nn.ReLU), nn.Linear(sizes[-1], math.prod((height, width))))

    def forward(self, encoding: Tensor) -> Tensor:
        newest, *differences = encoding.unflatten(1, (self.frames, -1)).unbind(1)
        codes = torch.stack([*(newest + difference for difference in differences), newest], dim=1)
        pixels: Tensor = self.layers(codes).flatten(1)
        return pixels

    def scaled(self, x: Tensor) -> Tensor:
        return self.scale(x).unflatten(0, (-1, self.frames)).flatten(1)  # type: ignore[no-any-return]  # of a module

    def readings(self, decoded: Tensor) -> Tensor:
        """Blurred pixels of (B, H, W, C) on a brightness of their own, which codes do not keep: half of the range."""
        frames = decoded.unflatten(1, (self.frames, *self.scale.statistics.mean.shape))
        return (_HALF * self.scale.restored(frames)).clamp(0, _BRIGHTEST).permute(0, 2, 3, 1)

    def update_statistics(self, x: Tensor) -> None:
        self.scale.update(x)


NETWORKS = Networks(CodeEncoder, decoder=CodeDecoder)
