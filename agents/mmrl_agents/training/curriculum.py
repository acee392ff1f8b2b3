"""A curriculum in charge of the worlds of a training run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import Envs
from mmrl.curriculum import CURRICULA, Curriculum, EpisodeResult, make_curriculum
from mmrl_agents.experience.episodes import Ended
from mmrl_agents.machine.ranks import ALONE, Ranks
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.worlds.making import require_context_known
from mmrl_envs.multimodal import describing

PREFIX = "curriculum/"
"""The beginning of the names of a curriculum's metrics."""


class WorldCurriculum:
    """Hands worlds the contexts that a curriculum chooses, and the curriculum the outcome of their episodes."""

    def __init__(self, curriculum: Curriculum, envs: Envs, env_id: str, ranks: Ranks = ALONE) -> None:
        """The curriculum knows the worlds by their numbers over all `ranks`, each of which has the same curriculum.

        Raises ValueError where the environment takes no context, or not what the curriculum varies.
        """
        for end in (curriculum.space.target, curriculum.space.easiest):
            require_context_known(env_id, end, envs)
        self.rule, self._first_world, self._ranks = curriculum, describing(envs).first_world, ranks
        describing(envs).context_source = self._contexts

    def update(self, ended: Sequence[Ended], step: int) -> list[dict[str, Any]]:
        """Take in the episodes of all ranks that ended up to an environment step; a record of each that counts."""
        drawn = self._ranks.gather(self.rule.hand_over())
        self.rule.note(sorted(drawn, key=lambda of_world: of_world[0]))  # so that who has a world does not matter
        for end in ended:
            self.rule.finished(end.world, end.context, _result_of(end))
        self.rule.set_step(step)
        return [self._record(end, step) for end in ended if end.episode is not None]

    def metrics(self) -> dict[str, float]:
        """The curriculum's, under names of their own."""
        return {PREFIX + name: value for name, value in self.rule.metrics().items()}

    @property
    def has_arrived(self) -> bool:
        """Whether success is that on the hardest level there is, for curricula that have levels."""
        return self.rule.metrics().get("level", 1.0) >= 1.0

    def _contexts(self, worlds: NDArray[np.intp]) -> list[dict[str, Any]]:
        return [dict(context) for context in self.rule.sample((self._first_world + worlds).tolist())]

    def _record(self, end: Ended, step: int) -> dict[str, Any]:
        space, episode = self.rule.space, end.episode
        context = {name: end.context[name] for name in space.names}
        return {
            "step": step,
            "world": end.world,
            "context": context,
            "difficulty": space.difficulty(context),
            "success": None if episode is None else episode.success,
        }


def make_world_curriculum(
    config: TrainConfig, envs: Envs, seed: int, *, scores: bool, ranks: Ranks = ALONE
) -> WorldCurriculum | None:
    """The curriculum of the worlds of a training run, None where its context is fixed.

    Raises ValueError for a curriculum that needs scores of episodes where the agent gives none.
    """
    if config.curriculum is None:
        return None
    if CURRICULA[config.curriculum].needs_scores and not scores:
        raise ValueError(
            f"curriculum {config.curriculum!r} goes by how wrong the critic is; agent {config.agent!r} has none"
        )
    curriculum = make_curriculum(config.curriculum, config.vary, seed, config.curriculum_options)
    return WorldCurriculum(curriculum, envs, config.env, ranks)


def _result_of(end: Ended) -> EpisodeResult | None:
    if end.episode is None:
        return None
    return EpisodeResult(end.episode.success, end.episode.total_reward, end.score)
