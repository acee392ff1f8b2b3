"""The agent of PPO: rollouts of fixed length, each followed by an update."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.experience.episode_errors import EpisodeErrors
from mmrl_agents.experience.episodes import Ended
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.learning.agent import Resources, Setting
from mmrl_agents.learning.ppo import PPO
from mmrl_agents.worlds.making import action_space_of


class PPOAgent:
    """Proximal policy optimisation over rollouts of fixed length."""

    begins_in_mid_episode = True
    scores_episodes = True

    def __init__(self, setting: Setting, policy: ActorCritic, resources: Resources) -> None:
        config, envs = setting.settings, setting.envs
        storage = RolloutStorage(
            config.num_steps, envs.num_envs, policy.senses, action_space_of(envs), resources.device
        )
        self.ppo = PPO(policy, config, resources.shuffling, resources.ranks)
        self.rollout = Rollout(
            envs, policy, storage, resources.statistics, resources.acting, setting.dropout(), resources.ranks
        )
        storage.portions(config.minibatch_size, resources.ranks)  # refuses, before anything is played, what cannot be
        self.start = self.rollout.start
        self.set_progress = self.ppo.set_progress
        self.state_dict = self.ppo.state_dict
        self.load_state_dict = self.ppo.load_state_dict
        self._errors = EpisodeErrors(envs.num_envs)
        self._ended: list[Ended] = []

    @property
    def last_error(self) -> str:
        """The last error of `PPO`."""
        return self.ppo.last_error

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

    def rollout_state(self) -> dict[str, Any]:
        """The last observation, the episodes so far and their scores."""
        return {"rollout": self.rollout.state_dict(), "errors": self._errors.state_dict()}

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """The worlds restart by themselves, without options."""
        self.rollout.load_state_dict(state["rollout"])
        self._errors.load_state_dict(state["errors"])
