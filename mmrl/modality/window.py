"""Windows of readings (T, d): convolutions along time."""

from dataclasses import dataclass

from mmrl.documents import fit
from mmrl.modality.declaration import EncoderSpec, Modality, require_sizes, require_units
from mmrl.modality.vector import Squash, require_scales, require_scales_fit


@dataclass(frozen=True)
class TemporalConv(EncoderSpec):
    """Causal convolutions along the T readings of a window (T, d)."""

    channels: tuple[int, ...] = (16, 32, 64)
    """Output channels of each convolution."""
    kernel: int = 2
    """Length of every kernel in readings."""
    stride: int = 2
    """Stride of every convolution in readings."""
    features: int = 64
    """Size of the encoding."""
    squash: Squash = ()
    """Scales s of the inputs tanh(s x), side by side; empty for x by its running mean and std."""

    def __post_init__(self) -> None:
        fit(self, "TemporalConv.")
        require_units("TemporalConv.channels", self.channels)
        require_sizes("TemporalConv.kernel", (self.kernel,))
        require_sizes("TemporalConv.stride", (self.stride,))
        require_units("TemporalConv.features", (self.features,))
        require_scales("TemporalConv.squash", self.squash)

    def check(self, modality: Modality) -> None:
        if len(modality.shape) != 1 or modality.history is None:
            raise ValueError(
                f"modality {modality.name!r}: TemporalConv reads windows (T, d) and needs "
                f"history >= 1, got shape {modality.shape} and history {modality.history}"
            )
        require_scales_fit("TemporalConv.squash", self.squash, modality)
