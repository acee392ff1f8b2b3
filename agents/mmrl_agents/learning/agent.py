"""The contract of learning algorithms: what an agent is built from, and the calls that a training makes of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from mmrl.arrays import Envs
from mmrl.inputs import Inputs, Memory, Presence
from mmrl.modality import Modality
from mmrl.policy.actor_critic import NO_SENSES, ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl.representation import ObjectiveConfig
from mmrl_agents.experience.episodes import Ended, EpisodeCounter
from mmrl_agents.experience.sense_dropout import SenseDropout
from mmrl_agents.machine.ranks import ALONE, Ranks
from mmrl_agents.worlds.making import action_space_of, critic_senses_of, senses_of
from mmrl_envs.multimodal import describing


class Agent(Protocol):
    """A learner over worlds of its own: `collect` and `update` in turns."""

    begins_in_mid_episode: bool
    """Whether worlds may start with part of their time used up, so that they do not all end at once."""
    scores_episodes: bool
    """Whether `ended` tells how much there was to learn from each episode."""

    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        """Reset the worlds."""

    def warm_up(self) -> int:
        """Gather what must be known before the first update; returns the environment steps spent."""

    def collect(self) -> int:
        """Gather the experience of one update; returns the environment steps spent, over all worlds."""

    def update(self) -> dict[str, float]:
        """Learn from what was collected; returns metrics, `skipped_updates` among them."""

    def set_progress(self, fraction: float) -> float:
        """Set all schedules for the done fraction of the training, 0 to 1; returns the step size."""

    def state_dict(self) -> dict[str, object]:
        """Optimiser, schedules and random states: tensors and plain Python."""

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Undo `state_dict`."""

    def rollout_state(self) -> dict[str, Any]:
        """The state of the worlds between two updates: tensors, arrays and plain Python."""

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """Undo `rollout_state` in place of `start`; the worlds must stand where they stood."""

    def ended(self) -> list[Ended]:
        """The episodes that ended in the last `warm_up` or `collect`, after the `update` with their scores."""

    @property
    def last_error(self) -> str:
        """Where the last update that was left out met a number that is not finite."""


_MEMBERS = (*Agent.__annotations__, *(name for name in vars(Agent) if not name.startswith("_")))
"""Names of all that a training asks an agent for."""


def require_agent(agent: Agent, algorithm: str) -> Agent:
    """The agent itself. Raises ValueError naming what it lacks of `Agent`."""
    if missing := [name for name in _MEMBERS if name not in dir(agent)]:
        raise ValueError(
            f"the agent of {algorithm!r}, {type(agent).__name__}, lacks {', '.join(missing)}; "
            "mmrl_agents.learning.agent.Agent says what each does"
        )
    return agent


class Acted(Protocol):
    """The outcome of acting."""

    @property
    def action(self) -> Tensor:
        """Actions (N, *A), not clipped."""

    @property
    def state(self) -> Tensor | None:
        """The memory afterwards, (N, M); None for a policy that remembers nothing."""


class Network(Protocol):
    """The networks that an agent trains, a torch module: what acts, is judged and is saved."""

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """The senses that it reads, by name."""

    @property
    def critic_modalities(self) -> Mapping[str, Modality]:
        """The senses that only its critic reads, by name; {} where it reads those of the actor."""

    @property
    def state_size(self) -> int:
        """M, numbers that it remembers of each world; 0 for none."""

    def step(
        self,
        obs: Inputs,
        memory: Memory | None,
        *,
        present: Presence | None = None,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> Acted:
        """Act on observations of N worlds."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """As in any torch module."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """As in any torch module."""

    def modules(self) -> Iterator[nn.Module]:
        """As in any torch module."""

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """As in any torch module."""

    def to(self, device: torch.device | str) -> Self:
        """As in any torch module."""

    def train(self, mode: bool = True) -> Self:
        """As in any torch module."""

    def eval(self) -> Self:
        """As in any torch module."""

    def state_dict(self) -> dict[str, Any]:
        """As in any torch module."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> object:
        """As in any torch module."""


@dataclass(frozen=True, eq=False)
class Setting:
    """A training as an algorithm sees it: its settings, the worlds, and how long it lasts."""

    algorithm: str
    """Name of the algorithm."""
    settings: Any
    """The settings of the algorithm, of the class that its record names."""
    policy: PolicyConfig
    """Settings of the network."""
    envs: Envs
    """Worlds to learn in."""
    seed: int
    """Of the training."""
    total_steps: int
    """Environment steps of the whole training, over all worlds."""
    episode_limit: int
    """Most steps of an episode that an algorithm may have to wait for."""
    dropped: Mapping[str, float]
    """The share of the episodes that senses are absent from, where it is any."""
    objectives: Mapping[str, ObjectiveConfig]
    """The objectives that the encoders learn from besides the algorithm's own loss, by name."""

    @property
    def modalities(self) -> dict[str, Modality]:
        """The senses of the worlds by name."""
        return senses_of(self.envs)

    def dropout(self) -> SenseDropout | None:
        """The process that takes senses away in training; None without any."""
        if not self.dropped:
            return None
        first = describing(self.envs).first_world
        return SenseDropout(tuple(self.modalities), self.envs.num_envs, self.dropped, self.seed, first)


def native_network(setting: Setting) -> ActorCritic:
    """The untrained actor and critic of mmrl, from what the worlds declare and `setting.policy` says."""
    envs = setting.envs
    of_critic = critic_senses_of(envs) if setting.policy.privileged_critic else NO_SENSES
    return ActorCritic(setting.modalities, action_space_of(envs), setting.policy, of_critic, setting.objectives)


@dataclass(frozen=True, eq=False)
class Resources:
    """Resources of an agent from its run: the device, the generators, and the place where episodes are counted."""

    statistics: EpisodeCounter
    """Counts the episodes that end."""
    device: torch.device
    """Where the network lives."""
    shuffling: torch.Generator
    """Orders the samples of an update; on the CPU."""
    acting: torch.Generator
    """Draws the actions; on the device of the network."""
    ranks: Ranks = ALONE
    """The processes that train the same network."""
