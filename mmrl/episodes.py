"""Running a policy for a fixed number of episodes in each world, and what each episode came to.

Knows the Gymnasium vector API and the `Policy` protocol; no torch, no environment, no learner.
Letters: N worlds, E episodes per world, M = N * E episodes.

Counting the episodes that finish first over-represents the short ones, so that a success rate changes
with the number of parallel worlds (NVIDIA Isaac-GR00T, issue 260). Here every world gives exactly E
episodes, and a world that has given them is stepped on but no longer counted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, TypeAlias

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from mmrl.foreign import flatten_observation

BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]
Observation: TypeAlias = dict[str, NDArray[Any]]
Envs: TypeAlias = VectorEnv[Any, Any, Any]

# What environments call success: Stable-Baselines3, LeRobot, Fetch; ManiSkill, Meta-World.
SUCCESS_KEYS = ("success", "is_success")


class Policy(Protocol):
    """What can be judged: numpy in, numpy out, for all N worlds at once."""

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
