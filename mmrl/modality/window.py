"""Windows of readings (T, d): convolutions along time."""

import math
from dataclasses import dataclass

from mmrl.modality.declaration import EncoderSpec, Modality, require_sizes, require_units
from mmrl.modality.kinds import Kind, register_kind
from mmrl.modality.space_reading import Reading, Space, SpaceReader, Unreadable, feature_bounds, require_box, to_floats
from mmrl.modality.vector import Squash, require_scales, require_scales_fit
from mmrl.settings.documents import fit


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
        require_scales_fit("TemporalConv.squash", self.squash, modality.name, modality.shape[-1])


def read_window(space: Space) -> Reading:
    """A Box (T,) or (T, d), oldest reading first: T readings of d features."""
    box = require_box(space, "a Box (T,) or (T, d)")
    if len(box.shape) not in (1, 2):
        raise Unreadable(f"reads a Box (T,) or (T, d), time first, not one of shape {box.shape}")
    length, size = box.shape[0], math.prod(box.shape[1:])
    low, high = feature_bounds(box.low.reshape(length, size).min(axis=0), box.high.reshape(length, size).max(axis=0))
    return Reading((size,), to_floats((length, size)), TemporalConv(), history=length, low=low, high=high)


register_kind(Kind("window", TemporalConv, "mmrl.encoders.window:NETWORKS", {"window": SpaceReader(read_window)}))
