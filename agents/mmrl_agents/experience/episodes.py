"""Finished episodes of training and their statistics."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np

from mmrl.evaluation.figures import Figure
from mmrl.settings.documents import build


@dataclass(frozen=True)
class Episode:
    """One finished episode; what an environment does not report is None."""

    total_reward: float
    length: int
    success: bool | None
    success_once: bool | None
    physics_error: bool
    figures: Mapping[str, float] = field(default_factory=dict)
    """The declared figures that the episode reported, by name."""
    reward_terms: Mapping[str, float] = field(default_factory=dict)
    """The share of each term of the task's reward in the return."""


LOST = "worker_lost"
"""The key in the last info of an episode that ended because the process of its world did."""


@dataclass(frozen=True)
class Ended:
    """An episode that ended in one of the worlds, as a curriculum hears of it."""

    world: int
    """Which."""
    context: Mapping[str, Any]
    """The context that the environment reports for it, name -> value; empty without a report."""
    episode: Episode | None
    """Its result; None for an episode that was not played from its beginning to its end."""
    row: int = 0
    """Step of the rollout that ended it."""
    score: float | None = None
    """Learning potential, where the learner knows it."""


class EpisodeCounter(Protocol):
    """A place where finished episodes are counted."""

    def add(self, episode: Episode, row: int = 0) -> None:
        """Count one episode, which ended with that step of the rollout."""


class NewEpisodes:
    """Episodes that wait to be counted, as those of one rank do until all have theirs."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Episode]] = []

    def add(self, episode: Episode, row: int = 0) -> None:
        """Let one more wait, which ended with that step of the rollout."""
        self._waiting.append((row, episode))

    def drain(self) -> list[tuple[int, Episode]]:
        """Those that wait, each behind its step, in the order of their ends; none waits afterwards."""
        taken, self._waiting = self._waiting, []
        return taken


RETURN_WINDOW = 20
"""Episodes over which a return is judged while training runs."""
LONG_RETURN_WINDOW = 100
"""Episodes over which published results often average it."""


class EpisodeStatistics:
    """The last `window` finished episodes of the training policy."""

    def __init__(self, window: int = 200) -> None:
        self.recent: deque[Episode] = deque(maxlen=window)
        self.count = 0
        self.physics_errors = 0

    def add(self, episode: Episode, row: int = 0) -> None:
        """Count one episode."""
        self.recent.append(episode)
        self.count += 1
        self.physics_errors += episode.physics_error

    def mean_of_newest(self, count: int = RETURN_WINDOW) -> float | None:
        """Mean return of the last `count` episodes; None while there are fewer."""
        last = list(self.recent)[-count:]
        return float(np.mean([episode.total_reward for episode in last])) if len(last) == count else None

    def metrics(self) -> dict[str, float]:
        """Means over the window, and of returns over the newest; a figure that no episode reported is left out."""
        figures: dict[str, Sequence[float | bool | None]] = {
            "mean_return": [episode.total_reward for episode in self.recent],
            "mean_length": [episode.length for episode in self.recent],
            "success_rate": [episode.success for episode in self.recent],
            "success_once_rate": [episode.success_once for episode in self.recent],
        }
        figures |= _by_name([episode.figures for episode in self.recent])
        terms = _by_name([episode.reward_terms for episode in self.recent])
        figures |= {f"reward/{name}": values for name, values in terms.items()}
        known = {name: [x for x in row if x is not None] for name, row in figures.items()}
        means = {name: float(np.mean(row)) for name, row in known.items() if row}
        newest = {f"mean_return_{count}": self.mean_of_newest(count) for count in (RETURN_WINDOW, LONG_RETURN_WINDOW)}
        return (
            means
            | {name: mean for name, mean in newest.items() if mean is not None}
            | {
                "episodes": float(self.count),
                "physics_errors": float(self.physics_errors),
            }
        )


def _by_name(episodes: Sequence[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """The values of each name in all episodes, None where an episode has none."""
    names = dict.fromkeys(name for values in episodes for name in values)
    return {name: [values.get(name) for values in episodes] for name in names}


def episode_from(
    final_info: Mapping[str, Any], world: int, total_reward: float, length: int, declared: Sequence[Figure] = ()
) -> Episode:
    """The episode that just ended in `world`, from Gymnasium's vector `info["final_info"]`.

    It has those of the declared figures that the info holds.
    """
    terms = final_info.get("reward_terms", {})
    return Episode(
        total_reward,
        length,
        _flag(final_info, ("is_success", "success"), world),
        _flag(final_info, ("success_once",), world),
        bool(_number(final_info, "physics_error", world)),
        _finite_numbers(final_info, [figure.name for figure in declared], world),
        _finite_numbers(terms, [name for name in terms if not name.startswith("_")], world),
    )


def episode_on_record(document: Mapping[str, Any]) -> Episode:
    """An episode from a checkpoint; older ones have a figure as a field of its own, None where it was unknown."""
    own = {each.name for each in fields(Episode)}
    beside = {name: value for name, value in document.items() if name not in own and value is not None}
    present = {name: value for name, value in document.items() if name in own}
    return build(Episode, {"figures": beside, **present})


def was_lost(final_info: Mapping[str, Any], world: int) -> bool:
    """Whether the episode ended because its process did, which says nothing of the policy."""
    return bool(_number(final_info, LOST, world))


def context_from(info: Mapping[str, Any], world: int) -> dict[str, Any]:
    """The context of one world from a vector info, as plain values."""
    contexts: Mapping[str, Any] = info.get("context", {})
    return {name: _plain(values[world]) for name, values in contexts.items() if not name.startswith("_")}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _number(final_info: Mapping[str, Any], key: str, world: int) -> float | None:
    if key not in final_info:
        return None
    mask = final_info.get(f"_{key}")
    return float(final_info[key][world]) if mask is None or mask[world] else None


def _finite_numbers(final_info: Mapping[str, Any], names: Iterable[str], world: int) -> dict[str, float]:
    """Those of the entries that are finite numbers."""
    found = {name: _number(final_info, name, world) for name in names}
    return {name: value for name, value in found.items() if value is not None and np.isfinite(value)}


def _flag(final_info: Mapping[str, Any], keys: Sequence[str], world: int) -> bool | None:
    found = [_number(final_info, key, world) for key in keys]
    known = [value for value in found if value is not None]
    return bool(known[0]) if known else None
