"""The samples that a pretraining learns from: of worlds in which somebody acts who knows nothing, or recorded ones.

F is the number of recorded frames, N that of worlds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mmrl.policy.actor_critic import ActorCritic
from mmrl.representation import Batch
from mmrl_agents.experience.behaviours import BEHAVIOURS, Watching
from mmrl_agents.experience.demonstrations import read_demonstrations
from mmrl_agents.experience.episodes import Ended, EpisodeStatistics
from mmrl_agents.experience.recorded_frames import FramesWithoutSenses
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.learning.agent import Resources, Setting
from mmrl_agents.worlds.making import action_space_of

_AT_ONCE = 512
"""Frames that are looked at together where nothing is learned by gradients."""


class SampleSource(ABC):
    """Samples for one update after another."""

    @abstractmethod
    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        """Reset the worlds."""

    @abstractmethod
    def warm_up(self) -> int:
        """Show the running statistics samples, before the first update; returns the environment steps spent."""

    @abstractmethod
    def collect(self) -> int:
        """Bring the samples of one update; returns how many they are."""

    @abstractmethod
    def batches(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """A pass over them in random order, at most `size` at once."""

    @abstractmethod
    def learn_statistics(self) -> None:
        """Show the running statistics what of it they have not seen."""

    @abstractmethod
    def ended(self) -> list[Ended]:
        """The episodes that ended in the last `collect`."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """How far the data have been gone through; plain Python and arrays."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`."""

    @abstractmethod
    def rollout_state(self) -> dict[str, Any]:
        """The state of the worlds between two updates."""

    @abstractmethod
    def resume_rollout(self, state: Mapping[str, Any]) -> None:
        """Undo `rollout_state`."""


class WatchedSamples(SampleSource):
    """Rollouts of fixed length, in which a behaviour acts. Its episodes count for no success."""

    def __init__(self, data: str, num_steps: int, setting: Setting, policy: ActorCritic, resources: Resources) -> None:
        envs = setting.envs
        space = action_space_of(envs)
        storage = RolloutStorage(num_steps, envs.num_envs, policy.senses, space, resources.device)
        watching = Watching(policy, BEHAVIOURS[data](envs), resources.acting)
        self._rollout = Rollout(envs, watching, storage, EpisodeStatistics(), resources.acting, setting.dropout())
        self._storage = storage

    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        self._rollout.start(seed, options)

    def warm_up(self) -> int:
        steps = self.collect()
        self.learn_statistics()
        return steps

    def collect(self) -> int:
        self._rollout.collect()
        return self._storage.num_steps * self._storage.num_worlds

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        return self._storage.minibatches(size, generator)

    def learn_statistics(self) -> None:
        self._rollout.learn_statistics()

    def ended(self) -> list[Ended]:
        return self._rollout.ended

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing is gone through."""

    def rollout_state(self) -> dict[str, Any]:
        return self._rollout.state_dict()

    def resume_rollout(self, state: Mapping[str, Any]) -> None:
        self._rollout.load_state_dict(state)


class RecordedSamples(SampleSource):
    """Recorded frames in random order, as many for an update as rollouts of the worlds would have.

    Raises ValueError for a policy that remembers, which would have to see whole episodes, and for data of other senses
    or actions.
    """

    def __init__(self, data: str, num_steps: int, setting: Setting, policy: ActorCritic, resources: Resources) -> None:
        if policy.state_size:
            raise ValueError(
                f"{setting.policy.fusion} remembers; recorded data are learned from by single frames: take another "
                f"fusion, or data of {' or '.join(BEHAVIOURS)}"
            )
        space = action_space_of(setting.envs)
        frames, _ = read_demonstrations(Path(data), setting.modalities, space, held_out=0.0, executed=True)
        self._frames = frames.to(resources.device)
        self._source = FramesWithoutSenses(self._frames, setting.dropped, setting.seed)
        self._envs, self._policy, self._seed = setting.envs, policy, setting.seed
        self._most = num_steps * setting.envs.num_envs
        self._passes, self._at = 0, 0
        self._order = self._shuffled()
        self._rows = self._order[: self._most]

    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        """Reset the worlds, which nothing acts in."""
        self._envs.reset(seed=seed, options=options)

    def warm_up(self) -> int:
        """Every frame once, which are no steps of these worlds."""
        for part in self._frames.batches(_AT_ONCE):
            self._policy.update_statistics(part.observations)
        return 0

    def collect(self) -> int:
        if self._at >= len(self._order):
            self._passes, self._at = self._passes + 1, 0
            self._order = self._shuffled()
        self._rows = self._order[self._at : self._at + self._most]
        self._at += len(self._rows)
        return len(self._rows)

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        return self._source.batches(size, self._rows[torch.randperm(len(self._rows), generator=generator)])

    def learn_statistics(self) -> None:
        """They know all frames."""

    def ended(self) -> list[Ended]:
        return []

    def state_dict(self) -> dict[str, Any]:
        return {"passes": self._passes, "at": self._at, "dropout": self._source.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._passes, self._at = int(state["passes"]), int(state["at"])
        self._source.load_state_dict(state["dropout"])
        self._order = self._shuffled()

    def rollout_state(self) -> dict[str, Any]:
        return {}

    def resume_rollout(self, state: Mapping[str, Any]) -> None:
        """Nothing was under way."""

    def _shuffled(self) -> torch.Tensor:
        """The frames (F,) in the order of the present pass."""
        generator = torch.Generator().manual_seed(self._seed + self._passes)
        return torch.randperm(len(self._frames), generator=generator)


def samples_of(data: str, num_steps: int, setting: Setting, policy: ActorCritic, resources: Resources) -> SampleSource:
    """The samples that `data` names: a behaviour, or the folder of a data set."""
    kind = WatchedSamples if data in BEHAVIOURS else RecordedSamples
    return kind(data, num_steps, setting, policy, resources)
