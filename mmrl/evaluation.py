"""Judging a policy: fixed episodes, honest intervals, the same episodes without each sense.

Knows the Gymnasium vector API and the `Policy` protocol; no torch, no environment, no learner.
Letters: N worlds, E episodes per world, M = N * E episodes.

Two traps are avoided by construction. Counting the episodes that finish first over-represents the
short ones, so that a success rate changes with the number of parallel worlds (NVIDIA Isaac-GR00T,
issue 260); here every world gives exactly E episodes, and a world that has given them is stepped on
but no longer counted. And a rate over zero trials is undefined, not 0 %.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, Protocol, TypeAlias

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from scipy.stats import binomtest

from mmrl.modality import flatten_observation

BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]
Observation: TypeAlias = dict[str, NDArray[Any]]
Envs: TypeAlias = VectorEnv[Any, Any, Any]

CONFIDENCE = 0.95
ALL_SENSES = "all senses"
# What environments call success: Stable-Baselines3, LeRobot, Fetch; ManiSkill, Meta-World.
SUCCESS_KEYS = ("success", "is_success")


class Policy(Protocol):
    """What can be judged: numpy in, numpy out, for all N worlds at once."""

    def act(
        self, observation: Observation, present: Mapping[str, BoolArray] | None = None
    ) -> NDArray[Any]:
        """Actions (N, ...) for name -> (N, ...); world i lacks a sense where `present[name][i]` is
        False, and has every sense that `present` does not name."""

    def reset(self, worlds: IntArray) -> None:
        """Forget whatever is carried between steps in `worlds`, which start a new episode."""


@dataclass(frozen=True, eq=False)
class Episodes:
    """One entry (M,) per episode, world by world: episode e of world w stands at w * E + e."""

    world: IntArray
    index_in_world: IntArray
    judged: BoolArray  # whether the environment told success; if not, both below mean nothing
    success_at_end: BoolArray  # in the last step; never true when the physics broke
    success_once: BoolArray  # in any step; never true when the physics broke
    episode_return: FloatArray  # sum of rewards, undiscounted
    length: IntArray  # control steps
    peak_force_n: FloatArray  # largest contact force, nan where the environment reports none
    mean_force_n: FloatArray  # mean contact force, nan where the environment reports none
    physics_error: BoolArray  # the simulation diverged and ended the episode

    def __len__(self) -> int:
        return len(self.world)


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

    def to_json(self) -> dict[str, Any]:
        """Plain data; `difference` and `mcnemar_p` are None without pairs."""
        counts = {"lost": self.lost, "gained": self.gained, "pairs": self.pairs}
        return counts | {"difference": self.difference, "mcnemar_p": self.p_value}


def compare(reference: Episodes, other: Episodes) -> Paired:
    """Pair two runs of the same seed, worlds and episodes; ValueError when those differ.

    Where an environment's later episodes depend on more than (seed, world), the pairs are looser:
    the test then loses power, but stays valid.
    """
    same_worlds = np.array_equal(reference.world, other.world)
    if not (same_worlds and np.array_equal(reference.index_in_world, other.index_in_world)):
        raise ValueError(
            f"cannot pair runs of different worlds or episodes: {len(reference)} and {len(other)}"
        )
    both = reference.judged & other.judged
    before, after = reference.success_at_end[both], other.success_at_end[both]
    lost, gained = int(np.sum(before & ~after)), int(np.sum(~before & after))
    return Paired(lost=lost, gained=gained, pairs=int(both.sum()))


@dataclass(frozen=True, eq=False)
class Row:
    """The episodes of one condition and the figures drawn from them."""

    label: str
    absent: tuple[str, ...]  # senses that were unplugged
    episodes: Episodes
    versus_all: Paired | None = None  # None for the row that has all senses

    @property
    def success_at_end(self) -> Rate:
        """Success in the last step of the episode."""
        return _rate(self.episodes.success_at_end, self.episodes.judged)

    @property
    def success_once(self) -> Rate:
        """Success in any step of the episode."""
        return _rate(self.episodes.success_once, self.episodes.judged)

    def to_json(self) -> dict[str, Any]:
        """Plain data; figures the environment does not report are None."""
        table = self.episodes
        return {
            "label": self.label,
            "absent": list(self.absent),
            "success_at_end": self.success_at_end.to_json(),
            "success_once": self.success_once.to_json(),
            "mean_return": _finite(np.mean, table.episode_return),
            "mean_length": _finite(np.mean, table.length),
            "median_peak_force_n": _finite(np.median, table.peak_force_n),
            "highest_peak_force_n": _finite(np.max, table.peak_force_n),
            "median_mean_force_n": _finite(np.median, table.mean_force_n),
            "physics_errors": int(table.physics_error.sum()),
            "versus_all": None if self.versus_all is None else self.versus_all.to_json(),
        }


@dataclass(frozen=True, eq=False)
class Report:
    """What a policy can do, and what it can do without each sense."""

    rows: tuple[Row, ...]  # all senses first, then one row per unplugged sense
    num_worlds: int
    seed: int  # of every row, so that rows are paired

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps(..., allow_nan=False)`."""
        return {
            "seed": self.seed,
            "num_worlds": self.num_worlds,
            "episodes": len(self.rows[0].episodes),
            "rows": [row.to_json() for row in self.rows],
        }


