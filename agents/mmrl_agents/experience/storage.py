"""One rollout in preallocated tensors, and its samples in random order.

T is the number of steps of a rollout, N the number of worlds, B the samples of a minibatch, M the numbers that a
recurrent policy remembers.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor

from mmrl.inputs import Inputs, Memory
from mmrl.modality import Modality
from mmrl.representation import Timeline
from mmrl_agents.experience.returns import generalized_advantage_estimation
from mmrl_agents.machine.ranks import ALONE, Portions, Ranks
from mmrl_envs.arguments import machine_memory

ALL = slice(None)
"""All worlds."""


@dataclass(frozen=True)
class Minibatch:
    """Samples of a rollout, every tensor (B, ...); advantages already normalised if asked."""

    observations: dict[str, Tensor]
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    memory: Memory | None = None
    """For a recurrent policy, whose samples are whole sequences of some worlds, step by step."""
    present: dict[str, Tensor] | None = None
    """Which senses are there, if any are dropped."""
    timeline: Timeline | None = None
    """The order in which the samples came."""


class RolloutStorage:
    """Preallocated tensors of one rollout on the training device; images stay uint8, NHWC.

    `observations`, the critic's own among them, `values`, `states`, `episode_starts` and `present` have T + 1 rows: the
    last is what follows the rollout. `states` is None for a policy that remembers nothing, `present` where all senses
    always are.
    """

    def __init__(
        self,
        num_steps: int,
        num_worlds: int,
        modalities: Mapping[str, Modality],
        action_space: spaces.Space[Any],
        device: torch.device,
    ) -> None:
        rows, steps = (num_steps + 1, num_worlds), (num_steps, num_worlds)
        _require_room(rows, modalities, device)
        self.num_steps, self.num_worlds = num_steps, num_worlds
        self.observations = {
            name: torch.zeros(
                (*rows, *modality.space.shape),
                dtype=torch.uint8 if modality.dtype == "uint8" else torch.float32,
                device=device,
            )
            for name, modality in modalities.items()
        }
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

    def drop_senses(self, names: Sequence[str]) -> None:
        """Make room for which of these senses (T + 1, N) are there."""
        self.present = {name: torch.ones_like(self.episode_starts) for name in names}

    def presence(self, rows: Any) -> dict[str, Tensor] | None:
        """Which senses are there in some rows, None if all always are."""
        return None if self.present is None else {name: mask[rows] for name, mask in self.present.items()}

    def memory(self, step: int, worlds: slice = ALL) -> Memory | None:
        """The memory that the policy gets at a step of some worlds, None if it remembers nothing."""
        if self.states is None:
            return None
        return Memory(self.states[step, worlds], self.episode_starts[step : step + 1, worlds])

    def finish(
        self, gamma: float, lam: float, normalize: bool, cut_at_rewards: bool = False, ranks: Ranks = ALONE
    ) -> None:
        """Fill `advantages` and `returns` from what was collected; a cut at a reward is as good as an end.

        Advantages are normalised over all `ranks`.
        """
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
            everywhere = ranks.join(self.advantages, dim=1)
            self.advantages = (self.advantages - everywhere.mean()) / (everywhere.std(correction=0) + 1e-8)

    def portions(self, size: int, ranks: Ranks = ALONE) -> Portions:
        """The parts of all ranks in minibatches of `size` samples: of whole sequences, at least one, with states."""
        if self.states is None:
            return Portions(tuple(ranks.gather([self.num_steps * self.num_worlds])), size)
        return Portions(tuple(ranks.gather([self.num_worlds])), max(1, size // self.num_steps))

    def minibatches(self, size: int, generator: torch.Generator, ranks: Ranks = ALONE) -> Iterator[Minibatch]:
        """Every sample once, in random order, in the parts of this rank; a remainder below `size` comes last.

        With states it is whole sequences that come in random order, as many as fit in `size`, at least one.
        """
        portions, rank = self.portions(size, ranks), ranks.index
        # Of as many samples as the largest share has, so that all ranks draw the same.
        drawn = torch.randperm(max(portions.samples), generator=generator)
        order = drawn[drawn < portions.samples[rank]].to(self.values.device).split(portions.of(rank))
        for index, memory in self._samples(order) if self.states is None else self._sequences(order):
            yield self.minibatch(index, memory)

    def minibatch(self, index: Tensor, memory: Memory | None = None) -> Minibatch:
        """The samples with the numbers t * N + n in an index (B,), and what the policy remembered before them."""
        present = None if self.present is None else {n: self.gather(mask, index) for n, mask in self.present.items()}
        return Minibatch(
            {name: self.gather(rows, index) for name, rows in self.observations.items()},
            self.gather(self.actions, index),
            self.gather(self.log_probs, index),
            self.gather(self.values, index),
            self.gather(self.advantages, index),
            self.gather(self.returns, index),
            memory,
            present,
            RolloutTimeline(self, index),
        )

    def _samples(self, order: Sequence[Tensor]) -> Iterator[tuple[Tensor, None]]:
        return ((index, None) for index in order)

    def _sequences(self, order: Sequence[Tensor]) -> Iterator[tuple[Tensor, Memory]]:
        assert self.states is not None
        steps = torch.arange(self.num_steps, device=self.values.device).unsqueeze(1)
        for worlds in order:
            # (T, 1) and (worlds,) -> (T * worlds,), step by step
            index = (steps * self.num_worlds + worlds).flatten()
            yield index, Memory(self.states[0, worlds], self.episode_starts[:-1, worlds])

    def gather(self, rows: Tensor, index: Tensor) -> Tensor:
        """The samples with the numbers t * N + n in an index (B,), of rows (T or T + 1, N, *shape): (B, *shape)."""
        # with two axes index_select is a memcpy per row
        flat = rows.reshape(rows.shape[0] * rows.shape[1], -1)
        return flat.index_select(0, index).view(len(index), *rows.shape[2:])

    def require_finite(self) -> None:
        """Raise ValueError naming the sense that holds a value which is not a number."""
        for name, rows in self.observations.items():
            if rows.is_floating_point() and not torch.isfinite(rows).all():
                count = int((~torch.isfinite(rows)).sum())
                raise ValueError(f"observation {name!r} has {count} values that are not finite")


class RolloutTimeline:
    """The order of samples of a rollout, worked out where somebody asks for it.

    Samples of one episode have one number where they are of one rollout.
    """

    def __init__(self, storage: RolloutStorage, index: Tensor) -> None:
        """`index` (B,) numbers the samples t * N + n."""
        self._storage, self._index = storage, index

    @property
    def episodes(self) -> Tensor:
        """A number for the episode of each sample, (B,)."""
        storage = self._storage
        begun = storage.episode_starts[:-1].cumsum(dim=0)  # (T, N)
        world = torch.arange(storage.num_worlds, device=begun.device) * (storage.num_steps + 1)
        return storage.gather(begun + world, self._index)

    @property
    def times(self) -> Tensor:
        """The steps t of the samples, (B,)."""
        return self._index // self._storage.num_worlds

    def following(self, names: Collection[str]) -> tuple[Inputs, Tensor]:
        """Readings of some senses one step later, and whether they are of the same episode, bool (B,)."""
        storage, later = self._storage, self._index + self._storage.num_worlds
        readings = {name: storage.gather(storage.observations[name], later) for name in names}
        return readings, ~storage.gather(storage.episode_starts, later)


def _require_room(rows: tuple[int, int], modalities: Mapping[str, Modality], device: torch.device) -> None:
    """Raise ValueError where the observations alone outgrow the memory of the device.

    The system would hand it out all the same, and end the process once it is used.
    """
    sizes = [math.prod(sense.space.shape) * (1 if sense.dtype == "uint8" else 4) for sense in modalities.values()]
    needed = math.prod(rows) * sum(sizes)
    memory = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else machine_memory()
    if needed > memory:
        raise ValueError(
            f"a rollout of {rows[0] - 1:,} steps of {rows[1]:,} worlds takes {needed / 2**30:,.1f} GiB, and there are "
            f"{memory / 2**30:,.1f}: at most {memory * rows[1] // needed:,} worlds fit, or fewer steps between updates"
        )
