"""Collecting experience: the only place that knows autoreset and final observations.

T is the number of steps of a rollout, N the number of worlds, B the samples of a minibatch, M the numbers that a
recurrent policy remembers. The
worlds follow Gymnasium's SAME_STEP autoreset: the observation of a done world is already that of
its next episode, and the last one of the finished episode stands in `info["final_obs"]`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from mmrl.foreign import flatten_observation
from mmrl.modality import Modality
from mmrl.policy import ActorCritic, Memory
from mmrl_agents.allocator import one_thread
from mmrl_agents.episodes import Ended, EpisodeStatistics, context_from, episode_from
from mmrl_agents.returns import generalized_advantage_estimation
from mmrl_agents.sense_dropout import SenseDropout
from mmrl_envs.multimodal import GroupedWorlds

# Samples of one forward pass of the critic: enough to fill a core, little enough to stay in cache.
_VALUE_BATCH = 1024
ALL = slice(None)
"""All worlds."""


@dataclass(frozen=True)
class Minibatch:
    """Samples of a rollout, every tensor (B, ...); advantages already normalised if asked."""

    observations: dict[str, Tensor]
    privileged: Tensor | None
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    memory: Memory | None = None
    """For a recurrent policy, whose samples are whole sequences of some worlds, step by step."""
    present: dict[str, Tensor] | None = None
    """Which senses are there, if any are dropped."""


class RolloutStorage:
    """Preallocated tensors of one rollout on the training device; images stay uint8, NHWC.

    `observations`, `privileged`, `values`, `states`, `episode_starts` and `present` have T + 1 rows: the last is what
    follows the rollout. `states` is None for a policy that remembers nothing, `present` where all senses always are.
    """

    def __init__(
        self,
        num_steps: int,
        num_worlds: int,
        modalities: Mapping[str, Modality],
        action_space: spaces.Space[Any],
        privileged_size: int,
        device: torch.device,
    ) -> None:
        rows, steps = (num_steps + 1, num_worlds), (num_steps, num_worlds)
        self.num_steps, self.num_worlds = num_steps, num_worlds
        self.observations = {
            name: torch.zeros(
                (*rows, *modality.space.shape),
                dtype=torch.uint8 if modality.dtype == "uint8" else torch.float32,
                device=device,
            )
            for name, modality in modalities.items()
        }
        self.privileged = torch.zeros((*rows, privileged_size), device=device) if privileged_size else None
        discrete = isinstance(action_space, spaces.Discrete)
        self.actions = torch.zeros(
            (*steps, *(action_space.shape or ())),
            dtype=torch.int64 if discrete else torch.float32,
            device=device,
        )
        self.values = torch.zeros(rows, device=device)
        names = ("log_probs", "rewards", "terminated", "truncated", "next_values")
        self.log_probs, self.rewards, self.terminated, self.truncated, self.next_values = (
            torch.zeros(steps, device=device) for _ in names
        )
        self.advantages = torch.zeros(steps, device=device)
        self.returns = torch.zeros(steps, device=device)
        self.states: Tensor | None = None
        self.episode_starts = torch.zeros(rows, dtype=torch.bool, device=device)
        self.present: dict[str, Tensor] | None = None

    def remember(self, state_size: int) -> None:
        """Make room for the states (T + 1, N, M) that a recurrent policy carries into each step, if M > 0."""
        if state_size:
            self.states = torch.zeros((*self.episode_starts.shape, state_size), device=self.values.device)

    def drop_senses(self) -> None:
        """Make room for which senses (T + 1, N) are there."""
        self.present = {name: torch.ones_like(self.episode_starts) for name in self.observations}

    def presence(self, rows: Any) -> dict[str, Tensor] | None:
        """Which senses are there in some rows, None if all always are."""
        return None if self.present is None else {name: mask[rows] for name, mask in self.present.items()}

    def memory(self, step: int, worlds: slice = ALL) -> Memory | None:
        """What the policy is told of the past at a step of some worlds, None if it remembers nothing."""
        if self.states is None:
            return None
        return Memory(self.states[step, worlds], self.episode_starts[step : step + 1, worlds])

    def finish(self, gamma: float, lam: float, normalize: bool, cut_at_rewards: bool = False) -> None:
        """Fill `advantages` and `returns` from what was collected; a cut at a reward is as good as an end."""
        ended = torch.maximum(self.terminated, (self.rewards != 0).float()) if cut_at_rewards else self.terminated
        self.advantages, self.returns = generalized_advantage_estimation(
            self.rewards,
            self.values[:-1],
            self.next_values,
            ended,
            self.truncated,
            gamma,
            lam,
        )
        if normalize:
            deviation = self.advantages.std(correction=0)
            self.advantages = (self.advantages - self.advantages.mean()) / (deviation + 1e-8)

    def minibatches(self, size: int, generator: torch.Generator) -> Iterator[Minibatch]:
        """Every sample once, in random order; a remainder below `size` comes last.

        With states it is whole sequences that come in random order, as many as fit in `size`, at least one.
        """
        for index, memory in (
            self._samples(size, generator) if self.states is None else self._sequences(size, generator)
        ):
            yield Minibatch(
                {name: self._gather(rows, index) for name, rows in self.observations.items()},
                None if self.privileged is None else self._gather(self.privileged, index),
                self._gather(self.actions, index),
                self._gather(self.log_probs, index),
                self._gather(self.values, index),
                self._gather(self.advantages, index),
                self._gather(self.returns, index),
                memory,
                None
                if self.present is None
                else {name: self._gather(mask, index) for name, mask in self.present.items()},
            )

    def _samples(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, None]]:
        total = self.num_steps * self.num_worlds
        order = torch.randperm(total, generator=generator).to(self.values.device)
        return ((index, None) for index in order.split(size))

    def _sequences(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Memory]]:
        assert self.states is not None
        order = torch.randperm(self.num_worlds, generator=generator).to(self.values.device)
        steps = torch.arange(self.num_steps, device=order.device).unsqueeze(1)
        for worlds in order.split(max(1, size // self.num_steps)):
            # (T, 1) and (worlds,) -> (T * worlds,), step by step
            index = (steps * self.num_worlds + worlds).flatten()
            yield index, Memory(self.states[0, worlds], self.episode_starts[:-1, worlds])

    def _gather(self, rows: Tensor, index: Tensor) -> Tensor:
        # (T or T + 1, N, *shape) -> (B, *shape); with two axes index_select is a memcpy per row
        flat = rows.reshape(rows.shape[0] * rows.shape[1], -1)
        return flat.index_select(0, index).view(len(index), *rows.shape[2:])

    def require_finite(self) -> None:
        """Raise ValueError naming the sense that holds a value which is not a number."""
        for name, rows in self.observations.items():
            if rows.is_floating_point() and not torch.isfinite(rows).all():
                count = int((~torch.isfinite(rows)).sum())
                raise ValueError(f"observation {name!r} has {count} values that are not finite")
        if self.privileged is not None and not torch.isfinite(self.privileged).all():
            raise ValueError("info['privileged'] has values that are not finite")


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
        envs: VectorEnv[Any, Any, Any],
        policy: ActorCritic,
        storage: RolloutStorage,
        statistics: EpisodeStatistics,
        generator: torch.Generator,
        dropout: SenseDropout | None = None,
    ) -> None:
        """`generator` (on the device of the policy) draws the actions and nothing else."""
        self.envs, self.policy, self.storage, self.statistics = envs, policy, storage, statistics
        self.generator, self.dropout = generator, dropout
        storage.remember(policy.state_size)
        if dropout is not None:
            storage.drop_senses()
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
        envs, finals = self.envs, list[Final | None]()
        if not isinstance(envs, GroupedWorlds):
            for t in range(self.storage.num_steps):
                finals.append(self._record(t, ALL, envs.step(self._act(t, ALL))))
        else:
            groups = tuple(enumerate(envs.groups))
            for group, worlds in groups:
                envs.send(self._act(0, worlds), group)
            for t in range(self.storage.num_steps):
                for group, worlds in groups:
                    finals.append(self._record(t, worlds, envs.receive(group)))
                    if t + 1 < self.storage.num_steps:
                        envs.send(self._act(t + 1, worlds), group)
        return [final for final in finals if final]

    def _record(self, t: int, worlds: slice, step: tuple[Any, ...]) -> Final | None:
        """What a step of some worlds gave, into row t; returns the episodes that were cut short by it."""
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
            None if storage.privileged is None else storage.privileged[1:].flatten(0, 1),
            present=_flat(storage.presence(slice(1, None))),
        )

    def _rows_with_successor(self) -> list[Tensor]:
        storage = self.storage
        optional = (storage.privileged, storage.states)
        return [
            *storage.observations.values(),
            *(rows for rows in optional if rows is not None),
            *(storage.present or {}).values(),
            storage.episode_starts,
        ]

    def _act(self, t: int, worlds: slice) -> NDArray[Any]:
        """The storage keeps what was drawn, the worlds get what their action space admits."""
        storage = self.storage
        here = {name: rows[t, worlds] for name, rows in storage.observations.items()}
        try:
            action, log_prob, value, state = self.policy.step(
                here, storage.memory(t, worlds), present=storage.presence((t, worlds)), generator=self.generator
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
        arrays = flatten_observation(observation)
        for name, rows in self.storage.observations.items():
            rows[row, worlds].copy_(torch.from_numpy(arrays[name]))
        if self.storage.privileged is not None:
            self.storage.privileged[row, worlds].copy_(torch.from_numpy(info["privileged"]))

    def _drop(self, beginning: NDArray[np.integer], row: int, worlds: slice = ALL) -> None:
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
        # Acting has valued what the senses tell, all but what came last; a privileged critic is asked now.
        first = 0 if self.policy.privileged_size else storage.num_steps
        flat = {name: rows[first:].flatten(0, 1) for name, rows in storage.observations.items()}
        privileged = None if storage.privileged is None else storage.privileged[first:].flatten(0, 1)
        states = None if storage.states is None else storage.states[first:].flatten(0, 1)
        starts = storage.episode_starts[first:].reshape(-1)
        present = _flat(storage.presence(slice(first, None)))
        storage.values[first:].view(-1).copy_(self._value(flat, privileged, states, starts, present))
        storage.next_values.copy_(storage.values[1:])
        if finals:
            steps = torch.from_numpy(np.concatenate([np.full(final.rows.size, final.t) for final in finals]))
            worlds = torch.from_numpy(np.concatenate([final.first + final.rows for final in finals]))
            # What was remembered when the last observation came; the next row has begun anew.
            states = None if storage.states is None else storage.states[steps + 1, worlds]
            nowhere = torch.zeros(len(steps), dtype=torch.bool, device=storage.values.device)
            # Its senses are those of the episode that ended, too.
            values = self._value(*self._last_observations(finals), states, nowhere, storage.presence((steps, worlds)))
            storage.next_values[steps, worlds] = values

    def _last_observations(self, finals: Sequence[Final]) -> tuple[dict[str, Tensor], Tensor | None]:
        """Observations (B, ...) and privileged vectors (B, P) that ended the truncated episodes."""
        last = [final.info["final_obs"][row] for final in finals for row in final.rows]
        arrays = [flatten_observation(observation) for observation in last]
        device = self.storage.values.device
        stacked = {
            name: torch.from_numpy(np.stack([array[name] for array in arrays])).to(device, rows.dtype)
            for name, rows in self.storage.observations.items()
        }
        if self.storage.privileged is None:
            return stacked, None
        extra = [final.info["final_info"]["privileged"][final.rows] for final in finals]
        return stacked, torch.from_numpy(np.concatenate(extra)).to(device, torch.float32)

    def _value(
        self,
        observations: dict[str, Tensor],
        privileged: Tensor | None,
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
                    None if privileged is None else privileged[part],
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
            if self._whole[world]:
                total, length = float(self._returns[world]), int(self._lengths[world])
                episode = episode_from(final, row, total, length)
                self.statistics.add(episode)
            self.ended.append(Ended(world, context_from(final, row), episode, t))
            self._returns[world], self._lengths[world], self._whole[world] = 0.0, 0, True

    def state_dict(self) -> dict[str, Any]:
        """What is under way between two rollouts: the last observation, what is remembered, the episodes so far."""
        storage = self.storage
        return {
            "observations": {name: rows[-1].clone() for name, rows in storage.observations.items()},
            "privileged": None if storage.privileged is None else storage.privileged[-1].clone(),
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
        for name, rows in storage.observations.items():
            rows[-1].copy_(state["observations"][name])
        if storage.privileged is not None:
            storage.privileged[-1].copy_(state["privileged"])
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
