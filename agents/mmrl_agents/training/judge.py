"""Judging a policy while it trains: the same episodes again and again, on what the training aims at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from mmrl.evaluation.episodes import joined_episodes
from mmrl.evaluation.rates import Row, divisor_worlds, evaluate
from mmrl_agents.learning.agent import Network
from mmrl_agents.machine.ranks import ALONE, Ranks
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.worlds.global_random import spared
from mmrl_envs.multimodal import describing

SUCCESS = "judged/success_rate"
RETURN = "judged/mean_return"
CUT = "judged/cut_episodes"
NOT_FINITE = "judged/not_finite_episodes"

# Most worlds side by side; the episodes are spread evenly over fewer where they must be.
_WORLDS = 64


class _Stopped(Exception):
    """Somebody asked the training to end."""


class Judge:
    """Plays fixed episodes with the best actions, in worlds of its own.

    A curriculum and exploration move the success seen in training; this one is comparable from one update to the next
    and from one run to another. Nothing of the training is touched, its random streams included. Steps taken here
    count nowhere.
    """

    def __init__(self, config: TrainConfig, policy: Network, seed: int, ranks: Ranks = ALONE) -> None:
        """Judges `policy` as `config` says, on episodes that follow from `seed` and that all `ranks` share."""
        assert config.judge_every is not None
        self._every, self._seed, self._ranks = config.judge_every, seed, ranks
        worlds = divisor_worlds(config.judge_episodes, _WORLDS)
        share = ranks.share(worlds, "the number of worlds that judge_episodes are played in")
        self._episodes = config.judge_episodes // worlds * len(share)
        self._envs = config.worlds.in_this_process().make(len(share))
        describing(self._envs).first_world = share.start
        self._policy = TorchPolicy(policy, self._envs.single_action_space)
        self._options = {"context": config.target_context} if config.target_context else None
        self._longest = config.episode_limit

    def is_due(self, before: int, after: int) -> bool:
        """Whether the steps from `before` to `after` completed another `judge_every`."""
        return before // self._every < after // self._every

    def metrics(self, stopping: Callable[[], bool] = lambda: False) -> dict[str, float]:
        """Mean return and, where the environment tells it, the success rate at the end of the episodes.

        Episodes that were cut or met a number that is not finite are counted where there are any. Nothing comes of an
        evaluation during which `stopping` becomes true.
        """

        def go_on(label: str, finished: int) -> None:
            if stopping():
                raise _Stopped

        played: list[Row] = []
        with suppress(_Stopped), spared():  # which judging seeds, and worlds of other packages draw from
            played = [self._evaluate(go_on)]
        if self._ranks.any(not played):
            return {}
        row = self._of_all(played[0])
        rate = row.success_at_end.rate
        counts = {CUT: row.episodes.cut.sum(), NOT_FINITE: row.episodes.not_finite.sum()}
        return {
            **({} if rate is None else {SUCCESS: rate}),
            RETURN: float(row.episodes.episode_return.mean()),
            **{name: float(count) for name, count in counts.items() if count},
        }

    def _of_all(self, row: Row) -> Row:
        """The row of the episodes of all ranks."""
        return Row(row.label, row.absent, joined_episodes(self._ranks.gather([row.episodes])))

    def _evaluate(self, progress: Callable[[str, int], None]) -> Row:
        report = evaluate(
            self._envs,
            lambda: self._policy,
            self._episodes,
            self._seed,
            options=self._options,
            progress=progress,
            longest=self._longest,
        )
        return report.rows[0]

    def close(self) -> None:
        """Close the worlds."""
        self._envs.close()
