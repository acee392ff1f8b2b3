"""Figures that a task reports about an episode, beside reward and success."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np

from mmrl.arrays import Envs, FloatArray
from mmrl.settings.documents import fit

OverEpisode = Literal["last", "max", "mean", "sum"]
Better = Literal["low", "high"]

_OF_INFOS = (
    "is_success",
    "success",
    "success_once",
    "physics_error",
    "privileged",
    "context",
    "reward_terms",
    "present",
)
_OF_METRICS = ("mean_return", "mean_length", "success_rate", "success_once_rate", "episodes", "physics_errors")
_OVER_EPISODE: Mapping[OverEpisode, str] = MappingProxyType(
    {
        "last": "at the end of the episode",
        "max": "largest of the episode",
        "mean": "mean over the episode",
        "sum": "sum over the episode",
    }
)
RESERVED = frozenset((*_OF_INFOS, *_OF_METRICS, "episode", "final_obs", "final_info", "return", "length"))
"""Names of other things that infos, metrics and reports hold."""


@dataclass(frozen=True)
class Figure:
    """A number that describes an episode; tables, reports and pictures show what is declared and nothing else."""

    name: str
    """Key in `info`, such as "lap_time_s"; there it is the figure of the episode so far, (N,)."""
    unit: str = ""
    """Unit of the number, such as "s"; "" where it has none."""
    over_episode: OverEpisode = "last"
    """How the numbers of the steps become one of the episode."""
    better: Better | None = None
    """Which way is better; None where neither is."""
    help: str = ""
    """One sentence for tables and `mmrl list`."""
    score: bool = False
    """Whether it is the score of the task, printed with an interval beside success."""
    event: bool = False
    """Whether it is 1 where something has happened in an episode and 0 where not: shown as a share of the episodes."""

    def __post_init__(self) -> None:
        if self.better not in (None, *get_args(Better)):
            raise ValueError(f"Figure.better must be 'low', 'high' or None, got {self.better!r}")
        fit(self, "Figure.")
        if not self.name.isidentifier():
            raise ValueError(f"Figure.name must be an identifier, got {self.name!r}")

    @property
    def words(self) -> str:
        """The name in words, without the unit that may be at its end, such as "lap time"."""
        words = self.name.split("_")
        letters = "".join(filter(str.isalnum, self.unit.lower()))
        ends = [end for end in range(1, len(words)) if letters and "".join(words[end:]) == letters]
        return " ".join(words[: ends[0]] if ends else words)

    @property
    def heading(self) -> str:
        """The name in words, with the unit, such as "lap time (s)"."""
        return f"{self.words} ({self.unit})" if self.unit else self.words

    @property
    def which_way(self) -> str:
        """Which way is better, in words; "" where neither is."""
        return "" if self.better is None else f"{self.better}er is better"

    def describe(self) -> str:
        """One line on the figure, for people to read."""
        parts = [_OVER_EPISODE[self.over_episode], self.which_way, "the score of the task" if self.score else ""]
        return f"{self.help} {', '.join(filter(None, parts)).capitalize()}.".lstrip()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Quartiles:
    """A figure over episodes."""

    median: float
    """Half of the episodes have less, half have more."""
    low: float
    """A quarter of the episodes has less."""
    high: float
    """A quarter of the episodes has more."""

    def __str__(self) -> str:
        return with_ends(self.median, self.low, self.high, decimals_for([self.median, self.low, self.high]))


def quartiles_of(values: FloatArray) -> Quartiles | None:
    """Median and quartiles of the finite values, None where there are none."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, high = np.quantile(finite, (0.25, 0.75))
    return Quartiles(float(np.median(finite)), float(low), float(high))


def decimals_for(values: Sequence[float]) -> int:
    """How many decimals give the largest of some numbers three digits, such as 0.0297, 23.7 or 1204."""
    largest = max(map(abs, values))
    decimals = 2 - math.floor(math.log10(largest)) if 0 < largest < math.inf else 2
    return min(max(decimals, 0), 9)


def with_ends(value: float, low: float, high: float, decimals: int) -> str:
    """A number with those on both sides of it, such as "110 [95, 131]"."""
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


@runtime_checkable
class DeclaresFigures(Protocol):
    """Worlds that say which figures their infos hold."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures."""


def figures_of(envs: Envs) -> tuple[Figure, ...]:
    """The figures that worlds declare, whatever wraps them; () where they declare none.

    Raises ValueError as `require_declarable`.
    """
    worlds = envs.unwrapped
    figures = worlds.figures if isinstance(worlds, DeclaresFigures) else ()
    require_declarable(figures)
    return figures


def require_declarable(figures: Sequence[Figure]) -> None:
    """Raise ValueError as `require_distinct`, and where a figure has the name of something else in infos."""
    require_distinct(figures)
    if taken := [figure.name for figure in figures if figure.name in RESERVED]:
        raise ValueError(f"{', '.join(taken)} is the name of something else in infos, call the figure otherwise")


def require_distinct(figures: Sequence[Figure]) -> None:
    """Raise ValueError where two figures have one name, or more than one is the score."""
    names = [figure.name for figure in figures]
    if len(set(names)) < len(names):
        raise ValueError(f"names of figures must differ, got {names}")
    if len(scores := [figure.name for figure in figures if figure.score]) > 1:
        raise ValueError(f"at most one figure is the score, got {scores}")
