"""Frozen dataclasses from plain values, as JSON and YAML have them, checked against their annotations.

Understood are numbers, strings, booleans, None, `Any`, literals, unions, tuples, mappings, paths and further
dataclasses. A whole number may stand for a fraction, a fraction without a remainder (1e6) for a whole number, a number
of NumPy for one of Python, a list for a tuple, a string for a path.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

import numpy as np

Built = TypeVar("Built")

_MOST_NESTED = 20
"""Levels of lists and mappings in what is free in kind."""


class Misfit(ValueError):
    """A value that its annotation does not admit."""


def build(cls: type[Built], document: Mapping[str, Any], prefix: str = "") -> Built:
    """An object of the dataclass `cls` from a mapping of its fields.

    `prefix` stands before the names of fields in messages. Raises ValueError naming fields that do not exist or are
    missing, values of the wrong kind, and whatever the dataclass itself refuses.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # the caller's promise
    hints = _hints(cls)
    unknown = sorted(str(name) for name in document if name not in fields)
    if unknown:
        raise Misfit(f"{cls.__name__} has no {', '.join(unknown)}; it has {', '.join(fields) or 'none'}")
    missing = [name for name, field in fields.items() if name not in document and _required(field)]
    if missing:
        raise Misfit(f"{cls.__name__} lacks {', '.join(missing)}")
    return cls(**{name: _fitted(hints[name], value, prefix + name) for name, value in document.items()})


def fit(instance: Any, prefix: str = "") -> None:
    """Bring every field of a frozen dataclass to what its annotation says, from its `__post_init__`.

    So 1e6 and `np.int64(8)` become whole numbers of Python before anything is recorded. Raises ValueError naming the
    field, `prefix` before it, its kind and the value where that is not possible, such as 2.5 for a whole number. A
    whole number that stands for a fraction stays one, as descriptions on record have it.
    """
    for name, hint in _hints(type(instance)).items():
        if name in vars(instance):
            object.__setattr__(instance, name, _fitted(hint, vars(instance)[name], prefix + name, widen=False))


_known_hints: dict[Any, dict[str, Any]] = {}


def _hints(cls: type[Any]) -> dict[str, Any]:
    """The annotation of each field; looking it up takes longer than all else."""
    if cls not in _known_hints:
        hints = typing.get_type_hints(cls, include_extras=True)
        _known_hints[cls] = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return _known_hints[cls]


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _fitted(hint: Any, value: Any, name: str, widen: bool = True) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _fitted(inner[0], value, name, widen)
    if origin in (types.UnionType, Union):
        return _fitted_to_one_of(inner, hint, value, name, widen)
    if origin is Literal:
        if any(type(value) is type(option) and value == option for option in inner):
            return value
        raise Misfit(f"{name} must be one of {', '.join(map(repr, inner))}, got {value!r}")
    if origin is tuple:
        return _fitted_tuple(inner, hint, value, name, widen)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(typing.cast(type[Any], hint), value, f"{name}.")
    kind = hint if origin is None else origin
    if kind in (dict, Mapping) and inner and isinstance(value, Mapping):
        if inner[1] is Any:
            return _recordable(value, name)
        return {str(key): _fitted(inner[1], item, f"{name}.{key}", widen) for key, item in value.items()}
    if kind is Path and isinstance(value, str):
        return Path(value)
    value = _plain(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is Any or _is(kind, value):
        return float(value) if kind is float and widen else value
    raise Misfit(f"{name} must be {_spelled(hint)}, got {value!r}")


def _plain(value: Any) -> Any:
    """A number of Python in place of one of NumPy."""
    return value.item() if isinstance(value, np.generic) else value


def _recordable(value: Any, name: str, depth: int = 0) -> Any:
    """A value of any kind as JSON has it: what is written to a file is what is used.

    Raises Misfit for what JSON has no word for, an object or a number that is not finite, and for nesting without end.
    """
    if depth > _MOST_NESTED:
        raise Misfit(f"{name} is nested more than {_MOST_NESTED} deep, or contains itself")
    value = _plain(value.tolist() if isinstance(value, np.ndarray) else value)
    if isinstance(value, Mapping):
        if strange := [key for key in value if not isinstance(key, str)]:
            raise Misfit(f"{name} must have words as keys, got {strange[0]!r}")
        return {key: _recordable(item, f"{name}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_recordable(item, f"{name}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise Misfit(f"{name} must be finite, got {value}")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    raise Misfit(f"{name} must be made of numbers, words, lists and mappings, got {value!r}")


def _fitted_to_one_of(options: tuple[Any, ...], hint: Any, value: Any, name: str, widen: bool) -> Any:
    for option in options:
        try:
            return _fitted(option, value, name, widen)
        except Misfit:
            continue
    raise Misfit(f"{name} must be {_spelled(hint)}, got {value!r}")


def _fitted_tuple(inner: tuple[Any, ...], hint: Any, value: Any, name: str, widen: bool) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise Misfit(f"{name} must be {_spelled(hint)}, got {value!r}")
    hints = inner[:1] * len(value) if inner[1:] == (Ellipsis,) else inner
    if len(hints) != len(value):
        raise Misfit(f"{name} must be {_spelled(hint)}, got {value!r}")
    return tuple(_fitted(each, item, name, widen) for each, item in zip(hints, value, strict=True))


def _is(kind: Any, value: Any) -> bool:
    """Whether the value is of a class; a boolean is no number, and no fraction is as large as some whole numbers."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float and isinstance(value, int):
        return abs(value) <= sys.float_info.max
    return isinstance(kind, type) and isinstance(value, kind)


def _spelled(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
