"""Judging a policy: success rates with honest intervals, the same episodes without each sense.

Knows the Gymnasium vector API and the `Policy` protocol; no torch, no environment, no learner.

A rate over zero trials is undefined here, not 0 %. Which episodes count is decided in `mmrl.evaluation.episodes`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from mmrl.arrays import BoolArray, Envs, FloatArray
from mmrl.evaluation.episodes import LONGEST_EPISODE, Episodes, Policy, require_known, run_episodes
from mmrl.evaluation.figures import Figure, Quartiles, quartiles_of
from mmrl.evaluation.paired import difference_interval, mean_interval
from mmrl.modality.foreign import flatten_observation

__all__ = ["Episodes", "Paired", "Policy", "Rate", "Report", "Row", "Score", "compare", "divisor_worlds", "evaluate"]

CONFIDENCE = 0.95
ALL_SENSES = "all senses"


@dataclass(frozen=True)
class Rate:
    """A share of successes with its 95 % Wilson score interval (Wilson 1927)."""

    successes: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials:
            raise ValueError(f"successes must lie in 0..{self.trials} (trials): {self.successes}")

    @property
    def rate(self) -> float | None:
        """Successes per trial, None without trials."""
        return self.successes / self.trials if self.trials else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Lower and upper end, None without trials."""
        if not self.trials:
            return None
        ends = binomtest(self.successes, self.trials).proportion_ci(CONFIDENCE, method="wilson")
        return float(ends.low), float(ends.high)

    def __str__(self) -> str:
        if self.rate is None or self.interval is None:
            return "undefined"
        low, high = self.interval
        return f"{100 * self.rate:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"

    def to_json(self) -> dict[str, Any]:
        """Plain data; `rate` and `wilson_95` are None without trials."""
        return {
            "successes": self.successes,
            "trials": self.trials,
            "rate": self.rate,
            "wilson_95": None if self.interval is None else list(self.interval),
        }


@dataclass(frozen=True)
class Paired:
    """Success at the end of the same episodes under two conditions, compared one by one."""

    lost: int  # episodes that succeeded in the reference only
    gained: int  # episodes that succeeded in the other condition only
    pairs: int  # episodes judged in both

    @property
    def difference(self) -> float | None:
        """Success rate minus that of the reference, in -1..1; None without pairs."""
        return (self.gained - self.lost) / self.pairs if self.pairs else None

    @property
    def p_value(self) -> float | None:
        """Exact two-sided McNemar test (McNemar 1947): the sign test on the discordant pairs."""
        if not self.pairs:
            return None
        discordant = self.lost + self.gained
        return float(binomtest(self.lost, discordant).pvalue) if discordant else 1.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % score interval of the difference (Tango 1998), None without pairs."""
        return difference_interval(self.gained, self.lost, self.pairs, CONFIDENCE) if self.pairs else None

    def to_json(self) -> dict[str, Any]:
        """Plain data; `difference`, `difference_95` and `mcnemar_p` are None without pairs."""
        counts = {"lost": self.lost, "gained": self.gained, "pairs": self.pairs}
        interval = None if self.interval is None else list(self.interval)
        return counts | {"difference": self.difference, "difference_95": interval, "mcnemar_p": self.p_value}


def compare(reference: Episodes, other: Episodes) -> Paired:
    """Pair two runs of the same seed, worlds and episodes; ValueError when those differ.

    Where an environment's later episodes depend on more than (seed, world), the pairs are looser:
    the test then loses power, but stays valid.
    """
    same_worlds = np.array_equal(reference.world, other.world)
    if not (same_worlds and np.array_equal(reference.index_in_world, other.index_in_world)):
        raise ValueError(f"cannot pair runs of different worlds or episodes: {len(reference)} and {len(other)}")
    both = reference.judged & other.judged
    before, after = reference.success_at_end[both], other.success_at_end[both]
    lost, gained = int(np.sum(before & ~after)), int(np.sum(~before & after))
    return Paired(lost=lost, gained=gained, pairs=int(both.sum()))


@dataclass(frozen=True)
class Score:
    """The score of a task over episodes."""

    figure: Figure
    """Which of the declared figures it is."""
    mean: float
    """Of the episodes that reported it."""
    low: float
    """Lower end of the 95 % bootstrap interval of the mean."""
    high: float
    """Upper end."""


@dataclass(frozen=True, eq=False)
class Row:
    """The episodes of one condition and the figures drawn from them."""

    label: str
    absent: tuple[str, ...]  # senses that were unplugged
    episodes: Episodes
    versus_all: Paired | None = None  # None for the row that has all senses
    repeats: bool = False  # whether nothing was drawn, so that episodes of one start are one episode played again

    @property
    def returns(self) -> FloatArray:
        """Return of every episode, or of every different one where they repeat each other.

        Episodes of one length and one return count as the same: two starts may lead to the same, but then the second
        says nothing new.
        """
        table = self.episodes
        if not self.repeats:
            return table.episode_return
        different: FloatArray = np.unique(np.stack([table.episode_return, table.length]), axis=1)[0]
        return different

    @property
    def success_at_end(self) -> Rate:
        """Success in the last step of the episode."""
        return _rate(self.episodes.success_at_end, self.episodes.judged)

    @property
    def success_once(self) -> Rate:
        """Success in any step of the episode."""
        return _rate(self.episodes.success_once, self.episodes.judged)

    @property
    def mean_return(self) -> tuple[float, float, float]:
        """Mean return of an episode with the ends of its 95 % bootstrap interval, by `mean_interval`."""
        return mean_interval(self.returns, CONFIDENCE)

    @property
    def positive_return(self) -> Rate:
        """Episodes that returned more than 0: of a game between two, those won."""
        return Rate(int((self.returns > 0).sum()), len(self.returns))

    @property
    def score(self) -> Score | None:
        """The task's score; None where it declares none, or no episode reported it."""
        table = self.episodes
        figure = next((figure for figure in table.declared if figure.score), None)
        finite = np.array([]) if figure is None else table.figures[figure.name]
        finite = finite[np.isfinite(finite)]
        return None if figure is None or not finite.size else Score(figure, *mean_interval(finite, CONFIDENCE))

    def quartiles(self, figure: Figure) -> Quartiles | None:
        """Median and quartiles of a declared figure over the episodes; None where no episode reported it."""
        return quartiles_of(self.episodes.figures[figure.name])

    def share(self, figure: Figure) -> Rate | None:
        """In how many episodes an event happened; None where the figure is none, or no episode reported it."""
        values = self.episodes.figures[figure.name]
        known = np.isfinite(values)
        return _rate(values > 0, known) if figure.event and known.any() else None

    def to_json(self) -> dict[str, Any]:
        """Plain data; a declared figure that no episode reported is None."""
        table = self.episodes
        _, low, high = self.mean_return
        return {
            "label": self.label,
            "absent": list(self.absent),
            "success_at_end": self.success_at_end.to_json(),
            "success_once": self.success_once.to_json(),
            "mean_return": _finite(np.mean, self.returns),
            "mean_return_bootstrap_95": [low, high],
            "positive_return": self.positive_return.to_json(),
            "different_episodes": len(self.returns) if self.repeats else None,
            "mean_length": _finite(np.mean, table.length),
            **self._figures(),
            "physics_errors": int(table.physics_error.sum()),
            "cut_episodes": int(table.cut.sum()),
            "not_finite_episodes": int(table.not_finite.sum()),
            "versus_all": None if self.versus_all is None else self.versus_all.to_json(),
        }

    def _figures(self) -> dict[str, Any]:
        """Of each declared figure median, quartiles, lowest and highest; the mean of the score, shares of events."""
        document: dict[str, Any] = {}
        for figure in self.episodes.declared:
            values, quartiles = self.episodes.figures[figure.name], self.quartiles(figure)
            document |= {
                f"median_{figure.name}": quartiles and quartiles.median,
                f"quartiles_{figure.name}": quartiles and [quartiles.low, quartiles.high],
                f"lowest_{figure.name}": _finite(np.min, values),
                f"highest_{figure.name}": _finite(np.max, values),
            }
            if (share := self.share(figure)) is not None:
                document[f"share_{figure.name}"] = share.to_json()
        if (score := self.score) is not None:
            name = score.figure.name
            document |= {f"mean_{name}": score.mean, f"mean_{name}_bootstrap_95": [score.low, score.high]}
        return document


