"""Curricula by name, and their settings as they are written in a run configuration."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from mmrl.curriculum.base import Curriculum, CurriculumConfig
from mmrl.curriculum.gated import Staged, SuccessGated
from mmrl.curriculum.learning_progress import LearningProgress
from mmrl.curriculum.prioritized import Prioritized
from mmrl.curriculum.schedules import Linear, Stepwise, Uniform
from mmrl.curriculum.space import ContextSpace

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
    config = CURRICULA[name]
    hints = typing.get_type_hints(config)
    known = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]  # every subclass is one
    unknown = sorted(str(option) for option in options or {} if option not in known)
    if unknown:
        raise ValueError(f"curriculum {name!r} has no option {', '.join(unknown)}; it has {', '.join(known) or 'none'}")
    values = {option: _fitted(name, option, hints[option], value) for option, value in (options or {}).items()}
    try:
        return config(**values)
    except ValueError as error:
        raise ValueError(f"curriculum {name!r}: {error}") from error


def make_curriculum(
    name: str, settings: Mapping[str, Any], seed: int, options: Mapping[str, Any] | None = None
) -> Curriculum:
    """The curriculum at work over `ContextSpace.of(settings)`; raises ValueError as its parts do."""
    return curriculum_config(name, options).start(ContextSpace.of(settings), seed)


def _fitted(name: str, option: str, hint: Any, value: Any) -> Any:
    """The value as the annotation wants it: a list as a tuple, a whole number where a fraction may stand."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for kind in kinds:
        if kind is type(None) and value is None:
            return None
        if typing.get_origin(kind) is tuple and isinstance(value, list | tuple):
            inner = typing.get_args(kind)
            if (Ellipsis in inner or len(value) == len(inner)) and all(_is(float, item) for item in value):
                return tuple(float(item) for item in value)
        elif isinstance(kind, type) and _is(kind, value):
            return kind(value)
    raise ValueError(f"curriculum {name!r}: {option} must be {_spelled(hint)}, got {value!r}")


def _is(kind: type, value: Any) -> bool:
    accepted: tuple[type, ...] = (int, float) if kind is float else (kind,)
    return isinstance(value, accepted) and not (isinstance(value, bool) and kind is not bool)


def _spelled(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)
