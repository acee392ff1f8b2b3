"""Episodes that are played for a report: how each ended, in which context, and by which actions.

M is the number of episodes, A the axes of an action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import VectorWrapper
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, Envs, FloatArray, IntArray, Observation
from mmrl.evaluation.episodes import Policy, run_episodes
from mmrl.evaluation.rates import divisor_worlds
from mmrl_agents.evaluation.evaluate import reset_options
from mmrl_agents.evaluation.repeated_games import draws_nothing
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.trained import TrainedPolicy

MOST_WORLDS = 50
"""Worlds side by side."""


@dataclass(frozen=True, eq=False)
class PlayedEpisodes:
    """Episodes of a policy with its best actions."""

    seeds: IntArray
    """(M,) each begins as a single world that is reset with this seed."""
    judged: BoolArray
    """(M,) whether the environment reported success."""
    success: BoolArray
    """(M,) success at the end."""
    returns: FloatArray
    """(M,) sums of rewards."""
    lengths: IntArray
    """(M,) control steps."""
    contexts: Mapping[str, Sequence[Any]]
    """The draws of the task, numbers or words, M each."""
    actions: Sequence[NDArray[Any]]
    """M arrays (length, *A)."""

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def knows_success(self) -> bool:
        """Whether success was reported in all of them."""
        return bool(self.judged.all())

    @property
    def in_order(self) -> IntArray:
        """Their numbers, from the worst to the best: by success, then by return."""
        return np.lexsort((self.returns, self.success & self.judged))


def play_episodes(
    trained: TrainedPolicy, episodes: int, seed: int, longest: int, progress: Callable[[int], None] | None = None
) -> PlayedEpisodes:
    """Play episodes in the worlds of the training, from the resets with `seed`, `seed + 1` and so on.

    Of games that repeat each other one each is left. `progress(episodes finished)` is called now and then. Raises
    ValueError as the worlds do.
    """
    num_worlds = divisor_worlds(episodes, MOST_WORLDS)
    rounds: list[_Round] = []
    with closing(trained.worlds.make(num_worlds)) as envs:
        options, repeats = reset_options(trained, {}, envs), draws_nothing(envs)
        for first in range(0, episodes, num_worlds):
            rounds.append(_play_round(envs, trained, seed + first, options, longest))
            if progress is not None:
                progress(first + num_worlds)
    played = _joined(seed, rounds)
    return _different(played) if repeats else played


@dataclass(frozen=True, eq=False)
class _Round:
    """An episode of each of N worlds."""

    columns: Mapping[str, NDArray[Any]]
    contexts: Mapping[str, Sequence[Any]]
    actions: Sequence[NDArray[Any]]


def _play_round(
    envs: Envs, trained: TrainedPolicy, seed: int, options: Mapping[str, Any] | None, longest: int
) -> _Round:
    worlds = _BegunContexts(envs)
    policy = _RememberedActions(TorchPolicy(trained.policy, envs.single_action_space))
    table = run_episodes(worlds, policy, 1, seed, (), options, None, longest)
    taken = np.stack(policy.taken)  # (T, N, *A)
    return _Round(
        {
            "judged": table.judged,
            "success": table.success_at_end,
            "returns": table.episode_return,
            "lengths": table.length,
        },
        worlds.begun,
        [taken[:length, world] for world, length in enumerate(table.length)],
    )


def _joined(seed: int, rounds: Sequence[_Round]) -> PlayedEpisodes:
    columns = {name: np.concatenate([part.columns[name] for part in rounds]) for name in rounds[0].columns}
    known = [name for name in rounds[0].contexts if all(name in part.contexts for part in rounds)]
    contexts = {name: [value for part in rounds for value in part.contexts[name]] for name in known}
    actions = [taken for part in rounds for taken in part.actions]
    return PlayedEpisodes(seed + np.arange(len(actions)), contexts=contexts, actions=actions, **columns)


def _different(played: PlayedEpisodes) -> PlayedEpisodes:
    """The first of those that have the same return and length."""
    rows = np.stack([played.returns, played.lengths])
    kept = np.sort(np.unique(rows, axis=1, return_index=True)[1])
    columns = {name: vars(played)[name][kept] for name in ("seeds", "judged", "success", "returns", "lengths")}
    contexts = {name: [values[index] for index in kept] for name, values in played.contexts.items()}
    return PlayedEpisodes(contexts=contexts, actions=[played.actions[index] for index in kept], **columns)


class _RememberedActions:
    """A policy as it is, whose actions are kept."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.taken: list[NDArray[Any]] = []

    def act(self, observation: Observation, present: Mapping[str, BoolArray] | None = None) -> NDArray[Any]:
        """As the policy."""
        self.taken.append(np.array(self._policy.act(observation, present)))
        return self.taken[-1]

    def reset(self, worlds: IntArray) -> None:
        """As the policy."""
        self._policy.reset(worlds)


class _BegunContexts(VectorWrapper[Any, Any, Any, Any, Any]):
    """Worlds as they are, whose contexts are kept at the first reset: later ones are of episodes that nobody counts."""

    def __init__(self, envs: Envs) -> None:
        super().__init__(envs)
        self.begun: dict[str, Sequence[Any]] = {}

    def reset(self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None) -> Any:
        """As the worlds."""
        observation, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]  # a list will do
        if not self.begun:
            self.begun = _of_all_worlds(info.get("context", {}), self.num_envs)
        return observation, info


def _of_all_worlds(context: Mapping[str, Any], num_worlds: int) -> dict[str, Sequence[Any]]:
    """The entries of a context (N,) that every world has; a name with "_" before it is a mask."""
    values = {name: np.asarray(value) for name, value in context.items() if not name.startswith("_")}
    return {
        name: value.tolist()
        for name, value in values.items()
        if value.shape == (num_worlds,) and bool(np.all(context.get(f"_{name}", True)))
    }
