"""Running a policy for a fixed number of episodes in each world, and what each episode came to.

Knows the Gymnasium vector API and the `Policy` protocol; no torch, no environment, no learner.
Letters: N worlds, E episodes per world, M = N * E episodes.

Counting the episodes that finish first over-represents the short ones, so that a success rate changes
with the number of parallel worlds (NVIDIA Isaac-GR00T, issue 260). Here every world gives exactly E
episodes, and a world that has given them is stepped on but no longer counted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, Envs, FloatArray, IntArray, Observation
from mmrl.evaluation.figures import Figure, figures_of
from mmrl.modality.foreign import flatten_observation
from mmrl.modality.readings import finite_rows

# What environments call success: Stable-Baselines3, LeRobot, Fetch; ManiSkill, Meta-World.
SUCCESS_KEYS = ("success", "is_success")

FIGURE = "figure"

LONGEST_EPISODE = 30_000
"""Steps after which an episode that goes on is cut; more than the 27,000 of the longest games of Atari."""


class Policy(Protocol):
    """A policy to judge: numpy in, numpy out, for all N worlds at once."""

    def act(self, observation: Observation, present: Mapping[str, BoolArray] | None = None) -> NDArray[Any]:
        """Actions (N, ...) for name -> (N, ...); world i lacks a sense where `present[name][i]` is
        False, and has every sense that `present` does not name."""

    def reset(self, worlds: IntArray) -> None:
        """Forget whatever is carried between steps in `worlds`, which start a new episode."""


@dataclass(frozen=True, eq=False)
class Episodes:
    """One entry (M,) per episode, world by world: episode e of world w stands at w * E + e."""

    world: IntArray
    index_in_world: IntArray
    judged: BoolArray  # whether the environment reported success; if not, both below mean nothing
    success_at_end: BoolArray  # in the last step; never true when the physics or a number broke
    success_once: BoolArray  # in any step; never true when the physics or a number broke
    episode_return: FloatArray  # sum of rewards, undiscounted
    length: IntArray  # control steps
    physics_error: BoolArray  # the simulation diverged and ended the episode
    cut: BoolArray  # it was still going on after the most steps
    not_finite: BoolArray  # a reading or a reward was no finite number; counted are the rewards before that
    declared: tuple[Figure, ...]  # what the environment says of an episode besides
    figures: Mapping[str, FloatArray]  # each of them by its name, nan where an episode has none

    def __len__(self) -> int:
        return len(self.world)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All columns by name, those of the figures under FIGURE/name."""
        columns = {name: vars(self)[name] for name in _columns()}
        return columns | {f"{FIGURE}/{name}": values for name, values in self.figures.items()}


def episodes_from(arrays: Mapping[str, NDArray[Any]], declared: tuple[Figure, ...]) -> Episodes | None:
    """Undo `Episodes.arrays`; None where the columns are others, such as those of another version of mmrl."""
    keys = {figure.name: f"{FIGURE}/{figure.name}" for figure in declared}
    if set(arrays) != {*_columns(), *keys.values()}:
        return None
    columns = {name: arrays[name] for name in _columns()}
    return Episodes(**columns, declared=declared, figures={name: arrays[key] for name, key in keys.items()})


def joined_episodes(tables: Sequence[Episodes]) -> Episodes:
    """The episodes of worlds of which each table has some, one table after the other."""
    parts = [table.arrays() for table in tables]
    joined = episodes_from(
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, tables[0].declared
    )
    assert joined is not None  # the columns are those of this version
    return joined


def _columns() -> list[str]:
    """The columns that all episodes have."""
    return [field.name for field in fields(Episodes) if field.name not in ("declared", "figures")]


