"""Vectors, and windows read as one: fully connected networks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmrl.documents import fit
from mmrl.modality.declaration import EncoderSpec, Modality, require_units

Squash = tuple[float | tuple[float, ...], ...]


@dataclass(frozen=True)
class MLP(EncoderSpec):
    """A fully connected network over one reading (d,) or a window (T, d)."""

    hidden: tuple[int, ...] = (64,)
    """Sizes of the hidden layers."""
    features: int = 64
    """Size of the encoding."""
    squash: Squash = ()
    """Scales s of the inputs tanh(s x), side by side; empty for x by its running mean and std."""
    window: Literal["flatten", "last"] = "flatten"
    """What it reads of a window: all T readings as one vector, or the newest one only."""

    def __post_init__(self) -> None:
        fit(self, "MLP.")
        if self.hidden:
            require_units("MLP.hidden", self.hidden)
        require_units("MLP.features", (self.features,))
        require_scales("MLP.squash", self.squash)
        if self.window not in ("flatten", "last"):
            raise ValueError(f"MLP.window must be 'flatten' or 'last', got {self.window!r}")

    def check(self, modality: Modality) -> None:
        if len(modality.shape) != 1:
            raise ValueError(
                f"modality {modality.name!r}: MLP reads vectors (d,) or windows (T, d), "
                f"got readings of shape {modality.shape}"
            )
        require_scales_fit("MLP.squash", self.squash, modality)


def require_scales(name: str, squash: Squash) -> None:
    """Raise ValueError where a scale is not finite and > 0."""
    for scale in squash:
        values = np.asarray(scale, dtype=np.float64)
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{name} must be finite scales > 0, got {scale}")


def require_scales_fit(name: str, squash: Squash, modality: Modality) -> None:
    """Raise ValueError where a scale per feature does not fit the features of `modality`."""
    for scale in squash:
        if isinstance(scale, tuple) and len(scale) != modality.shape[-1]:
            raise ValueError(
                f"modality {modality.name!r}: {name} gives {len(scale)} values for {modality.shape[-1]} features"
            )
