"""Collecting experience: the only place that knows autoreset and final observations.

T is the number of steps of a rollout, N the number of worlds, B a number of samples, M the numbers that a
recurrent policy remembers. The
worlds follow Gymnasium's SAME_STEP autoreset: the observation of a done world is already that of
its next episode, and the last one of the finished episode stands in `info["final_obs"]`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mmrl.arrays import Envs, Indices
from mmrl.evaluation.figures import figures_of
from mmrl.inputs import Memory
from mmrl_agents.experience.episodes import Ended, EpisodeCounter, context_from, episode_from, was_lost
from mmrl_agents.experience.readings import readings_of
from mmrl_agents.experience.rollout_policy import RolloutPolicy
from mmrl_agents.experience.sense_dropout import SenseDropout
from mmrl_agents.experience.stepping import places, stepping
from mmrl_agents.experience.storage import ALL, RolloutStorage
from mmrl_agents.machine.cpu import one_thread
from mmrl_agents.machine.ranks import ALONE, Ranks

# Samples of one forward pass of the critic: enough to fill a core, little enough to stay in cache.
_VALUE_BATCH = 1024


class Final(NamedTuple):
    """Episodes truncated at step t: where, and the info of that step."""

    t: int
    first: int
    """The world that row 0 of the info is about."""
    rows: NDArray[np.int64]
    """Which rows of the info."""
    info: dict[str, Any]


class Rollout:
    """Steps the worlds with the policy and fills a storage, rollout after rollout.

    Worlds that come in groups are stepped group by group: the policy decides for one group while another is under way.
    """

    def __init__(
        self,
        envs: Envs,
        policy: RolloutPolicy,
        storage: RolloutStorage,
        statistics: EpisodeCounter,
        generator: torch.Generator,
        dropout: SenseDropout | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """`generator` (on the device of the policy) draws the actions and nothing else, those of all `ranks`."""
        self.envs, self.policy, self.storage, self.statistics = envs, policy, storage, statistics
        self.generator, self.dropout = generator, dropout
        self._stepping, self._figures = stepping(envs), figures_of(envs)
        self._places = places(self._stepping.groups, ranks)
        storage.remember(policy.state_size)
        if dropout is not None:
            storage.drop_senses(dropout.senses)
        space = envs.single_action_space
        self._bounds = (space.low, space.high) if isinstance(space, spaces.Box) else None
        self._returns = np.zeros(envs.num_envs)
        self._lengths = np.zeros(envs.num_envs, np.int64)
        self._whole = np.ones(envs.num_envs, bool)
        self.ended: list[Ended] = []
        """Episodes that ended in the last rollout, in the order of their ends."""

    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        """Reset the worlds; those begun in mid-episode by "elapsed_steps" are not counted once."""
        observation, info = self.envs.reset(seed=seed, options=options)
        elapsed = (options or {}).get("elapsed_steps", np.zeros(self.envs.num_envs))
        self._returns[:], self._lengths[:], self._whole[:] = 0.0, 0, elapsed == 0
        self._write(self.storage.num_steps, observation, info)
        self.storage.episode_starts[-1] = True
        if self.dropout is not None:
            self.dropout.restart(seed)
            self._drop(np.arange(self.envs.num_envs), self.storage.num_steps)

    @torch.no_grad()
    def collect(self) -> None:
        """Take T steps in all worlds, then value what acting did not, in few large batches."""
        storage = self.storage
        self.ended = []
        for rows in self._rows_with_successor():
            rows[0].copy_(rows[-1])
        with one_thread():
            finals = self._steps()
        storage.require_finite()
        self._evaluate(finals)

    def _steps(self) -> list[Final]:
        """T steps of all worlds; returns the episodes that were cut short."""
        finals = list[Final | None]()
        groups = tuple(enumerate(self._stepping.groups))
        for group, worlds in groups:
            self._stepping.send(self._act(0, worlds, group), group)
        for t in range(self.storage.num_steps):
            for group, worlds in groups:
                finals.append(self._record(t, worlds, self._stepping.receive(group)))
                if t + 1 < self.storage.num_steps:
                    self._stepping.send(self._act(t + 1, worlds, group), group)
        return [final for final in finals if final]

    def _record(self, t: int, worlds: slice, step: tuple[Any, ...]) -> Final | None:
        """Write the results of a step of some worlds into row t; returns the episodes that it cut short."""
        storage = self.storage
        observation, reward, terminated, truncated, info = step
        first = worlds.start or 0
        self._check_rewards(reward, first)
        storage.rewards[t, worlds].copy_(torch.from_numpy(reward))
        storage.terminated[t, worlds].copy_(torch.from_numpy(terminated))
        storage.truncated[t, worlds].copy_(torch.from_numpy(truncated))
        self._write(t + 1, observation, info, worlds)
        done = terminated | truncated
        storage.episode_starts[t + 1, worlds].copy_(torch.from_numpy(done))
        self._drop(first + np.flatnonzero(done), t + 1, worlds)
        self._count(t, worlds, reward, done, info)
        cut = np.flatnonzero(truncated & ~terminated)
        return Final(t, first, cut, info) if cut.size else None

    def learn_statistics(self) -> None:
        """Feed the last rollout to the running statistics of the policy.

        Done after the update, so that collecting and updating see the same normalisation and the
        probability ratio starts at exactly one.
        """
        storage = self.storage
        self.policy.update_statistics(
            {name: rows[1:].flatten(0, 1) for name, rows in storage.observations.items()},
            present=_flat(storage.presence(slice(1, None))),
        )

    def _rows_with_successor(self) -> list[Tensor]:
        storage = self.storage
        return [
            *storage.observations.values(),
            *(() if storage.states is None else (storage.states,)),
            *(storage.present or {}).values(),
            storage.episode_starts,
        ]

    def _act(self, t: int, worlds: slice, group: int) -> NDArray[Any]:
        """The storage keeps what was drawn, the worlds get what their action space admits."""
        storage = self.storage
        here = {name: rows[t, worlds] for name, rows in storage.observations.items()}
        try:
            action, log_prob, value, state = self.policy.step(
                here,
                storage.memory(t, worlds),
                present=storage.presence((t, worlds)),
                generator=self.generator,
                among=self._places[group],
            )
        except RuntimeError:  # so torch refuses to draw from probabilities that are no numbers
            storage.require_finite()
            raise
        storage.actions[t, worlds].copy_(action)
        storage.log_probs[t, worlds].copy_(log_prob)
        if value is not None:
            storage.values[t, worlds].copy_(value)
        if storage.states is not None and state is not None:
            storage.states[t + 1, worlds].copy_(state)
        array: NDArray[Any] = action.cpu().numpy()
        if not np.isfinite(array).all():
            storage.require_finite()
            raise ValueError("the policy gives actions that are not finite, its weights are lost")
        return array if self._bounds is None else np.clip(array, *self._bounds)

    def _write(self, row: int, observation: Any, info: Mapping[str, Any], worlds: slice = ALL) -> None:
        arrays = readings_of(observation, info, self.policy.critic_modalities)
        for name, rows in self.storage.observations.items():
            rows[row, worlds].copy_(torch.from_numpy(arrays[name]))

    def _drop(self, beginning: Indices, row: int, worlds: slice = ALL) -> None:
        """Episodes begin in some worlds: settle their senses, and note those of `worlds`."""
        if self.dropout is None or self.storage.present is None:
            return
        if beginning.size:
            self.dropout.begin(beginning)
        for name, mask in zip(self.dropout.senses, self.dropout.present[worlds].T, strict=True):
            self.storage.present[name][row, worlds].copy_(torch.from_numpy(mask.copy()))

    def _check_rewards(self, reward: NDArray[np.float64], first: int) -> None:
        if not np.isfinite(reward).all():
            row = int(np.flatnonzero(~np.isfinite(reward))[0])
            raise ValueError(f"the reward of world {first + row} is {reward[row]}, not a finite number")

    def _evaluate(self, finals: Sequence[Final]) -> None:
        storage = self.storage
        # Acting has valued what the senses tell, all but what came last; a critic with senses of its own is asked now.
        first = 0 if self.policy.critic_modalities else storage.num_steps
        flat = {name: rows[first:].flatten(0, 1) for name, rows in storage.observations.items()}
        states = None if storage.states is None else storage.states[first:].flatten(0, 1)
        starts = storage.episode_starts[first:].reshape(-1)
        present = _flat(storage.presence(slice(first, None)))
        storage.values[first:].view(-1).copy_(self._value(flat, states, starts, present))
        storage.next_values.copy_(storage.values[1:])
        if finals:
            steps = torch.from_numpy(np.concatenate([np.full(final.rows.size, final.t) for final in finals]))
            worlds = torch.from_numpy(np.concatenate([final.first + final.rows for final in finals]))
            # What was remembered when the last observation came; the next row has begun anew.
            states = None if storage.states is None else storage.states[steps + 1, worlds]
            nowhere = torch.zeros(len(steps), dtype=torch.bool, device=storage.values.device)
            # Its senses are those of the episode that ended, too.
            values = self._value(self._last_observations(finals), states, nowhere, storage.presence((steps, worlds)))
            storage.next_values[steps, worlds] = values

    def _last_observations(self, finals: Sequence[Final]) -> dict[str, Tensor]:
        """Readings (B, *window_shape) that ended the truncated episodes, by sense."""
        arrays = [self._last_readings(final, row) for final in finals for row in final.rows]
        device = self.storage.values.device
        return {
            name: torch.from_numpy(np.stack([array[name] for array in arrays])).to(device, rows.dtype)
            for name, rows in self.storage.observations.items()
        }

    def _last_readings(self, final: Final, row: np.int64) -> dict[str, Any]:
        """Readings (*window_shape) by sense."""
        info, of_critic = final.info.get("final_info", {}), self.policy.critic_modalities
        own = {name: info[name][row] for name in of_critic if name in info}
        return readings_of(final.info["final_obs"][row], own, of_critic)

    def _value(
        self,
        observations: dict[str, Tensor],
        states: Tensor | None,
        episode_starts: Tensor,
        present: dict[str, Tensor] | None,
    ) -> Tensor:
        """Values (B,), each row by itself with the state (B, M) that came before it."""
        total = next(iter(observations.values())).shape[0]
        parts = [slice(start, start + _VALUE_BATCH) for start in range(0, total, _VALUE_BATCH)]
        return torch.cat(
            [
                self.policy.value(
                    {name: rows[part] for name, rows in observations.items()},
                    present=None if present is None else {name: mask[part] for name, mask in present.items()},
                    memory=None if states is None else Memory(states[part], episode_starts[part].unsqueeze(0)),
                )
                for part in parts
            ]
        )

    def _count(
        self, t: int, worlds: slice, reward: NDArray[np.float64], done: NDArray[np.bool_], info: Mapping[str, Any]
    ) -> None:
        self._returns[worlds] += reward
        self._lengths[worlds] += 1
        final = info.get("final_info", {})
        for row in np.flatnonzero(done).tolist():
            world, episode = (worlds.start or 0) + row, None
            if self._whole[world] and not was_lost(final, row):
                total, length = float(self._returns[world]), int(self._lengths[world])
                episode = episode_from(final, row, total, length, self._figures)
                self.statistics.add(episode, t)
            self.ended.append(Ended(world, context_from(final, row), episode, t))
            self._returns[world], self._lengths[world], self._whole[world] = 0.0, 0, True

    def state_dict(self) -> dict[str, Any]:
        """The state between two rollouts: the last observation, what is remembered, the episodes so far."""
        storage = self.storage
        return {
            "observations": {name: rows[-1].clone() for name, rows in storage.observations.items()},
            "states": None if storage.states is None else storage.states[-1].clone(),
            "episode_starts": storage.episode_starts[-1].clone(),
            "returns": self._returns.copy(),
            "lengths": self._lengths.copy(),
            "whole": self._whole.copy(),
            "dropout": None if self.dropout is None else self.dropout.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`, in place of `start`: the worlds must stand where they stood."""
        storage = self.storage
        # Older checkpoints keep what the critic senses beside the observations.
        observations = {"privileged": state.get("privileged"), **state["observations"]}
        for name, rows in storage.observations.items():
            rows[-1].copy_(observations[name])
        if storage.states is not None:
            storage.states[-1].copy_(state["states"])
        storage.episode_starts[-1].copy_(state["episode_starts"])
        self._returns[:], self._lengths[:] = state["returns"], state["lengths"]
        self._whole[:] = state["whole"]
        if self.dropout is not None:
            self.dropout.load_state_dict(state.get("dropout"))  # older checkpoints say nothing of it
            self._drop(np.arange(0), storage.num_steps)


def _flat(present: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
    """Masks (T, N) -> (T * N,)."""
    return None if present is None else {name: mask.flatten(0, 1) for name, mask in present.items()}