def run_episodes(  # noqa: PLR0913 - two of them are conveniences with defaults
    envs: Envs,
    policy: Policy,
    episodes_per_world: int,
    seed: int,
    absent: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
    longest: int = LONGEST_EPISODE,
) -> Episodes:
    """Exactly `episodes_per_world` episodes of each world, from `envs.reset(seed=seed)` on.

    World w's episode e starts in the same state in every run of the same seed, provided that the
    environment draws initial states from (seed, w) alone. The senses in `absent` are marked so in
    `present` and their readings are zeros, so nothing leaks to a policy that ignores `present`.
    `options` go to the first reset only: what they set has to outlast the worlds' own restarts.
    `progress(episodes finished)` is called after every step; what it raises ends the run. An episode that has taken
    `longest` steps is cut there. From a reading or a reward on that is no finite number, an episode is lost: it counts
    as a failure. In place of the readings of such an instant the policy sees zeros.

    Raises ValueError when the worlds do not reset themselves within the step (SAME_STEP), a sense is unknown or the
    policy gives actions that are not finite.
    """
    mode = envs.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.SAME_STEP:
        raise ValueError(f"envs must have autoreset mode {AutoresetMode.SAME_STEP}: {mode}")
    for name, number in (("episodes_per_world", episodes_per_world), ("longest", longest)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1: {number}")
    tally = _Tally(envs.num_envs, episodes_per_world, longest, figures_of(envs))
    raw, _ = envs.reset(seed=seed, options=None if options is None else dict(options))
    policy.reset(np.arange(envs.num_envs))
    while not tally.full:
        readings, lost = _finite_readings(flatten_observation(raw))
        tally.lose(lost)
        observation, present = blank(readings, absent)
        raw, reward, terminated, truncated, info = envs.step(_finite_actions(policy.act(observation, present)))
        done = terminated | truncated
        cut = tally.add(reward, done, info)
        if cut.any():
            raw, _ = envs.reset(options={"reset_mask": cut})
        if (over := done | cut).any():
            policy.reset(np.flatnonzero(over))
        if progress is not None:
            progress(int(tally.counted.sum()))
    return tally.episodes()


def _finite_readings(readings: Observation) -> tuple[Observation, BoolArray]:
    """Readings with zeros for worlds in which one is no finite number, and which worlds those are (N,)."""
    finite = [finite_rows(rows) for rows in readings.values() if np.issubdtype(rows.dtype, np.floating)]
    sound = np.logical_and.reduce([np.ones(len(next(iter(readings.values()))), np.bool_), *finite])
    if sound.all():
        return readings, ~sound
    return {name: np.where(_aligned(sound, rows), rows, np.zeros_like(rows)) for name, rows in readings.items()}, ~sound


def _aligned(mask: BoolArray, rows: NDArray[Any]) -> BoolArray:
    """A mask (N,) as (N, 1, ...), with as many axes as rows."""
    return mask.reshape(-1, *(1 for _ in rows.shape[1:]))


def _finite_actions(actions: NDArray[Any]) -> NDArray[Any]:
    if np.issubdtype(actions.dtype, np.floating) and not np.isfinite(actions).all():
        raise ValueError("the policy gives actions that are not finite, its weights are lost")
    return actions


def blank(observation: Observation, absent: Sequence[str]) -> tuple[Observation, dict[str, BoolArray] | None]:
    """Unplug senses in all worlds: zeros in a copy of the dict, and the mask to hand to the policy.

    The mask is None when nothing is absent. Raises ValueError for a sense that does not exist.
    """
    require_known(absent, observation)
    if not absent:
        return observation, None
    blanked = {k: np.zeros_like(v) if k in absent else v for k, v in observation.items()}
    return blanked, {k: np.full(len(v), k not in absent) for k, v in observation.items()}


def require_known(names: Iterable[str], senses: Iterable[str]) -> None:
    """Raise ValueError for a name that is not among the senses, listing those there are."""
    known = list(senses)
    for name in names:
        if name not in known:
            raise ValueError(f"no sense {name!r}; there are: {', '.join(known) or 'none'}")


def _reported(info: Mapping[str, Any], done: BoolArray, *keys: str) -> FloatArray:
    """(N,) what `info` says of the step just taken, nan where it says nothing; the last key wins.

    For a world that is done the step stands in `final_info`; `info` is of its next episode.
    """
    values = np.full(len(done), np.nan)
    sources = ((info, ~done), (info.get("final_info", {}), done))
    for key, (source, worlds) in product(keys, sources):
        if key in source:
            given = worlds & np.asarray(source.get(f"_{key}", True))
            values[given] = np.asarray(source[key])[given]
    return values


class _Tally:
    """Running figures (N,) of the episodes under way, and the table (N, E) of those that ended."""

    def __init__(self, num_worlds: int, episodes_per_world: int, longest: int, declared: tuple[Figure, ...]) -> None:
        self._shape, self._longest, self._declared = (num_worlds, episodes_per_world), longest, declared
        self.counted = np.zeros(num_worlds, np.int64)
        self._return = np.zeros(num_worlds)
        self._length = np.zeros(num_worlds, np.int64)
        self._once = np.zeros(num_worlds, np.bool_)
        self._lost = np.zeros(num_worlds, np.bool_)
        self._table: dict[str, NDArray[Any]] = {}
        self._figures: dict[str, NDArray[Any]] = {}

    @property
    def full(self) -> bool:
        return bool((self.counted == self._shape[1]).all())

    def lose(self, worlds: BoolArray) -> None:
        """The present episodes of some worlds (N,) met a number that is not finite."""
        self._lost |= worlds

    def add(self, reward: NDArray[Any], done: BoolArray, info: Mapping[str, Any]) -> BoolArray:
        """One step of all worlds; worlds that have all their episodes are ignored. Returns the episodes to cut (N,)."""
        self.lose(~np.isfinite(self._return + reward))
        self._return += np.where(self._lost, 0.0, reward)
        self._length += 1
        cut = ~done & (self._length >= self._longest)
        success = _reported(info, done, *SUCCESS_KEYS)
        self._once |= success > 0
        physics_error = _reported(info, done, "physics_error") > 0
        sound = ~physics_error & ~self._lost
        ended = np.flatnonzero((done | cut) & (self.counted < self._shape[1]))
        self._write(
            ended,
            self._table,
            judged=~np.isnan(success),
            success_at_end=(success > 0) & sound,
            success_once=self._once & sound,
            episode_return=self._return,
            length=self._length,
            physics_error=physics_error,
            cut=cut,
            not_finite=self._lost,
        )
        figures = {figure.name: _reported(info, done, figure.name) for figure in self._declared}
        self._write(ended, self._figures, **figures)
        self.counted[ended] += 1
        for running in (self._return, self._length, self._once, self._lost):
            running[done | cut] = 0
        return cut

    def _write(self, worlds: IntArray, tables: dict[str, NDArray[Any]], **columns: NDArray[Any]) -> None:
        for name, column in columns.items():
            table = tables.setdefault(name, np.zeros(self._shape, column.dtype))
            table[worlds, self.counted[worlds]] = column[worlds]

    def episodes(self) -> Episodes:
        world, index = np.indices(self._shape)
        columns = {name: table.ravel() for name, table in self._table.items()}
        figures = {name: table.ravel() for name, table in self._figures.items()}
        return Episodes(
            world=world.ravel(), index_in_world=index.ravel(), declared=self._declared, figures=figures, **columns
        )
