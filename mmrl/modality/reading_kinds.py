"""What an entry of a foreign observation space can be read as: a vector, a window, an image or several, a choice.

A kind is a name and a function from a space to a `Reading`. T readings of a window, d features, H x W pixels, C
channels; n choices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.modality import MLP, Bound, EncoderSpec, TemporalConv
from mmrl.modality.image import usual_conv

Space: TypeAlias = spaces.Space[Any]
Array: TypeAlias = NDArray[Any]

IMAGE_CHANNELS = (1, 3, 4)
MOST_CHOICES = 1024
"""Choices of a Discrete entry that are one-hot without being asked for."""
IGNORE = "ignore"
"""The kind of an entry that no policy shall see."""

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


def read_vector(space: Space) -> Reading:
    """Any Box or MultiBinary, its axes run together: (d,) floats."""
    if isinstance(space, spaces.MultiBinary):
        size = math.prod(space.shape)
        return Reading((size,), _to_floats((size,)), MLP(), low=0.0, high=1.0)
    box = _require_box(space, "a Box or a MultiBinary")
    size = math.prod(box.shape)
    low, high = _bounds(box.low.reshape(-1), box.high.reshape(-1))
    return Reading((size,), _to_floats((size,)), MLP(), low=low, high=high)


def read_window(space: Space) -> Reading:
    """A Box (T,) or (T, d), oldest reading first: T readings of d features."""
    box = _require_box(space, "a Box (T,) or (T, d)")
    if len(box.shape) not in (1, 2):
        raise Unreadable(f"reads a Box (T,) or (T, d), time first, not one of shape {box.shape}")
    length, size = box.shape[0], math.prod(box.shape[1:])
    low, high = _bounds(box.low.reshape(length, size).min(axis=0), box.high.reshape(length, size).max(axis=0))
    return Reading((size,), _to_floats((length, size)), TemporalConv(), history=length, low=low, high=high)


def read_image(space: Space) -> Reading:
    """A Box (H, W, C) or (H, W) of bytes or other numbers."""
    box = _require_box(space, "a Box (H, W, C) or (H, W)")
    if len(box.shape) not in (2, 3):
        raise Unreadable(f"reads a Box (H, W, C) or (H, W), not one of shape {box.shape}")
    shape = box.shape if len(box.shape) == 3 else (*box.shape, 1)
    dtype = "uint8" if box.dtype == np.uint8 else "float32"

    def convert(value: Any) -> Array:
        return np.asarray(value).reshape(shape).astype(dtype, copy=False)

    low, high = (float(side.item()) for side in (box.low.min(), box.high.max()))
    if not low < high:
        low, high = -math.inf, math.inf
    return Reading(shape, convert, usual_conv(*shape[:2]), dtype=dtype, low=_as_float32(low), high=_as_float32(high))


def read_image_chw(space: Space) -> Reading:
    """A Box (C, H, W), as other libraries order images."""
    box = _require_box(space, "a Box (C, H, W)")
    if len(box.shape) != 3:
        raise Unreadable(f"reads a Box (C, H, W), not one of shape {box.shape}")
    low, high = (side.transpose(1, 2, 0) for side in (box.low, box.high))
    image = read_image(spaces.Box(low, high, dtype=box.dtype.type))
    return replace(image, convert=lambda value: image.convert(np.asarray(value).transpose(1, 2, 0)))


def read_image_stack(space: Space) -> Reading:
    """A Box (T, H, W, C) of frames: one image whose channels are those of the frames, the oldest first."""
    box = _require_box(space, "a Box (T, H, W, C)")
    if len(box.shape) != 4:
        raise Unreadable(f"reads a Box (T, H, W, C), not one of shape {box.shape}")

    def side_by_side(frames: Any) -> Array:
        stacked = np.moveaxis(np.asarray(frames), 0, 2)  # (T, H, W, C) -> (H, W, T, C)
        return stacked.reshape(*stacked.shape[:2], -1)

    image = read_image(spaces.Box(side_by_side(box.low), side_by_side(box.high), dtype=box.dtype.type))
    return replace(image, convert=lambda value: image.convert(side_by_side(value)))


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


KINDS: Mapping[str, Callable[[Space], Reading]] = MappingProxyType(
    {
        "vector": read_vector,
        "window": read_window,
        "image": read_image,
        "image_chw": read_image_chw,
        "image_stack": read_image_stack,
        "one_hot": read_one_hot,
    }
)
"""Ways to read an entry by name."""


def kind_without_doubt(space: Space) -> str | None:
    """The kind that a space can only be; None where somebody has to say."""
    if isinstance(space, spaces.Discrete):
        return "one_hot" if space.n <= MOST_CHOICES else None
    if isinstance(space, spaces.MultiBinary):
        return "vector"
    if not isinstance(space, spaces.Box):
        return None
    if space.dtype == np.uint8 and len(space.shape) in (3, 4) and space.shape[-1] in IMAGE_CHANNELS:
        return "image" if len(space.shape) == 3 else "image_stack"
    return "vector" if np.issubdtype(space.dtype, np.floating) and len(space.shape) < 2 else None


def kinds_for(space: Space) -> list[str]:
    """The kinds that a space could be."""
    able = []
    for name, read in KINDS.items():
        try:
            read(space)
        except Unreadable:
            continue
        able.append(name)
    return able


def _require_box(space: Space, readable: str) -> spaces.Box:
    if not isinstance(space, spaces.Box):
        raise Unreadable(f"reads {readable}, not {space}")
    return space


def _to_floats(shape: tuple[int, ...]) -> Callable[[Any], Array]:
    return lambda value: np.asarray(value, dtype=np.float32).reshape(shape)


def _bounds(low: Array, high: Array) -> tuple[Bound, Bound]:
    """Of each feature; of one that cannot change, none."""
    pairs = [(-math.inf, math.inf) if a >= b else (a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    return tuple(_as_float32(a) for a, _ in pairs), tuple(_as_float32(b) for _, b in pairs)


def _as_float32(bound: float) -> float:
    """Bounds that no float32 reaches are none."""
    return bound if abs(bound) <= _FLOAT32_MAX else math.copysign(math.inf, bound)
