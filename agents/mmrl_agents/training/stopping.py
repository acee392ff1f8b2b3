"""When a training ends by itself: steps or time are used up, a goal is reached, or it makes no sense to go on."""

import warnings
from collections.abc import Callable, Iterator, Mapping

from mmrl_agents.experience.episodes import RETURN_WINDOW, EpisodeStatistics
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.judge import SUCCESS

StopWhen = Callable[[int, Mapping[str, float]], str | None]
"""From the step and the metrics of an update to why a training is over, or None."""


def never(step: int, metrics: Mapping[str, float]) -> None:
    """No further reason to stop."""


class IdleGoal(UserWarning):
    """A training is to stop at a figure that its worlds do not report."""


class Stopping:
    """The reasons of one training to stop, from its settings and the metrics of its updates."""

    def __init__(self, config: TrainConfig, statistics: EpisodeStatistics) -> None:
        self.config, self.statistics = config, statistics
        self.skipped = 0
        """Gradient steps that were left out in all."""
        self.failures_in_a_row = 0
        """Newest updates that left any out."""
        self._idle_goals: set[str] = set()

    def count_failures(self, skipped: float) -> None:
        """Note how many gradient steps an update left out."""
        self.skipped += int(skipped)
        self.failures_in_a_row = self.failures_in_a_row + 1 if skipped else 0

    def failure(self, last_error: str) -> str | None:
        """Why there is no sense in going on, or None: too many updates that were not finite."""
        if self.failures_in_a_row < self.config.most_failed_updates:
            return None
        return (
            f"{self.failures_in_a_row} updates in a row met numbers that are not finite, {self.skipped} gradient steps "
            f"were left out in all; the last one for {last_error}"
        )

    def reason(self, step: int, seconds: float, metrics: Mapping[str, float], arrived: bool) -> str | None:
        """Why the training is over after so many steps and seconds, or None.

        Goals seen in training count once a curriculum has `arrived`: it begins with what is easy.
        """
        if step >= self.config.total_steps:
            return "all steps done"
        limit = self.config.time_limit_minutes
        if limit is not None and seconds >= 60 * limit:
            return f"the time limit of {limit} min is reached"
        return next(self._goals_reached(metrics, arrived), None)

    def _goals_reached(self, metrics: Mapping[str, float], arrived: bool) -> Iterator[str]:
        config, recent = self.config, self.statistics.recent
        goal, rate = config.stop_at_success, metrics.get("success_rate", 0.0)
        if goal is not None and len(recent) == recent.maxlen and arrived and rate >= goal:
            yield f"success rate {rate:.1%} reached {goal:.1%}"
        goal, judged = config.stop_at_judged_success, metrics.get(SUCCESS)
        if goal is not None and judged is not None and judged >= goal:
            yield f"judged success rate {judged:.1%} reached {goal:.1%}"
        goal, mean = config.stop_at_return, self.statistics.mean_of_newest()
        if goal is not None and mean is not None and mean >= goal and arrived:
            yield f"mean return {mean:.2f} of the last {RETURN_WINDOW} episodes reached {goal:g}"

    def require_reported(self, goal: str, metric: str, metrics: Mapping[str, float]) -> None:
        """Warn, once, of a goal that is never reached because the worlds say nothing of it."""
        if vars(self.config)[goal] is None or metric in metrics or goal in self._idle_goals:
            return
        self._idle_goals.add(goal)
        text = f"{goal} has no effect: no episode of {self.config.env} reported success: is_success or success in infos"
        warnings.warn(text, IdleGoal, stacklevel=3)
