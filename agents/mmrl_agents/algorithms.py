"""The learning algorithms by name, each behind the same few calls.

An algorithm reads top to bottom in a file of its own; here it meets the worlds of a training run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import torch
from gymnasium.vector import VectorEnv

from mmrl.modality import Modality
from mmrl.policy import ActorCritic
from mmrl_agents.experience.episode_errors import EpisodeErrors
from mmrl_agents.experience.episodes import Ended, EpisodeStatistics
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.sense_dropout import SenseDropout
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.learning.ppo import PPO
from mmrl_agents.learning.reinforce import Reinforce
from mmrl_agents.learning.sb3_algorithms import ALGORITHMS, SB3Algorithm
from mmrl_agents.networks import Network
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.worlds.making import action_space_of


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
        """Learn from what was collected; returns metrics."""

    def set_progress(self, fraction: float) -> float:
        """Set all schedules for the done fraction of the training, 0 to 1; returns the step size."""

    def state_dict(self) -> dict[str, object]:
        """Optimiser, schedules and random states: tensors and plain Python."""

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Undo `state_dict`."""

    def carry_over(self) -> dict[str, Any]:
        """What is under way in the worlds between two updates: tensors, arrays and plain Python."""

    def carry_on(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """Undo `carry_over` in place of `start`; the worlds must stand where they stood."""

    def ended(self) -> list[Ended]:
        """The episodes that ended in the last `warm_up` or `collect`, after the `update` with their scores."""

    @property
    def trouble(self) -> str:
        """Where the last update that was left out met a number that is not finite."""


@dataclass(frozen=True, eq=False)
class Setting:
    """What an agent is built from."""

    config: TrainConfig
    envs: VectorEnv[Any, Any, Any]
    modalities: Mapping[str, Modality]
    policy: Network
    statistics: EpisodeStatistics
    device: torch.device
    shuffling: torch.Generator
    """On the CPU."""
    acting: torch.Generator
    """On the device of the policy."""

    def dropout(self) -> SenseDropout | None:
        """What takes senses away in training; None where nothing does."""
        config = self.config
        senses = tuple(self.modalities)
        shares = config.dropped_senses(senses)
        return SenseDropout(senses, config.num_worlds, shares, config.seed) if shares else None


class PPOAgent:
    """Proximal policy optimisation over rollouts of fixed length."""

    begins_in_mid_episode = True
    scores_episodes = True

    def __init__(self, setting: Setting) -> None:
        config, policy = setting.config, setting.policy
        assert isinstance(policy, ActorCritic)
        storage = RolloutStorage(
            config.ppo.num_steps,
            config.num_worlds,
            setting.modalities,
            action_space_of(setting.envs),
            policy.privileged_size,
            setting.device,
        )
        self.ppo = PPO(policy, config.ppo, setting.shuffling)
        self.rollout = Rollout(setting.envs, policy, storage, setting.statistics, setting.acting, setting.dropout())
        self.start = self.rollout.start
        self.set_progress = self.ppo.set_progress
        self.state_dict = self.ppo.state_dict
        self.load_state_dict = self.ppo.load_state_dict
        self._errors = EpisodeErrors(config.num_worlds)
        self._ended: list[Ended] = []

    @property
    def trouble(self) -> str:
        """As of `PPO`."""
        return self.ppo.trouble

    def warm_up(self) -> int:
        """A rollout for the running statistics alone.

        Otherwise the first update would meet readings on a scale that the second one does not.
        """
        steps = self.collect()
        self._ended = [replace(ended, episode=None) for ended in self.rollout.ended]
        self.rollout.learn_statistics()
        return steps

    def collect(self) -> int:
        """One rollout."""
        self.rollout.collect()
        return self.rollout.storage.num_steps * self.rollout.storage.num_worlds

    def update(self) -> dict[str, float]:
        """The epochs over the rollout, then the running statistics."""
        storage, ended = self.rollout.storage, self.rollout.ended
        metrics = self.ppo.update(storage)
        errors = (storage.returns - storage.values[:-1]).abs().double().cpu().numpy()
        scores = self._errors.means(errors, [(end.row, end.world) for end in ended])
        self._ended = [replace(end, score=score) for end, score in zip(ended, scores, strict=True)]
        self.rollout.learn_statistics()
        return metrics

    def ended(self) -> list[Ended]:
        """Scored by the mean |advantage| of their steps, "L1 value loss" in Jiang et al. 2021."""
        return self._ended

    def carry_over(self) -> dict[str, Any]:
        """The last observation, the episodes so far and their scores."""
        return {"rollout": self.rollout.state_dict(), "errors": self._errors.state_dict()}

    def carry_on(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """The worlds restart by themselves, without options."""
        self.rollout.load_state_dict(state["rollout"])
        self._errors.load_state_dict(state["errors"])


class ReinforceAgent:
    """REINFORCE, the policy gradient over batches of whole games."""

    begins_in_mid_episode = False
    scores_episodes = False

    def __init__(self, setting: Setting) -> None:
        assert isinstance(setting.policy, ActorCritic)
        self.reinforce = Reinforce(
            setting.envs,
            setting.policy,
            setting.config.reinforce,
            setting.statistics,
            setting.acting,
            setting.dropout(),
            setting.config.episode_limit,
        )
        self.start = self.reinforce.start
        self.collect = self.reinforce.collect
        self.update = self.reinforce.update
        self.set_progress = self.reinforce.set_progress
        self.state_dict = self.reinforce.state_dict
        self.load_state_dict = self.reinforce.load_state_dict

    @property
    def trouble(self) -> str:
        """As of `Reinforce`."""
        return self.reinforce.trouble

    def warm_up(self) -> int:
        """Nothing is needed."""
        return 0

    def ended(self) -> list[Ended]:
        """Without scores: returns of whole games leave no expectation to be wrong about."""
        return self.reinforce.games.ended

    def carry_over(self) -> dict[str, Any]:
        """The contexts of the games that the last batch left unfinished."""
        return self.reinforce.games.state_dict()

    def carry_on(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """The next batch begins with a reset of all worlds."""
        self.reinforce.games.load_state_dict(state, options)


def _neighbour(algorithm: SB3Algorithm) -> Callable[[Setting], Agent]:
    """An agent of Stable-Baselines3, loaded when it is made."""

    def build(setting: Setting) -> Agent:
        from mmrl_agents.sb3.agent import make_agent

        return make_agent(setting)

    build.__doc__ = algorithm.summary
    return build


AGENTS: Mapping[str, Callable[[Setting], Agent]] = MappingProxyType(
    {
        "ppo": PPOAgent,
        "reinforce": ReinforceAgent,
        **{name: _neighbour(algorithm) for name, algorithm in ALGORITHMS.items()},
    }
)
"""Algorithms by the name that a training run uses."""
