"""The space that a curriculum varies, from easy to hard: a box of numbers and ordered choices.

A context is a dict, name -> number or option: what `reset(options={"context": ...})` takes. An axis says what
one entry of it may be. Two ways lead into a space: a difficulty in [0, 1], for curricula that know the way
from easy to hard, and a point of the unit box, for those that look for it themselves.

D is the number of axes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = float | int | str
Context = Mapping[str, Value]
Point = NDArray[np.float64]


def linear_decay(step: float, initial: float, final: float, tau: float) -> float:
    """(1 - a) initial + a final with a = step / tau, constant after `tau` steps.

    The decay of learning rates in Goodfellow, Bengio & Courville, "Deep Learning" (2016), eq. 8.14.
    """
    a = min(max(step / tau, 0.0), 1.0)
    return (1.0 - a) * initial + a * final


class Axis(ABC):
    """One entry of a context."""

    name: str
    """Key in contexts."""

    @property
    @abstractmethod
    def ordered(self) -> bool:
        """Whether some of its values are harder than others."""

    @property
    @abstractmethod
    def target(self) -> Any:
        """Its value in the end: one value, a (low, high) range or a tuple of options."""

    @property
    @abstractmethod
    def easiest(self) -> Any:
        """Its value at difficulty 0, likewise."""

    @abstractmethod
    def draw(self, difficulty: float, u: float, num_open: int | None = None) -> Value:
        """The value that u in [0, 1) picks among those of a difficulty in [0, 1].

        `num_open` says how many options are open instead, the easiest first.
        """

    @abstractmethod
    def at(self, coordinate: float) -> Value:
        """The value at a coordinate in [0, 1] of the whole axis."""

    @abstractmethod
    def coordinate(self, value: Value) -> float:
        """Undo `at`; the middle of an option's share of [0, 1]. Raises ValueError off the axis."""

    @abstractmethod
    def difficulty(self, value: Value) -> float:
        """The smallest difficulty at which `draw` can give the value."""


@dataclass(frozen=True)
class Interval(Axis):
    """A number that is drawn uniformly from a range; the range moves or widens from easy to hard.

    `Interval("clearance_mm", (2.0, 2.0), (0.3, 0.3))` shrinks one number, `Interval("yaw", (0, 0), (-3, 3))`
    opens a range.
    """

    name: str
    """Key in contexts."""
    easy: tuple[float, float]
    """Low and high end at difficulty 0."""
    hard: tuple[float, float]
    """Low and high end at difficulty 1, the target."""

    def __post_init__(self) -> None:
        for which, (low, high) in (("easy", self.easy), ("hard", self.hard)):
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(
                    f"curriculum axis {self.name!r}: the {which} range must be finite, low first, got {low, high}"
                )
        if self._low == self._high:
            raise ValueError(f"curriculum axis {self.name!r} has nothing to vary: easy and hard are both {self._low}")

    @property
    def _low(self) -> float:
        return min(self.easy[0], self.hard[0])

    @property
    def _high(self) -> float:
        return max(self.easy[1], self.hard[1])

    @property
    def ordered(self) -> bool:
        return self.easy != self.hard

    @property
    def target(self) -> float | tuple[float, float]:
        low, high = self.hard
        return low if low == high else (low, high)

    @property
    def easiest(self) -> float | tuple[float, float]:
        low, high = self.easy
        return low if low == high else (low, high)

    def draw(self, difficulty: float, u: float, num_open: int | None = None) -> float:
        low, high = (linear_decay(difficulty, easy, hard, 1.0) for easy, hard in zip(self.easy, self.hard, strict=True))
        return self._inside(low + (high - low) * u)

    def at(self, coordinate: float) -> float:
        return self._inside(self._low + (self._high - self._low) * coordinate)

    def coordinate(self, value: Value) -> float:
        if isinstance(value, str) or not self._low <= value <= self._high:
            raise ValueError(f"curriculum axis {self.name!r} lies in [{self._low}, {self._high}], got {value!r}")
        return (value - self._low) / (self._high - self._low)

    def difficulty(self, value: Value) -> float:
        self.coordinate(value)
        number = float(value)
        (easy_low, easy_high), (hard_low, hard_high) = self.easy, self.hard
        below = (easy_low - number) / (easy_low - hard_low) if number < easy_low else 0.0
        above = (number - easy_high) / (hard_high - easy_high) if number > easy_high else 0.0
        return min(max(below, above), 1.0)

    def _inside(self, value: float) -> float:
        """The value without the rounding error that would carry it over an end."""
        return float(min(max(value, self._low), self._high))