@dataclass(frozen=True, eq=False)
class Report:
    """The success of a policy with all senses and without each one."""

    rows: tuple[Row, ...]  # all senses first, then one row per unplugged sense
    num_worlds: int
    seed: int  # of every row, so that rows are paired

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps(..., allow_nan=False)`."""
        return {
            "seed": self.seed,
            "num_worlds": self.num_worlds,
            "episodes": len(self.rows[0].episodes),
            "figures": [figure.to_json() for figure in self.rows[0].episodes.declared],
            "rows": [row.to_json() for row in self.rows],
        }


def evaluate(  # noqa: PLR0913 - those of `run_episodes`, which explains them
    envs: Envs,
    make_policy: Callable[[], Policy],
    episodes: int,
    seed: int,
    without: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    progress: Callable[[str, int], None] | None = None,
    longest: int = LONGEST_EPISODE,
) -> Report:
    """Judge with all senses, then once more without each sense named in `without`.

    Every row resets `envs` to the same `seed` and reset `options` and plays with a policy of its own, so that rows are
    paired: one that draws its actions begins each row with the same draws.
    `progress(label, episodes finished)` is called after every step, and episodes are cut after `longest` steps, as
    `run_episodes` does. Raises ValueError when `episodes` is not a multiple of the number of worlds (see
    `divisor_worlds`) or a sense is unknown.
    """
    if episodes < 1 or episodes % envs.num_envs:
        raise ValueError(f"episodes must be a multiple of the {envs.num_envs} worlds: {episodes}")
    require_known(without, flatten_observation(envs.single_observation_space))
    conditions = {ALL_SENSES: (), **{f"without {name}": (name,) for name in without}}
    rows: list[Row] = []
    for label, absent in conditions.items():
        progress_of_row = None if progress is None else partial(progress, label)
        each = episodes // envs.num_envs
        table = run_episodes(envs, make_policy(), each, seed, absent, options, progress_of_row, longest)
        versus_all = compare(rows[0].episodes, table) if rows else None
        rows.append(Row(label, absent, table, versus_all))
    return Report(tuple(rows), envs.num_envs, seed)


def divisor_worlds(episodes: int, most: int) -> int:
    """The largest divisor of `episodes` that is at most `most`: 500 and 64 give 50."""
    if episodes < 1 or most < 1:
        raise ValueError(f"episodes and worlds must be at least 1: {episodes} and {most}")
    return next(n for n in range(min(most, episodes), 0, -1) if episodes % n == 0)


def _rate(successes: BoolArray, judged: BoolArray) -> Rate:
    return Rate(int(successes[judged].sum()), int(judged.sum()))


def _finite(statistic: Callable[[FloatArray], Any], values: NDArray[Any]) -> float | None:
    """Statistic of the finite values, None when there are none."""
    finite = np.asarray(values, np.float64)[np.isfinite(values)]
    return float(statistic(finite)) if finite.size else None
