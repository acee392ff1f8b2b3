"""The worth of each sense to a policy: it is judged with some senses missing or broken, on the same episodes.

Every condition resets the worlds to the same seed and gives the policy the same random numbers, so that episode e of
world w can be compared with itself. M is the number of episodes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import Envs
from mmrl.evaluation.episodes import LONGEST_EPISODE, Episodes, Policy, episodes_from, run_episodes
from mmrl.evaluation.figures import figures_of
from mmrl.faults.wrappers import BrokenVectorSenses
from mmrl.modality.foreign import flatten_observation
from mmrl.worth.conditions import BrokenWays, Condition, SpreadMeter, broken, unplugged
from mmrl.worth.worth import SenseRow, Worth, row_of, worth_of

ArraysByName = Mapping[str, NDArray[Any]]


class Store(Protocol):
    """Where finished conditions are kept, so that an interrupted evaluation can go on."""

    def get(self, key: str) -> ArraysByName | None:
        """The arrays put there, None without any."""

    def put(self, key: str, arrays: ArraysByName) -> None:
        """Keep arrays by name."""


class KeptInMemory:
    """A store that lasts as long as it is held."""

    def __init__(self) -> None:
        self._kept: dict[str, ArraysByName] = {}

    def get(self, key: str) -> ArraysByName | None:
        return self._kept.get(key)

    def put(self, key: str, arrays: ArraysByName) -> None:
        self._kept[key] = dict(arrays)


@dataclass(frozen=True, eq=False)
class Trials:
    """The episodes that every condition is judged on."""

    envs: Envs
    """Worlds with SAME_STEP autoreset."""
    make_policy: Callable[[], Policy]
    """The policy as it is before its first step; called for each condition, so that drawn actions are the same."""
    episodes: int
    """M, a multiple of the number of worlds."""
    seed: int
    """Of every condition."""
    options: Mapping[str, Any] | None = None
    """Of the reset."""
    longest: int = LONGEST_EPISODE
    """Steps after which an episode is cut."""

    def run(
        self, condition: Condition, policy: Policy | None = None, progress: Callable[[int], None] | None = None
    ) -> Episodes:
        """Play the episodes under a condition."""
        envs = BrokenVectorSenses(self.envs, condition.faults) if condition.faults else self.envs
        each = self.episodes // envs.num_envs
        policy = policy or self.make_policy()
        return run_episodes(envs, policy, each, self.seed, condition.absent, self.options, progress, self.longest)


@dataclass(frozen=True, eq=False)
class SensesReport:
    """The table of what each sense is worth."""

    rows: tuple[SenseRow, ...]
    """All senses first."""
    worth: Worth
    spreads: Mapping[str, NDArray[np.float64]]
    """Standard deviation of the readings of each sense, feature by feature, that levels of noise refer to."""
    num_worlds: int
    seed: int

    @property
    def judged(self) -> bool:
        """Whether the environment reported success."""
        return bool(self.rows[0].row.success_at_end.trials)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps(..., allow_nan=False)`."""
        return {
            "seed": self.seed,
            "num_worlds": self.num_worlds,
            "episodes": len(self.rows[0].row.episodes),
            "figures": [figure.to_json() for figure in self.rows[0].row.episodes.declared],
            "rows": [row.to_json() for row in self.rows],
            "worth": self.worth.to_json(),
            "spreads": {name: spread.tolist() for name, spread in self.spreads.items()},
        }


def judge_senses(
    trials: Trials,
    senses: Sequence[str],
    ways: BrokenWays | None = None,
    store: Store | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> SensesReport:
    """Judge a policy with every subset of its senses, and with each sense broken in each way.

    Conditions found in `store` are taken from there. `progress(label, episodes finished, episodes in all)` is called as
    episodes end. ValueError when the episodes do not spread evenly over the worlds or a sense is unknown.
    """
    envs, store, ways = trials.envs, store or KeptInMemory(), ways or BrokenWays()
    if trials.episodes < 1 or trials.episodes % envs.num_envs:
        raise ValueError(f"episodes must be a multiple of the {envs.num_envs} worlds: {trials.episodes}")
    space: Mapping[str, Any] = flatten_observation(envs.single_observation_space)
    boxes = {name: space[name] for name in senses if isinstance(space[name], spaces.Box)}
    conditions = unplugged(senses)
    spreads = {name: np.zeros(box.shape[-1:] or 1) for name, box in boxes.items() if box.dtype != np.uint8}
    count = len(conditions) + len(broken(boxes, spreads, ways, envs.num_envs))
    bench = _Bench(trials, store, progress, count)
    reference, spreads = bench.run_measured(conditions[0], list(spreads))
    conditions += broken(boxes, spreads, ways, envs.num_envs)
    played = [(conditions[0], reference), *((condition, bench.run(condition)) for condition in conditions[1:])]
    rows = tuple(row_of(condition, table, None if table is reference else reference) for condition, table in played)
    return SensesReport(rows, worth_of(senses, rows), spreads, envs.num_envs, trials.seed)


class _Bench:
    """Plays conditions one after another, each once, and keeps what is finished."""

    def __init__(
        self, trials: Trials, store: Store, progress: Callable[[str, int, int], None] | None, conditions: int
    ) -> None:
        self._trials, self._store, self._progress = trials, store, progress
        self._total, self._done = conditions * trials.episodes, 0

    def run_measured(self, condition: Condition, senses: list[str]) -> tuple[Episodes, dict[str, NDArray[np.float64]]]:
        """The episodes of a condition, and how far the readings of some senses spread in them."""
        kept = self._store.get("spreads")
        if kept is not None:
            return self.run(condition), dict(kept)
        meter = SpreadMeter(self._trials.make_policy(), senses)
        table = self.run(condition, meter)
        spreads = meter.spreads()
        self._store.put("spreads", spreads)
        return table, spreads

    def run(self, condition: Condition, policy: Policy | None = None) -> Episodes:
        """The episodes of a condition, played now unless they are known or it is to be watched by a policy."""
        kept = self._store.get(condition.key) if policy is None else None
        progress = None if self._progress is None else partial(self._advance, condition.label)
        table = None if kept is None else episodes_from(kept, figures_of(self._trials.envs))
        if table is None:
            table = self._trials.run(condition, policy, progress)
            self._store.put(condition.key, table.arrays())
        self._done += self._trials.episodes
        self._advance(condition.label, 0)
        return table

    def _advance(self, label: str, done: int) -> None:
        if self._progress is not None:
            self._progress(label, self._done + done, self._total)
