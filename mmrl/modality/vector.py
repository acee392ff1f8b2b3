"""Vectors, and windows read as one: fully connected networks."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

from mmrl.modality.declaration import EncoderSpec, Modality, require_units
from mmrl.modality.kinds import Kind, register_kind
from mmrl.modality.space_reading import (
    Array,
    Reading,
    Space,
    SpaceReader,
    Unreadable,
    feature_bounds,
    require_box,
    to_floats,
)
from mmrl.settings.documents import fit

MOST_CHOICES = 1024
"""Choices of a Discrete entry that are one-hot without being asked for."""

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
    """The readings of a window that it takes: all T readings as one vector, or the newest one only."""

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
        require_scales_fit("MLP.squash", self.squash, modality.name, modality.shape[-1])


def require_scales(name: str, squash: Squash) -> None:
    """Raise ValueError where a scale is not finite and > 0."""
    for scale in squash:
        values = np.asarray(scale, dtype=np.float64)
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{name} must be finite scales > 0, got {scale}")


def require_scales_fit(name: str, squash: Squash, sense: str, features: int) -> None:
    """Raise ValueError, naming the sense, where a scale per feature does not fit so many features."""
    for scale in squash:
        if isinstance(scale, tuple) and len(scale) != features:
            raise ValueError(f"modality {sense!r}: {name} gives {len(scale)} values for {features} features")


def read_vector(space: Space) -> Reading:
    """Any Box or MultiBinary, its axes run together: (d,) floats."""
    if isinstance(space, spaces.MultiBinary):
        size = math.prod(space.shape)
        return Reading((size,), to_floats((size,)), MLP(), low=0.0, high=1.0)
    box = require_box(space, "a Box or a MultiBinary")
    size = math.prod(box.shape)
    low, high = feature_bounds(box.low.reshape(-1), box.high.reshape(-1))
    return Reading((size,), to_floats((size,)), MLP(), low=low, high=high)


def read_one_hot(space: Space) -> Reading:
    """A Discrete of n choices as (n,) zeros and a one, a MultiDiscrete as those of its entries in a row."""
    if isinstance(space, spaces.Discrete):
        first, counts = np.array([space.start]), np.array([space.n])
    elif isinstance(space, spaces.MultiDiscrete):
        first, counts = space.start.reshape(-1), space.nvec.reshape(-1)
    else:
        raise Unreadable(f"reads a Discrete or a MultiDiscrete, not {space}")
    offsets = np.cumsum(counts) - counts - first
    size = int(counts.sum())

    def convert(value: Any) -> Array:
        ones = np.zeros(size, np.float32)
        ones[np.asarray(value).reshape(-1) + offsets] = 1.0
        return ones

    return Reading((size,), convert, MLP(), low=0.0, high=1.0)


def _is_a_vector(space: Space) -> bool:
    if isinstance(space, spaces.Box):
        return np.issubdtype(space.dtype, np.floating) and len(space.shape) < 2
    return isinstance(space, spaces.MultiBinary)


def _is_a_choice(space: Space) -> bool:
    return isinstance(space, spaces.Discrete) and space.n <= MOST_CHOICES


register_kind(
    Kind(
        "vector",
        MLP,
        "mmrl.encoders.vector:NETWORKS",
        {"vector": SpaceReader(read_vector, _is_a_vector), "one_hot": SpaceReader(read_one_hot, _is_a_choice)},
    )
)
