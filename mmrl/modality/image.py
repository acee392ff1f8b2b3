"""Images (H, W, C): convolutional networks, and those that an image gets where nobody chose any."""

import math
from dataclasses import dataclass

from mmrl.documents import fit
from mmrl.modality.declaration import EncoderSpec, Modality, require_sizes, require_units


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
