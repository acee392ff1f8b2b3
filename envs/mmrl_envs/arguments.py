"""Arguments that vector environments refuse, of making, resets and steps.

Letters: N = worlds, A = size of an action.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

RENDER_MODES = (None, "rgb_array", "human")
MAX_WORLDS = 65_536
MAX_SIDE = 4096
"""Largest height and width of an image in pixels."""
MOST_STEPS = 10**9
"""Of an episode without a limit that may be used up when it begins."""


def whole(name: str, value: Any, low: int, high: float = inf) -> int:
    """A whole number from low to high, one of NumPy or 1e3 too; ValueError for anything else."""
    plain = value.item() if isinstance(value, np.generic) else value
    plain = int(plain) if isinstance(plain, float) and plain.is_integer() else plain
    if not isinstance(plain, int) or isinstance(plain, bool) or not low <= plain <= high:
        raise ValueError(f"{name} must be a whole number {_span(low, high)}, got {value!r}")
    return plain


def is_number(value: Any) -> bool:
    """Whether it is a real number of Python or NumPy, NaN and infinity among them; truth values are none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def number(name: str, value: Any, low: float = -inf, high: float = inf) -> float:
    """A finite number in [low, high], one of NumPy too; ValueError for anything else."""
    if not is_number(value) or not isfinite(value) or not low <= value <= high:
        bounds = "finite" if (low, high) == (-inf, inf) else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{name} must be a number, {bounds}, got {value!r}")
    return float(value)


def numbers(name: str, values: Any, count: int) -> tuple[float, ...]:
    """So many finite numbers; ValueError for anything else."""
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str) or len(values) != count:
        raise ValueError(f"{name} must be {count} numbers, got {values!r}")
    return tuple(number(f"{name}[{i}]", value) for i, value in enumerate(values))


def shown(value: Any) -> str:
    """A value that is no object of the wanted kind, as a message shows it: of a class also how to come by an object."""
    return (
        f"{value!r}, which is a class: give an object, {value.__name__}(...)"
        if isinstance(value, type)
        else repr(value)
    )


def number_array(name: str, values: Any) -> NDArray[Any]:
    """An array of numbers; ValueError for words, bytes, dates, complex numbers, records and masked arrays."""
    array = np.asarray(values)
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(f"{name} must be a plain array, got a masked one: say what stands in the masked places")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be numbers, got {array.dtype} in {values!r}")
    return array


def _span(low: int, high: float) -> str:
    return f"of at least {low}" if high == inf else f"from {low} to {high:.0f}"


def checked_num_envs(num_envs: Any, bytes_each: int) -> int:
    """A number of worlds that the memory of this machine holds; ValueError for another."""
    checked = whole("num_envs", num_envs, 1, MAX_WORLDS)
    if checked * bytes_each > (memory := machine_memory()):
        raise ValueError(
            f"num_envs {checked} needs {checked * bytes_each / 2**30:.1f} GiB of memory, but this machine has "
            f"{memory / 2**30:.1f}: at most {memory // bytes_each} worlds fit"
        )
    return checked


def machine_memory() -> int:
    """Bytes of memory of this machine, as many as there could be where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize


def checked_rates(control_hz: Any, physics_hz: Any) -> tuple[int, int]:
    """Actions and physics steps per second; ValueError unless the first divides the second."""
    control, physics = whole("control_hz", control_hz, 1), whole("physics_hz", physics_hz, 1)
    if physics % control:
        near = sorted(_divisors(physics), key=lambda rate: (abs(rate - control), rate))[:2]
        raise ValueError(
            f"control_hz must divide physics_hz, got control_hz={control}, physics_hz={physics}; of {physics} "
            f"{' and '.join(map(str, sorted(near)))} would do"
        )
    return control, physics


def _divisors(number: int) -> set[int]:
    return {d for i in range(1, int(number**0.5) + 1) if number % i == 0 for d in (i, number // i)}


def check_render_mode(render_mode: str | None) -> None:
    """Raises ValueError on an unknown render mode."""
    if render_mode not in RENDER_MODES:
        raise ValueError(f"unknown render_mode {render_mode!r}; modes are {list(RENDER_MODES)}")


def checked_seed(seed: Any) -> int | None:
    """A seed as Python has it; ValueError for what is neither None nor an integer of 0 or more."""
    if seed is None:
        return None
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"the seed must be an integer, not negative, got {seed!r}")
    return int(seed)


def checked_options(options: Mapping[str, Any] | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a reset over those by default; ValueError for one that is not among these."""
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"reset options must be a mapping from names to values, got {options!r}")
    unknown = sorted(str(name) for name in options or {} if name not in defaults)
    if unknown:
        raise ValueError(f"unknown reset options {unknown}; known are {sorted(defaults)}")
    return {**defaults, **(options or {})}


