"""Context parameters: what a curriculum, a randomiser or a user may vary from episode to episode.

A context assigns each parameter a value, a range, or one value per world; single worlds may have their own.

    {"clearance_mm": 0.5}                        the same in every episode
    {"friction": (0.2, 1.0)}                     uniform in the range, drawn anew at each reset
    {"shape": ("round", "square")}               one of these, drawn anew at each reset
    {"hole_x_m": numpy.linspace(-0.04, 0.04, N)} world by world

Letters: N = worlds, n = those being reset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl.streams import Streams
from mmrl_envs.arguments import is_number, number_array

ContextSource = Callable[[IntArray], Sequence[Mapping[str, Any]]]
"""Gives the contexts of the coming episodes of some worlds (n,), one each: a curriculum's way in."""


@dataclass(frozen=True)
class Parameter:
    """A number that may vary."""

    name: str
    """Key in contexts, with its unit."""
    default: float | tuple[float, float] | None
    """Value, or range to draw from; None leaves it to the task (its value is then NaN)."""
    low: float
    """Smallest legal value."""
    high: float
    """Largest legal value."""
    help: str
    """One line for users."""
    group: str = "task"
    """Parameters of one group are drawn together; drawing another group never changes them."""

    def describe(self) -> str:
        """Meaning, default and bounds in one line."""
        default = "the task's choice" if self.default is None else self.default
        return f"{self.help}; default {default}, in [{self.low:g}, {self.high:g}]"

    def check(self, setting: Any, num_worlds: int) -> FloatArray:
        """Range of each world, (N, 2).

        Raises:
            ValueError: if the setting is no number, range or per-world array, or leaves the bounds.
        """
        if setting is None and self.default is None:
            return np.full((num_worlds, 2), np.nan)
        if isinstance(setting, np.ndarray):
            bounds = self._of_each_world(setting, num_worlds)
        else:
            bounds = np.tile(self._pair(setting), (num_worlds, 1))
        if not (bounds.min() >= self.low and bounds.max() <= self.high):
            raise ValueError(f"context {self.name!r} must lie in [{self.low}, {self.high}], got {setting!r}")
        return bounds

    def _of_each_world(self, setting: NDArray[Any], num_worlds: int) -> FloatArray:
        values = number_array(f"context {self.name!r}", setting)
        if values.shape != (num_worlds,):
            raise ValueError(
                f"context {self.name!r}: an array needs one value per world, shape ({num_worlds},), got {values.shape}"
            )
        return np.stack([values, values], axis=1).astype(np.float64)

    def _pair(self, setting: Any) -> tuple[float, float]:
        alone = isinstance(setting, str | bytes) or not isinstance(setting, Sequence)
        entries = (setting, setting) if alone else tuple(setting)
        if len(entries) != 2 or not all(is_number(entry) for entry in entries):
            raise ValueError(
                f"context {self.name!r} takes a number, a (low, high) pair or an array per world, got {setting!r}"
            )
        first, last = (float(entry) for entry in entries)
        if first > last:
            raise ValueError(f"context {self.name!r}: low {first} exceeds high {last}")
        return first, last


@dataclass(frozen=True)
class Choice:
    """A name that may vary; its value is the index in `options`."""

    name: str
    """Key in contexts."""
    default: str | tuple[str, ...]
    """Option, or options to draw from with equal odds."""
    options: tuple[str, ...]
    """All legal names."""
    help: str
    """One line for users."""
    group: str = "task"
    """As in `Parameter`."""

    def describe(self) -> str:
        """Meaning, default and options in one line."""
        return f"{self.help}; default {self.default}, of {', '.join(self.options)}"

    def check(self, setting: Any, num_worlds: int) -> list[IntArray]:
        """Indices of the options open to each world.

        Raises:
            ValueError: if a name is unknown; the message lists those that exist.
        """
        if isinstance(setting, np.ndarray) and setting.dtype.kind not in "UO":
            raise ValueError(f"context {self.name!r} takes 'all' or names of {self.options}, got {setting!r}")
        per_world = setting.tolist() if isinstance(setting, np.ndarray) else [setting] * num_worlds
        if len(per_world) != num_worlds:
            raise ValueError(f"context {self.name!r}: an array needs {num_worlds} names, got {len(per_world)}")
        return [self._indices(entry) for entry in per_world]

    def _indices(self, entry: Any) -> IntArray:
        if not isinstance(entry, str | Iterable) or isinstance(entry, bytes):
            raise ValueError(f"context {self.name!r} takes 'all' or names of {self.options}, got {entry!r}")
        names = (entry,) if isinstance(entry, str) else tuple(entry)
        names = self.options if names == ("all",) else names
        for name in names:
            if name not in self.options:
                raise ValueError(f"context {self.name!r}: unknown {name!r}; it takes 'all' or names of {self.options}")
        if not names:
            raise ValueError(f"context {self.name!r}: no option given; options are {self.options}")
        return np.array([self.options.index(name) for name in names], np.intp)


def with_defaults(parameters: Sequence[Parameter | Choice], defaults: Mapping[str, Any]) -> list[Parameter | Choice]:
    """The parameters, some with other defaults: what makes a variant of a task.

    Raises:
        ValueError: on an unknown name; the message lists those that exist.
    """
    names = sorted(parameter.name for parameter in parameters)
    unknown = sorted(set(defaults) - set(names))
    if unknown:
        raise ValueError(f"unknown context {unknown} among the defaults; this environment has {names}")
    return [replace(p, default=defaults[p.name]) if p.name in defaults else p for p in parameters]


