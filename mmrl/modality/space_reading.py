"""The observation spaces of other packages as a kind of sense reads them: how an entry is read as a sense of that kind.

T readings of a window, d features, H x W pixels, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.modality.declaration import Bound, EncoderSpec

Space: TypeAlias = spaces.Space[Any]
Array: TypeAlias = NDArray[Any]

_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Unreadable(ValueError):
    """A space that is not of the kind asked for; the message says what the kind reads."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A sense without its name, and how it is taken from an observation."""

    shape: tuple[int, ...]
    convert: Callable[[Any], Array]
    """From what the environment gives to an array of the observed shape and dtype."""
    encoder: EncoderSpec
    """How it is encoded unless somebody chooses."""
    history: int | None = None
    dtype: str = "float32"
    low: Bound = -math.inf
    high: Bound = math.inf


def never(space: Space) -> bool:
    """No space can be meant in one way alone."""
    return False


@dataclass(frozen=True)
class SpaceReader:
    """A way to read an entry of an observation space."""

    read: Callable[[Space], Reading]
    """The sense that the entry is then; raises Unreadable for a space that cannot be read so."""
    certain: Callable[[Space], bool] = never
    """Whether a space can only be meant so; elsewhere somebody has to say."""


def require_box(space: Space, readable: str) -> spaces.Box:
    """The space as a Box; raises Unreadable, which says what is `readable`, where it is none."""
    if not isinstance(space, spaces.Box):
        raise Unreadable(f"reads {readable}, not {space}")
    return space


def to_floats(shape: tuple[int, ...]) -> Callable[[Any], Array]:
    """The conversion of a value to float32 of that shape."""
    return lambda value: np.asarray(value, dtype=np.float32).reshape(shape)


def feature_bounds(low: Array, high: Array) -> tuple[Bound, Bound]:
    """The bounds of each feature; one that cannot change has none."""
    pairs = [(-math.inf, math.inf) if a >= b else (a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    return tuple(as_float32(a) for a, _ in pairs), tuple(as_float32(b) for _, b in pairs)


def as_float32(bound: float) -> float:
    """A bound as float32 has it; one that no float32 reaches is none."""
    return bound if abs(bound) <= _FLOAT32_MAX else math.copysign(math.inf, bound)
