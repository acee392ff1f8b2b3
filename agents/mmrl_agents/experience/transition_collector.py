"""Collecting transitions with a Q network.

N is the number of worlds, n some of them. The worlds follow Gymnasium's SAME_STEP autoreset: the observation of a done
world is already that of its next episode, and the last one of the finished episode stands in `info["final_obs"]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.arrays import BoolArray, Envs, IntArray
from mmrl.evaluation.figures import figures_of
from mmrl.modality.foreign import flatten_observation
from mmrl.policy.q_network import QNetwork
from mmrl_agents.experience.episodes import Ended, EpisodeCounter, context_from, episode_from, was_lost
from mmrl_agents.experience.q_states import Columns, QStates
from mmrl_agents.experience.transitions import Steps, Transitions
from mmrl_agents.machine.cpu import one_thread


class TransitionCollector:
    """Steps the worlds with a Q network, a share of its choices random, and adds each step to a batch."""

    def __init__(
        self,
        envs: Envs,
        network: QNetwork,
        states: QStates,
        statistics: EpisodeCounter,
        generator: torch.Generator,
    ) -> None:
        """`generator` (on the device of the network) draws the choices and nothing else."""
        self.envs, self.network, self.statistics, self.generator = envs, network, statistics, generator
        self.states = states
        self.transitions = Transitions(states.columns, network.state_size)
        self._figures, self._device = figures_of(envs), network.actions.device
        self._at = np.zeros(0, np.intp)  # the number of the state that each world is in, (N,)
        self._returns = np.zeros(envs.num_envs)
        self._lengths = np.zeros(envs.num_envs, np.int64)
        self.ended: list[Ended] = []
        """Episodes that ended in the last `collect`, in the order of their ends."""

    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        """Reset the worlds."""
        observation, _ = self.envs.reset(seed=seed, options=options)
        self._returns[:], self._lengths[:] = 0.0, 0
        self._at, _ = self._arrived(self._checked(observation), self.network.first(self.envs.num_envs))

    @torch.no_grad()
    def collect(self, steps: int) -> int:
        """Take so many steps in all worlds; returns how many these are together."""
        self.ended = []
        columns, newest = self._on_device(self._at)
        seen = self.states.seen(columns)
        with one_thread():
            for row in range(steps):
                seen, newest = self._step(seen, newest, row)
        return steps * self.envs.num_envs

    def change_states(self, states: QStates, columns: Columns) -> None:
        """Let all states so far be made of other columns (B, *shape), and those to come as `states` says."""
        self.states, self.transitions = states, self.transitions.with_columns(columns)

    def _step(self, seen: Tensor, newest: Tensor, row: int) -> tuple[Tensor, Tensor]:
        """A step of all worlds: from what is seen (N, D) and the newest choices (N, M) to those that follow."""
        choice = self.network.explored(self.network.values(seen, newest).argmax(dim=1), self.generator)
        observation, reward, terminated, truncated, info = self.envs.step(self.network.actions[choice].cpu().numpy())
        _require_finite_rewards(reward)
        done = terminated | truncated
        remembered = self.network.remember(newest, choice)
        following = torch.where(torch.from_numpy(done).to(self._device).unsqueeze(1), 0, remembered)
        at, seen = self._arrived(self._checked(observation), following)
        after = at.copy()
        cut = np.flatnonzero(truncated & ~terminated)
        if cut.size:
            final = self._last_readings([info["final_obs"][world] for world in cut])
            after[cut], _ = self._arrived(final, remembered[torch.from_numpy(cut)])
        steps = Steps(self._at, choice.cpu().numpy(), np.asarray(reward, np.float64), after, terminated)
        self.transitions.add(steps)
        self._at = at
        self._count(reward, done, info, row)
        return seen, following

    def _arrived(self, readings: Columns, newest: Tensor) -> tuple[IntArray, Tensor]:
        """Keep the states of readings (n, *window_shape) and newest choices (n, M); their numbers, and what is seen."""
        with torch.no_grad():
            seen = self.network.see({name: torch.from_numpy(x).to(self._device) for name, x in readings.items()})
        return self.transitions.add_states(self.states.kept(readings, seen), newest.cpu().numpy()), seen

    def _on_device(self, numbers: IntArray) -> tuple[dict[str, Tensor], Tensor]:
        columns, newest = self.transitions.states(numbers)
        return {name: rows.to(self._device) for name, rows in columns.items()}, newest.to(self._device)

    def _checked(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Readings (n, *window_shape) of the senses, as they are declared; ValueError where one is no number."""
        flat = flatten_observation(observation)
        readings = {name: np.asarray(flat[name], sense.dtype) for name, sense in self.network.modalities.items()}
        for name, rows in readings.items():
            if not np.isfinite(rows).all():
                raise ValueError(f"observation {name!r} has {np.sum(~np.isfinite(rows))} values that are not finite")
        return readings

    def _last_readings(self, observations: Sequence[Any]) -> dict[str, NDArray[Any]]:
        """Readings (n, *window_shape) that ended episodes, from an observation of each."""
        flat = [flatten_observation(observation) for observation in observations]
        return self._checked({name: np.stack([each[name] for each in flat]) for name in self.network.modalities})

    def _count(self, reward: NDArray[Any], done: BoolArray, info: Mapping[str, Any], row: int) -> None:
        self._returns += reward
        self._lengths += 1
        final = info.get("final_info", {})
        for world in np.flatnonzero(done).tolist():
            episode = None
            if not was_lost(final, world):
                total, length = float(self._returns[world]), int(self._lengths[world])
                episode = episode_from(final, world, total, length, self._figures)
                self.statistics.add(episode)
            self.ended.append(Ended(world, context_from(final, world), episode, row))
            self._returns[world], self._lengths[world] = 0.0, 0

    def rollout_state(self) -> dict[str, Any]:
        """The state between two collections: where the worlds are, and their episodes so far."""
        return {"at": self._at.copy(), "returns": self._returns.copy(), "lengths": self._lengths.copy()}

    def load_rollout_state(self, state: Mapping[str, Any]) -> None:
        """Undo `rollout_state`, of arrays, in place of `start`: the worlds must stand where they stood."""
        self._at = state["at"].copy()
        self._returns[:], self._lengths[:] = state["returns"], state["lengths"]


def _require_finite_rewards(reward: NDArray[Any]) -> None:
    wrong = np.flatnonzero(~np.isfinite(reward))
    if wrong.size:
        raise ValueError(f"the reward of world {wrong[0]} is {reward[wrong[0]]}, not a finite number")
