"""The settings that a sweep searches, and where."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmrl.settings.named import nested, parse_settings
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.unset import over

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_RANGE = re.compile(r"(?P<kind>log|uniform)(?P<ends>\[.*\])")
_HOW = "NAME=log[1e-4,2e-3], NAME=uniform[0.9,0.99] or NAME=[2,3,4]"


@dataclass(frozen=True)
class Searched:
    """A setting that is searched."""

    name: str
    """Its dotted name."""
    values: tuple[Any, ...]
    """The choices, or both ends of a range."""
    kind: str = "choice"
    """choice, uniform or log."""

    def __post_init__(self) -> None:
        if self.kind == "choice":
            return
        numbers = [
            x for x in self.values if isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
        ]
        if len(self.values) != 2 or len(numbers) != 2 or not self.values[0] < self.values[1]:
            raise ValueError(f"--space {self.name}={self.kind} needs two numbers that rise, got {list(self.values)}")
        if self.kind == "log" and not self.values[0] > 0:
            raise ValueError(f"--space {self.name}=log begins above 0, got {self.values[0]}")

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna knows it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.kind == "choice":
            return CategoricalDistribution(self.values)
        low, high = self.values
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=self.kind == "log")
        return FloatDistribution(float(low), float(high), log=self.kind == "log")


def parse_space(words: Sequence[str]) -> tuple[Searched, ...]:
    """Searched settings from words such as ppo.learning_rate=log[1e-4,2e-3]; ValueError for what is none."""
    if not words:
        raise ValueError(f"a sweep needs a --space to search: {_HOW}")
    axes = tuple(map(_axis, words))
    names = [axis.name for axis in axes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"--space has {', '.join(twice)} twice")
    return axes


def _axis(word: str) -> Searched:
    name, _, text = word.partition("=")
    found = _RANGE.fullmatch(text)
    ((_, values),) = parse_settings([f"{name}={found['ends'] if found else text}"]).items()
    if not isinstance(values, list) or not values or any(isinstance(value, list | dict) for value in values):
        raise ValueError(f"--space takes {_HOW}, got {word!r}")
    return Searched(name.replace("-", "_"), tuple(values), found["kind"] if found else "choice")


def with_settings(train: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    """A training with other values of some settings; ValueError for a setting that it does not have."""
    for name in values:
        _require_known(train, name)
    return over(train, nested(values))


def _require_known(train: TrainConfig, name: str) -> None:
    """Raise ValueError where no setting has that dotted name, unless it lies among settings by name."""
    part: Any = train
    for word in name.split("."):
        if isinstance(part, Mapping):
            return
        known = vars(part) if dataclasses.is_dataclass(part) else {}
        if word not in known:
            there = f"there are {', '.join(sorted(known))}" if known else "it has no parts"
            raise ValueError(f"--space {name}: there is no setting {word!r}; {there}")
        part = known[word]
