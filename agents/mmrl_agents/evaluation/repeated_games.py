"""Games that repeat each other where nothing is drawn, and the sticky actions that make every game another.

The probability is that of Machado et al. 2018, "Revisiting the Arcade Learning Environment", section 5.
"""

import dataclasses
from collections.abc import Callable

from mmrl.arrays import Envs
from mmrl.evaluation.rates import Report
from mmrl_envs.multimodal import describing

STICKY = 0.25
"""Probability with which a frame repeats the action before it."""
_LABEL = f"sticky actions {STICKY}"


def draws_nothing(envs: Envs) -> bool:
    """Whether the worlds draw nothing after the start: a deterministic policy then repeats the games of one start."""
    return describing(envs).different_games is not None


def beside_sticky(report: Report, sticky: Report) -> Report:
    """The report on games that repeat each other, with a row of those that sticky actions make all different."""
    rows = [dataclasses.replace(row, repeats=True) for row in report.rows]
    return dataclasses.replace(report, rows=(*rows, dataclasses.replace(sticky.rows[0], label=_LABEL)))


def under_sticky(progress: Callable[[str, int], None]) -> Callable[[str, int], None]:
    """The progress of the games with sticky actions, under the label of their row."""
    return lambda _, done: progress(_LABEL, done)


def about_repeats(different: int, episodes: int) -> str:
    """Sentences on a report whose `episodes` are only so many different games."""
    return (
        f"A policy that draws nothing repeats its games: {different} of these {episodes} were "
        "different, and the figures count each once. With sticky actions every frame repeats the action before it "
        f"with probability {STICKY}, so that no game is like another."
    )
