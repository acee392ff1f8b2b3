"""The agent of REINFORCE: batches of whole games, each followed by an update."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.experience.episodes import Ended
from mmrl_agents.experience.games import Games
from mmrl_agents.learning.agent import Resources, Setting
from mmrl_agents.learning.reinforce import Reinforce


class ReinforceAgent:
    """REINFORCE, the policy gradient over batches of whole games."""

    begins_in_mid_episode = False
    scores_episodes = False

    def __init__(self, setting: Setting, policy: ActorCritic, resources: Resources) -> None:
        games = Games(
            setting.envs, policy, resources.statistics, resources.acting, setting.dropout(), setting.episode_limit
        )
        self.reinforce = Reinforce(games, setting.settings, resources.ranks)
        self._acting, self._ranks = resources.acting, resources.ranks
        self.start = self.reinforce.start
        self.update = self.reinforce.update
        self.set_progress = self.reinforce.set_progress
        self.state_dict = self.reinforce.state_dict
        self.load_state_dict = self.reinforce.load_state_dict

    @property
    def last_error(self) -> str:
        """The last error of `Reinforce`."""
        return self.reinforce.last_error

    def warm_up(self) -> int:
        """Nothing is needed."""
        return 0

    def collect(self) -> int:
        """A batch of games, whose actions each rank draws by itself: they end at times of their own."""
        with self._drawing_apart():
            return self.reinforce.collect()

    @contextmanager
    def _drawing_apart(self) -> Iterator[None]:
        """The first rank draws on from where all are, and the others from seeds; in the end all are where it is."""
        if not self._ranks.is_first:
            (seed,) = torch.randint(2**31, (1,), generator=self._acting, device=self._acting.device).tolist()
            self._acting.manual_seed(seed + self._ranks.index)
        yield
        self._acting.set_state(self._ranks.agree(self._acting.get_state()))

    def ended(self) -> list[Ended]:
        """Without scores: returns of whole games leave no expectation to be wrong about."""
        return self.reinforce.games.ended

    def rollout_state(self) -> dict[str, Any]:
        """The contexts of the games that the last batch left unfinished."""
        return self.reinforce.games.state_dict()

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """The next batch begins with a reset of all worlds."""
        self.reinforce.games.load_state_dict(state, options)