class DrawnContext(dict[str, FloatArray]):
    """Drawn values (n,) by the name of a parameter; one that does not exist is answered with those that do."""

    def __missing__(self, name: str) -> FloatArray:
        raise ValueError(f"the context has no {name!r}; its parameters are {', '.join(sorted(self)) or 'none'}")


class WorldContexts:
    """The present setting of every parameter, and the draws from it.

    Args:
        parameters: what may vary.
        num_worlds: N.
        setting: overrides of the defaults.

    Raises ValueError as `update`, and where two parameters have one name.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter | Choice],
        num_worlds: int,
        setting: Mapping[str, Any] | None = None,
    ) -> None:
        names = [parameter.name for parameter in parameters]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"context parameters need different names, got more than one {', '.join(twice)}")
        self.parameters = dict(zip(names, parameters, strict=True))
        self._num_worlds = num_worlds
        self._ranges: dict[str, FloatArray] = {}
        self._options: dict[str, list[IntArray]] = {}
        self.update(self.defaults)
        self.update(setting or {})

    def update(self, setting: Mapping[str, Any]) -> None:
        """Changes settings; they hold from each world's next reset on. Nothing changes if any is invalid.

        Raises:
            ValueError: on an unknown key (the message lists those that exist) or an invalid value.
        """
        ranges, options = self._checked(setting, self._num_worlds)
        self._ranges |= ranges
        self._options |= options

    def assign(self, worlds: IntArray, settings: Sequence[Mapping[str, Any]]) -> None:
        """Changes the settings of single worlds (n,), one mapping each. Nothing changes if any is invalid.

        Raises:
            ValueError: as `update`, and where there are not n settings.
        """
        if len(settings) != len(worlds):
            raise ValueError(f"{len(worlds)} worlds need as many contexts, got {len(settings)}")
        checked = [self._checked(setting, 1) for setting in settings]
        for world, (ranges, options) in zip(worlds, checked, strict=True):
            for name, low_high in ranges.items():
                self._ranges[name][world] = low_high[0]
            for name, (indices,) in options.items():
                self._options[name][world] = indices

    def require(self, setting: Mapping[str, Any]) -> None:
        """Raises ValueError, as `update` does, unless a world may be given this setting."""
        self._checked(setting, 1)

    def _checked(
        self, setting: Mapping[str, Any], num_worlds: int
    ) -> tuple[dict[str, FloatArray], dict[str, list[IntArray]]]:
        if not isinstance(setting, Mapping):
            raise ValueError(f"a context is a mapping from names to values, got {setting!r}")
        unknown = sorted(str(name) for name in setting if name not in self.parameters)
        if unknown:
            raise ValueError(f"unknown context {unknown}; this environment has {sorted(self.parameters)}")
        ranges: dict[str, FloatArray] = {}
        options: dict[str, list[IntArray]] = {}
        for name, value in setting.items():
            parameter = self.parameters[name]
            if isinstance(parameter, Choice):
                options[name] = parameter.check(value, num_worlds)
            else:
                ranges[name] = parameter.check(value, num_worlds)
        return ranges, options

    @property
    def defaults(self) -> dict[str, Any]:
        """The default of every parameter, by name."""
        return {name: parameter.default for name, parameter in self.parameters.items()}

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups in which parameters are drawn."""
        return tuple(dict.fromkeys(parameter.group for parameter in self.parameters.values()))

    def draw(self, worlds: IntArray, streams: Mapping[str, Streams]) -> DrawnContext:
        """Values for the coming episodes of some worlds, each (n,); a `Choice` gives indices.

        One uniform number is drawn for every parameter, fixed or not, so that fixing one leaves the others
        as they were.

        Args:
            worlds: which, (n,).
            streams: the random stream of each group.
        """
        drawn = DrawnContext()
        for group in self.groups:
            names = [name for name, parameter in self.parameters.items() if parameter.group == group]
            uniform = streams[group].uniform(worlds, (len(names),))
            for name, u in zip(names, uniform.T, strict=True):
                drawn[name] = self._value(name, worlds, u)
        return drawn

    def _value(self, name: str, worlds: IntArray, u: FloatArray) -> FloatArray:
        if name in self._options:
            allowed = [self._options[name][w] for w in worlds]
            return np.array([a[int(x * len(a))] for a, x in zip(allowed, u, strict=True)], np.float64)
        low: FloatArray
        high: FloatArray
        low, high = self._ranges[name][worlds].T
        return low + (high - low) * u

    def spelled(self, name: str, values: FloatArray) -> NDArray[Any]:
        """Drawn values (n,) of a parameter as users write them: a `Choice` gives names."""
        parameter = self.parameters[name]
        return np.array(parameter.options)[values.astype(np.intp)] if isinstance(parameter, Choice) else values

    def state_dict(self) -> dict[str, Any]:
        """The present setting of every world."""
        options = {name: [indices.tolist() for indices in worlds] for name, worlds in self._options.items()}
        return {"ranges": {name: bounds.copy() for name, bounds in self._ranges.items()}, "options": options}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`; a parameter that an earlier version did not have keeps its setting."""
        self._ranges |= {name: np.array(bounds) for name, bounds in state["ranges"].items()}
        self._options |= {
            name: [np.array(indices, np.intp) for indices in worlds] for name, worlds in state["options"].items()
        }