def evaluate(
    envs: Envs,
    policy: Policy,
    episodes: int,
    seed: int,
    without: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Report:
    """Judge with all senses, then once more without each sense named in `without`.

    Every row resets `envs` to the same `seed` and reset `options`, so that rows are paired.
    `progress(label, episodes finished)` is called as episodes end. Raises ValueError when
    `episodes` is not a multiple of the number of worlds (see `divisor_worlds`) or a sense is
    unknown.
    """
    if episodes < 1 or episodes % envs.num_envs:
        raise ValueError(f"episodes must be a multiple of the {envs.num_envs} worlds: {episodes}")
    _check_known(without, flatten_observation(envs.single_observation_space))
    conditions = {ALL_SENSES: (), **{f"without {name}": (name,) for name in without}}
    rows: list[Row] = []
    for label, absent in conditions.items():
        told = None if progress is None else partial(progress, label)
        each = episodes // envs.num_envs
        table = run_episodes(envs, policy, each, seed, absent, options, told)
        versus_all = compare(rows[0].episodes, table) if rows else None
        rows.append(Row(label, absent, table, versus_all))
    return Report(tuple(rows), envs.num_envs, seed)


def run_episodes(
    envs: Envs,
    policy: Policy,
    episodes_per_world: int,
    seed: int,
    absent: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Episodes:
    """Exactly `episodes_per_world` episodes of each world, from `envs.reset(seed=seed)` on.

    World w's episode e starts in the same state in every run of the same seed, provided that the
    environment draws initial states from (seed, w) alone. The senses in `absent` are marked so in
    `present` and their readings are zeros, so nothing leaks to a policy that ignores `present`.
    `options` go to the first reset only: what they set has to outlast the worlds' own restarts.
    `progress(episodes finished)` is called as episodes end. Raises ValueError when the worlds do
    not reset themselves within the step (SAME_STEP) or a sense is unknown.
    """
    mode = envs.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.SAME_STEP:
        raise ValueError(f"envs must have autoreset mode {AutoresetMode.SAME_STEP}: {mode}")
    if episodes_per_world < 1:
        raise ValueError(f"episodes_per_world must be at least 1: {episodes_per_world}")
    tally = _Tally(envs.num_envs, episodes_per_world)
    raw, _ = envs.reset(seed=seed, options=None if options is None else dict(options))
    policy.reset(np.arange(envs.num_envs))
    while not tally.full:
        observation, present = blank(flatten_observation(raw), absent)
        raw, reward, terminated, truncated, info = envs.step(policy.act(observation, present))
        done = terminated | truncated
        tally.add(reward, done, info)
        if done.any():
            policy.reset(np.flatnonzero(done))
            if progress is not None:
                progress(int(tally.counted.sum()))
    return tally.episodes()


def divisor_worlds(episodes: int, most: int) -> int:
    """The largest divisor of `episodes` that is at most `most`: 500 and 64 give 50."""
    if episodes < 1 or most < 1:
        raise ValueError(f"episodes and worlds must be at least 1: {episodes} and {most}")
    return next(n for n in range(min(most, episodes), 0, -1) if episodes % n == 0)


def blank(
    observation: Observation, absent: Sequence[str]
) -> tuple[Observation, dict[str, BoolArray] | None]:
    """Unplug senses in all worlds: zeros in a copy of the dict, and the mask to hand to the policy.

    The mask is None when nothing is absent. Raises ValueError for a sense that does not exist.
    """
    _check_known(absent, observation)
    if not absent:
        return observation, None
    blanked = {k: np.zeros_like(v) if k in absent else v for k, v in observation.items()}
    return blanked, {k: np.full(len(v), k not in absent) for k, v in observation.items()}


def _check_known(names: Iterable[str], senses: Iterable[str]) -> None:
    known = list(senses)
    for name in names:
        if name not in known:
            raise ValueError(f"no sense {name!r}; there are: {', '.join(known) or 'none'}")


def _rate(successes: BoolArray, judged: BoolArray) -> Rate:
    return Rate(int(successes[judged].sum()), int(judged.sum()))


def _finite(statistic: Callable[[FloatArray], Any], values: NDArray[Any]) -> float | None:
    """Statistic of the finite values, None when there are none."""
    finite = np.asarray(values, np.float64)[np.isfinite(values)]
    return float(statistic(finite)) if finite.size else None


def _reported(info: Mapping[str, Any], done: BoolArray, *keys: str) -> FloatArray:
    """(N,) what `info` says of the step just taken, nan where it says nothing; the last key wins.

    For a world that is done the step stands in `final_info`; `info` is of its next episode.
    """
    values = np.full(len(done), np.nan)
    sources = ((info, ~done), (info.get("final_info", {}), done))
    for key, (source, worlds) in product(keys, sources):
        if key in source:
            told = worlds & np.asarray(source.get(f"_{key}", True))
            values[told] = np.asarray(source[key])[told]
    return values


class _Tally:
    """Running figures (N,) of the episodes under way, and the table (N, E) of those that ended."""

    def __init__(self, num_worlds: int, episodes_per_world: int) -> None:
        self._shape = (num_worlds, episodes_per_world)
        self.counted = np.zeros(num_worlds, np.int64)
        self._return = np.zeros(num_worlds)
        self._length = np.zeros(num_worlds, np.int64)
        self._once = np.zeros(num_worlds, np.bool_)
        self._table: dict[str, NDArray[Any]] = {}

    @property
    def full(self) -> bool:
        return bool((self.counted == self._shape[1]).all())

    def add(self, reward: NDArray[Any], done: BoolArray, info: Mapping[str, Any]) -> None:
        """One step of all worlds; worlds that have all their episodes are ignored."""
        self._return += reward
        self._length += 1
        success = _reported(info, done, *SUCCESS_KEYS)
        self._once |= success > 0
        sound = ~(_reported(info, done, "physics_error") > 0)
        self._write(
            np.flatnonzero(done & (self.counted < self._shape[1])),
            judged=~np.isnan(success),
            success_at_end=(success > 0) & sound,
            success_once=self._once & sound,
            episode_return=self._return,
            length=self._length,
            peak_force_n=_reported(info, done, "peak_force_n"),
            mean_force_n=_reported(info, done, "mean_force_n"),
            physics_error=~sound,
        )
        for running in (self._return, self._length, self._once):
            running[done] = 0

    def _write(self, worlds: IntArray, **columns: NDArray[Any]) -> None:
        for name, column in columns.items():
            table = self._table.setdefault(name, np.zeros(self._shape, column.dtype))
            table[worlds, self.counted[worlds]] = column[worlds]
        self.counted[worlds] += 1

    def episodes(self) -> Episodes:
        world, index = np.indices(self._shape)
        columns = {name: table.ravel() for name, table in self._table.items()}
        return Episodes(world=world.ravel(), index_in_world=index.ravel(), **columns)
