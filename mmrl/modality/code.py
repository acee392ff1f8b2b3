"""Images (H, W, C) of one channel a frame, each brought to a code of a few numbers."""

import math
from dataclasses import dataclass

from mmrl.modality.declaration import EncoderSpec, Modality, require_units
from mmrl.modality.kinds import Kind, register_kind
from mmrl.settings.documents import fit


@dataclass(frozen=True)
class FrameCodes(EncoderSpec):
    """The same deep encoder for each channel (H, W) of an image, down to a few numbers: the code of an autoencoder.

    The encoding is the code of the newest channel, the last, and by how much that of each earlier one differs.
    """

    size: int = 2
    """Numbers of a code."""
    channels: tuple[int, ...] = (8, 16)
    """Channels of the convolutions, each with a stride of 2."""
    kernel: int = 7
    """Side of their kernels in pixels."""
    hidden: tuple[int, ...] = (256, 64)
    """Sizes of the layers between convolutions and code."""

    blur: float = 3.0
    """Deviation in pixels of the Gaussian that frames are blurred by before all else, 0 for none."""

    def __post_init__(self) -> None:
        fit(self, "FrameCodes.")
        if not 0 <= self.blur < math.inf:
            raise ValueError(f"FrameCodes.blur must be finite and not negative, got {self.blur}")
        require_units("FrameCodes.size", (self.size,))
        require_units("FrameCodes.channels", self.channels)
        require_units("FrameCodes.hidden", self.hidden)
        require_units("FrameCodes.kernel", (self.kernel,))

    def check(self, modality: Modality) -> None:
        name = f"modality {modality.name!r}"
        if len(modality.shape) != 3 or modality.history is not None or modality.dtype != "uint8":
            raise ValueError(
                f"{name}: FrameCodes reads uint8 images (H, W, C) without history, got shape {modality.shape} of "
                f"{modality.dtype} and history {modality.history}"
            )
        if min(modality.shape[:2]) < self.smallest:
            raise ValueError(
                f"{name}: {len(self.channels)} convolutions of {self.kernel} x {self.kernel} pixels need at least "
                f"{self.smallest} a side, got {modality.shape[:2]}; give FrameCodes fewer channels or a smaller kernel"
            )

    @property
    def smallest(self) -> int:
        """Least side of an image in pixels that leaves every convolution something to read."""
        side = 1
        for _ in self.channels:
            side = 2 * (side - 1) + self.kernel
        return side


register_kind(Kind("code", FrameCodes, "mmrl.encoders.code:NETWORKS"))