@dataclass(frozen=True)
class Options(Axis):
    """One of several values that lie in no box, such as shapes; more of them are open as it gets harder."""

    name: str
    """Key in contexts."""
    options: tuple[Value, ...]
    """Every value, the easiest first."""

    def __post_init__(self) -> None:
        if len(self.options) < 2 or len(set(self.options)) < len(self.options):
            raise ValueError(
                f"curriculum axis {self.name!r} needs at least 2 options, all different, got {list(self.options)}"
            )

    @property
    def ordered(self) -> bool:
        return True

    @property
    def target(self) -> tuple[Value, ...]:
        return self.options

    @property
    def easiest(self) -> Value:
        return self.options[0]

    def draw(self, difficulty: float, u: float, num_open: int | None = None) -> Value:
        most = len(self.options)
        # The small constant keeps rounding from closing the last option of a level like 3 / 3.
        count = 1 + int(difficulty * (most - 1) + 1e-9) if num_open is None else min(max(num_open, 1), most)
        return self.options[int(u * count)]

    def at(self, coordinate: float) -> Value:
        return self.options[min(int(coordinate * len(self.options)), len(self.options) - 1)]

    def coordinate(self, value: Value) -> float:
        return (self._index(value) + 0.5) / len(self.options)

    def difficulty(self, value: Value) -> float:
        return self._index(value) / (len(self.options) - 1)

    def _index(self, value: Value) -> int:
        if value not in self.options:
            raise ValueError(f"curriculum axis {self.name!r} has no option {value!r}; it has {list(self.options)}")
        return self.options.index(value)


class ContextSpace:
    """The axes of a curriculum, D of them."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        """Raises ValueError for no axis at all or two of one name."""
        names = [axis.name for axis in axes]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a curriculum needs axes of distinct names, got {names}")
        self.axes = tuple(axes)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ContextSpace:
        """The space of settings as they are written in a run configuration.

            clearance_mm: [2.0, 0.3]            from easy to hard
            hole_yaw_rad: [0, [-3.1, 3.1]]      a range that opens; both ends may be ranges
            shape: [round, square, hexagonal]   names, the easiest first
            mode: {options: [0, 2, 3]}          numbers that lie in no box

        Raises ValueError, saying so, for anything else.
        """
        if not settings:
            raise ValueError("a curriculum needs something to vary, such as clearance_mm=[2.0, 0.3], got nothing")
        return cls([_axis(str(name), setting) for name, setting in settings.items()])

    @property
    def names(self) -> tuple[str, ...]:
        """Keys of the contexts."""
        return tuple(axis.name for axis in self.axes)

    @property
    def target(self) -> dict[str, Any]:
        """The distribution to be mastered in the end, as settings of an environment's context."""
        return {axis.name: axis.target for axis in self.axes}

    @property
    def easiest(self) -> dict[str, Any]:
        """The distribution to begin with, likewise."""
        return {axis.name: axis.easiest for axis in self.axes}

    def draw(self, difficulty: float, generator: np.random.Generator, num_open: int | None = None) -> dict[str, Value]:
        """A context of a difficulty in [0, 1]; one number is drawn per axis, used or not."""
        u = generator.random(len(self.axes))
        return {axis.name: axis.draw(difficulty, x, num_open) for axis, x in zip(self.axes, u.tolist(), strict=True)}

    def at(self, point: Point) -> dict[str, Value]:
        """The context at a point (D,) of the unit box."""
        return {axis.name: axis.at(x) for axis, x in zip(self.axes, point.tolist(), strict=True)}

    def point(self, context: Context) -> Point:
        """Undo `at`, (D,). Raises ValueError where the context leaves the space."""
        self._require_names(context)
        return np.array([axis.coordinate(context[axis.name]) for axis in self.axes])

    def difficulty(self, context: Context) -> float:
        """Mean difficulty in [0, 1] over the axes that have easy and hard ends."""
        self._require_names(context)
        each = [axis.difficulty(context[axis.name]) for axis in self.axes if axis.ordered]
        return sum(each) / len(each) if each else 0.0

    def _require_names(self, context: Context) -> None:
        if set(context) != set(self.names):
            raise ValueError(f"a context of this curriculum sets {list(self.names)}, got {sorted(context)}")


def _axis(name: str, setting: Any) -> Axis:
    if isinstance(setting, Mapping) and set(setting) == {"options"} and isinstance(setting["options"], list | tuple):
        return Options(name, tuple(setting["options"]))
    if isinstance(setting, list | tuple):
        if all(isinstance(item, str) for item in setting):
            return Options(name, tuple(setting))
        ends = [_range(item) for item in setting]
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
            return Interval(name, ends[0], ends[1])
    raise ValueError(
        f"curriculum axis {name!r} takes [easy, hard], each a number or a [low, high] range, names from easy to hard, "
        f"or {{options: [...]}}, got {setting!r}"
    )


def _range(item: Any) -> tuple[float, float] | None:
    pair = item if isinstance(item, list | tuple) else (item, item)
    if len(pair) != 2 or any(isinstance(x, bool) or not isinstance(x, int | float) for x in pair):
        return None
    return float(pair[0]), float(pair[1])
