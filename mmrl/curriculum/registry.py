"""Curricula by name, and their settings as they are written in a run configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmrl.curriculum.base import Curriculum, CurriculumConfig
from mmrl.curriculum.gated import Staged, SuccessGated
from mmrl.curriculum.learning_progress import LearningProgress
from mmrl.curriculum.prioritized import Prioritized
from mmrl.curriculum.schedules import Linear, Stepwise, Uniform
from mmrl.curriculum.space import ContextSpace
from mmrl.settings.documents import build

CURRICULA: dict[str, type[CurriculumConfig]] = {
    "uniform": Uniform,
    "linear": Linear,
    "stepwise": Stepwise,
    "staged": Staged,
    "success_gated": SuccessGated,
    "learning_progress": LearningProgress,
    "prioritized": Prioritized,
}
"""Settings by name; a new curriculum is one more entry."""


def curriculum_config(name: str, options: Mapping[str, Any] | None = None) -> CurriculumConfig:
    """The settings of a curriculum, some given as plain values such as YAML or JSON has.

    Raises ValueError on an unknown name or option, listing those there are, and on a value of the wrong kind or
    out of bounds.
    """
    if name not in CURRICULA:
        raise ValueError(f"unknown curriculum {name!r}; there are {', '.join(CURRICULA)}")
    try:
        return build(CURRICULA[name], options or {})
    except ValueError as error:
        raise ValueError(f"curriculum {name!r}: {error}") from error


def make_curriculum(
    name: str, settings: Mapping[str, Any], seed: int, options: Mapping[str, Any] | None = None
) -> Curriculum:
    """The curriculum at work over `ContextSpace.of(settings)`; raises ValueError as its parts do."""
    return curriculum_config(name, options).start(ContextSpace.of(settings), seed)
