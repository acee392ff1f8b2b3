"""Figures that a sweep makes small or large, all of success with the best actions while a training is judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mmrl_agents.comparing.compare import AXES, crossing
from mmrl_agents.training.judge import RETURN, SUCCESS

_OVER: Mapping[str, str] = {"steps_to": "steps", "seconds_to": "time"}
_LAST: Mapping[str, str] = {"success": SUCCESS, "return": RETURN}


@dataclass(frozen=True)
class Aim:
    """A figure of a finished training that a sweep makes small or large."""

    kind: str
    """steps_to, seconds_to, success or return."""
    goal: float | None
    """The judged success whose first crossing counts; None where the last figure does."""

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Where Optuna takes it."""
        return "maximize" if self.goal is None else "minimize"

    def value(self, log: Sequence[Mapping[str, Any]]) -> float:
        """The figure by what was logged; NaN where nothing was judged.

        A training that did not reach the goal counts by where it ended, up to twice that for one without any success,
        so that the search still learns which came nearer.
        """
        if self.goal is None:
            known = [float(line[_LAST[self.kind]]) for line in log if _LAST[self.kind] in line]
            return known[-1] if known else math.nan
        axis = AXES[_OVER[self.kind]]
        at, best = crossing(log, SUCCESS, self.goal, axis), max((line.get(SUCCESS, 0.0) for line in log), default=0.0)
        return at if math.isfinite(at) else float(log[-1][axis]) * (2.0 - best / self.goal) if log else math.nan

    def reached(self, log: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the goal was reached, if there is one."""
        return self.goal is None or math.isfinite(crossing(log, SUCCESS, self.goal))


def parse_objective(text: str) -> Aim:
    """An objective from its words, such as steps_to:0.95; ValueError naming those there are."""
    kind, colon, goal = text.partition(":")
    if not colon and kind in _LAST:
        return Aim(kind, None)
    try:
        share = float(goal)
    except ValueError:
        share = math.nan
    if kind not in _OVER or not 0 < share <= 1:
        raise ValueError(
            f"--objective is steps_to:GOAL or seconds_to:GOAL with a goal in (0, 1], success or return; got {text!r}"
        )
    return Aim(kind, share)
