"""Judging a policy while it trains: the same episodes again and again, on what the training aims at."""

from __future__ import annotations

from mmrl.evaluation import divisor_worlds, evaluate
from mmrl_agents.config import TrainConfig, make_envs, world_kwargs
from mmrl_agents.networks import Network
from mmrl_agents.torch_policy import TorchPolicy
from mmrl_agents.worlds.global_random import spared

SUCCESS = "judged/success_rate"
RETURN = "judged/mean_return"

# Most worlds side by side; the episodes are spread evenly over fewer where they must be.
_WORLDS = 64


class Judge:
    """Plays fixed episodes with the best actions, in worlds of its own.

    A curriculum and exploration move the success seen in training; this one is comparable from one update to the next
    and from one run to another. Nothing of the training is touched, its random streams included. Steps taken here
    count nowhere.
    """

    def __init__(self, config: TrainConfig, policy: Network, seed: int) -> None:
        """Judges `policy` as `config` says, on episodes that follow from `seed`."""
        assert config.judge_every is not None
        self._every, self._episodes, self._seed = config.judge_every, config.judge_episodes, seed
        worlds = divisor_worlds(self._episodes, _WORLDS)
        self._envs = make_envs(config.env, worlds, world_kwargs(config), config.modalities)
        self._policy = TorchPolicy(policy, self._envs.single_action_space)
        self._options = {"context": config.target_context} if config.target_context else None

    def is_due(self, before: int, after: int) -> bool:
        """Whether the steps from `before` to `after` completed another `judge_every`."""
        return before // self._every < after // self._every

    def metrics(self) -> dict[str, float]:
        """Mean return and, where the environment tells it, the success rate at the end of the episodes."""
        with spared():  # which judging seeds, and worlds of other packages draw from
            row = evaluate(self._envs, lambda: self._policy, self._episodes, self._seed, options=self._options).rows[0]
        rate = row.success_at_end.rate
        figures = {RETURN: float(row.episodes.episode_return.mean())}
        return figures if rate is None else {SUCCESS: rate, **figures}

    def close(self) -> None:
        """Close the worlds."""
        self._envs.close()
