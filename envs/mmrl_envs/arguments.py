"""What vector environments refuse to be built, reset or stepped with.

Letters: N = worlds, A = size of an action.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

RENDER_MODES = (None, "rgb_array", "human")


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