@dataclass(frozen=True)
class ResetOptions:
    """A reset of worlds as it is asked for."""

    context: Mapping[str, Any]
    """Settings of the context, to hold from here on."""
    elapsed: NDArray[np.intp]
    """Control steps of the time limit that are used up, (N,)."""
    mask: NDArray[np.bool_]
    """The worlds that are to be reset, (N,)."""


def checked_reset(
    seed: int | None, options: Mapping[str, Any] | None, begun: NDArray[np.bool_], limit: int | None
) -> ResetOptions:
    """The options of a reset with a checked seed, of worlds of which some have `begun` (N,), under a time limit.

    Raises ValueError on an unknown option or a bad value of one, and on a mask that leaves out worlds that never began
    or that a seed would begin anew.
    """
    n = len(begun)
    given = checked_options(options, {"context": None, "elapsed_steps": np.zeros(n), "reset_mask": np.ones(n)})
    elapsed = checked_elapsed(given["elapsed_steps"], n, limit)
    mask = checked_mask(given["reset_mask"], n)
    if seed is not None and not mask.all():
        raise ValueError("a seed begins the random streams of all worlds anew: give it without a reset_mask")
    if not (mask | begun).all():
        raise ValueError("the first reset is one of all worlds, but reset_mask leaves some out")
    return ResetOptions({} if given["context"] is None else given["context"], elapsed, mask)


def checked_mask(setting: Any, num_worlds: int) -> NDArray[np.bool_]:
    """The option "reset_mask", (N,); ValueError if it has another shape or says more than yes and no."""
    array = np.asarray(setting)
    if array.dtype != np.bool_ or isinstance(setting, np.ma.MaskedArray):
        array = number_array("option 'reset_mask'", setting)
    _require_shape("reset_mask", array, num_worlds)
    if not np.isin(array, (0, 1)).all():
        raise ValueError(f"option 'reset_mask' must be true or false for each world, got {setting!r}")
    return array.astype(np.bool_)


def checked_elapsed(setting: Any, num_worlds: int, limit: int | None) -> NDArray[np.intp]:
    """The option "elapsed_steps", (N,); ValueError for what is no whole number or leaves no step of the limit."""
    array = number_array("option 'elapsed_steps'", setting)
    _require_shape("elapsed_steps", array, num_worlds)
    most = MOST_STEPS if limit is None else limit - 1
    good = (array >= 0) & (array <= most) & (array == np.floor(array))
    if not good.all():
        world = int(np.flatnonzero(~good)[0])
        raise ValueError(
            f"option 'elapsed_steps' must be whole numbers from 0 to {most}, got {array[world]} for world {world}"
        )
    return array.astype(np.intp)


def _require_shape(name: str, array: NDArray[Any], num_worlds: int) -> None:
    if array.shape != (num_worlds,):
        raise ValueError(f"option {name!r} needs shape ({num_worlds},), got {array.shape}")


def checked_actions(
    actions: NDArray[Any], num_worlds: int, space: spaces.Box | spaces.Discrete
) -> NDArray[np.float64] | NDArray[np.intp]:
    """The actions as the space of one world has them: (N, A) as float64, or choices (N,).

    Raises ValueError if they are no numbers, have another shape, are not finite, or are none of the choices.
    """
    array = number_array("actions", actions)
    shape = (num_worlds, *(space.shape or ()))
    if array.shape != shape:
        raise ValueError(f"actions need shape {shape}, got {array.shape}")
    if isinstance(space, spaces.Discrete):
        first, last = int(space.start), int(space.start + space.n) - 1
        _require_all(np.isin(array, np.arange(first, last + 1)), f"whole numbers from {first} to {last}")
        return array.astype(np.intp)
    checked: NDArray[np.float64] = array.astype(np.float64)
    _require_all(np.isfinite(checked).all(axis=1), "finite")
    return checked


def _require_all(good: Any, what: str) -> None:
    if not good.all():
        raise ValueError(f"actions must be {what}; those of worlds {np.flatnonzero(~good).tolist()} are not")


CORES = "MMRL_CORES"
"""The environment variable that says how many cores a process takes where it shares them with others of its kind."""


def available_cores() -> int:
    """How many cores this process takes: its share of them, or all that the system lets it run on."""
    if share := os.environ.get(CORES):
        if not share.isdecimal():
            raise ValueError(f"{CORES} must be how many cores to take, got {share!r}")
        return max(1, int(share))
    granted = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return granted or 1
