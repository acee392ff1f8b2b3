"""Figures that a task reports about an episode, beside reward and success."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from mmrl.documents import fit

OverEpisode = Literal["last", "max", "mean", "sum"]
Better = Literal["low", "high"]


@dataclass(frozen=True)
class Figure:
    """A number that describes an episode; tables, reports and pictures show what is declared and nothing else."""

    name: str
    """Key in `info`, such as "peak_force_n"; there it is the figure of the episode so far, (N,)."""
    unit: str = ""
    """Unit of the number, such as "N"; "" where it has none."""
    over_episode: OverEpisode = "last"
    """How the numbers of the steps become one of the episode."""
    better: Better | None = None
    """Which way is better; None where neither is."""
    help: str = ""
    """One sentence for tables and `mmrl list`."""
    score: bool = False
    """Whether it is the score of the task, printed with an interval beside success."""

    def __post_init__(self) -> None:
        fit(self, "Figure.")
        if not self.name.isidentifier():
            raise ValueError(f"Figure.name must be an identifier, got {self.name!r}")
        if self.over_episode not in get_args(OverEpisode):
            raise ValueError(f"Figure.over_episode must be one of {get_args(OverEpisode)}, got {self.over_episode!r}")
        if self.better not in (None, *get_args(Better)):
            raise ValueError(f"Figure.better must be 'low', 'high' or None, got {self.better!r}")

    @property
    def heading(self) -> str:
        """The name in words, with the unit, such as "peak force (N)"."""
        words = self.name.split("_")
        if self.unit and words[-1] == self.unit.lower():
            words.pop()
        return " ".join(words) + (f" ({self.unit})" if self.unit else "")


def require_distinct(figures: Sequence[Figure]) -> None:
    """Raise ValueError where two figures have one name, or more than one is the score."""
    names = [figure.name for figure in figures]
    if len(set(names)) < len(names):
        raise ValueError(f"names of figures must differ, got {names}")
    if len(scores := [figure.name for figure in figures if figure.score]) > 1:
        raise ValueError(f"at most one figure is the score, got {scores}")
