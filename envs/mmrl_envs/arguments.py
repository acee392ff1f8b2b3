"""What vector environments refuse to be built, reset or stepped with.

Letters: N = worlds, A = size of an action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

RENDER_MODES = (None, "rgb_array", "human")


def whole(name: str, value: Any, low: int, high: float = inf) -> int:
    """A whole number from low to high, one of NumPy too; ValueError for anything else."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
        bounds = f"of at least {low}" if high == inf else f"from {low} to {high}"
        raise ValueError(f"{name} must be a whole number {bounds}, got {value!r}")
    return int(value)


def number(name: str, value: Any, low: float = -inf, high: float = inf) -> float:
    """A finite number in [low, high], one of NumPy too; ValueError for anything else."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not isfinite(value) or not low <= value <= high:
        bounds = "finite" if (low, high) == (-inf, inf) else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{name} must be a number, {bounds}, got {value!r}")
    return float(value)


def numbers(name: str, values: Any, count: int) -> tuple[float, ...]:
    """So many finite numbers; ValueError for anything else."""
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str) or len(values) != count:
        raise ValueError(f"{name} must be {count} numbers, got {values!r}")
    return tuple(number(f"{name}[{i}]", value) for i, value in enumerate(values))


def check_settings(
    num_envs: int,
    control_hz: int,
    physics_hz: int,
    max_episode_steps: int | None,
    render_mode: str | None,
) -> None:
    """Raises ValueError on counts below 1, rates that do not divide and unknown render modes."""
    if num_envs < 1:
        raise ValueError(f"num_envs must be at least 1, got {num_envs}")
    if control_hz < 1 or physics_hz < control_hz or physics_hz % control_hz:
        raise ValueError(f"control_hz must divide physics_hz, got control_hz={control_hz}, physics_hz={physics_hz}")
    if max_episode_steps is not None and max_episode_steps < 1:
        raise ValueError(f"max_episode_steps must be at least 1 or None, got {max_episode_steps}")
    if render_mode not in RENDER_MODES:
        raise ValueError(f"unknown render_mode {render_mode!r}; modes are {list(RENDER_MODES)}")


def checked_options(options: Mapping[str, Any] | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a reset over those by default; ValueError for one that is not among these."""
    unknown = sorted(set(options or {}) - set(defaults))
    if unknown:
        raise ValueError(f"unknown reset options {unknown}; known are {sorted(defaults)}")
    return {**defaults, **(options or {})}


def checked_option(name: str, setting: Any, dtype: type[Scalar], num_worlds: int) -> NDArray[Scalar]:
    """An option that has one value for each world, (N,); ValueError if it has another shape."""
    checked: NDArray[Scalar] = np.asarray(setting, dtype)
    if checked.shape != (num_worlds,):
        raise ValueError(f"option {name!r} needs shape ({num_worlds},), got {checked.shape}")
    return checked


def checked_actions(actions: NDArray[Any], num_worlds: int, size: int) -> NDArray[np.float64]:
    """The actions (N, A) as float64; ValueError if they have another shape or are not finite."""
    checked: NDArray[np.float64] = np.asarray(actions, np.float64)
    if checked.shape != (num_worlds, size):
        raise ValueError(f"actions need shape ({num_worlds}, {size}), got {checked.shape}")
    if not np.isfinite(checked).all():
        bad = np.flatnonzero(~np.isfinite(checked).all(axis=1))
        raise ValueError(f"actions must be finite; those of worlds {bad.tolist()} are not")
    return checked
