"""Frozen dataclasses from plain values, as JSON and YAML have them, checked against their annotations.

Understood are numbers, strings, booleans, None, `Any`, literals, unions, tuples, mappings, paths and further
dataclasses. A whole number may stand for a fraction, a list for a tuple, a string for a path.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

Built = TypeVar("Built")


class Misfit(ValueError):
    """A value that its annotation does not admit."""


def build(cls: type[Built], document: Mapping[str, Any], prefix: str = "") -> Built:
    """An object of the dataclass `cls` from a mapping of its fields.

    `prefix` stands before the names of fields in messages. Raises ValueError naming fields that do not exist or are
    missing, values of the wrong kind, and whatever the dataclass itself refuses.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # the caller's promise
    hints = typing.get_type_hints(cls, include_extras=True)
    unknown = sorted(str(name) for name in document if name not in fields)
    if unknown:
        raise Misfit(f"{cls.__name__} has no {', '.join(unknown)}; it has {', '.join(fields) or 'none'}")
    missing = [name for name, field in fields.items() if name not in document and _required(field)]
    if missing:
        raise Misfit(f"{cls.__name__} lacks {', '.join(missing)}")
    return cls(**{name: _fitted(hints[name], value, prefix + name) for name, value in document.items()})


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _fitted(hint: Any, value: Any, name: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _fitted(inner[0], value, name)
    if origin in (types.UnionType, Union):
        return _fitted_to_one_of(inner, hint, value, name)
    if origin is Literal:
        if any(type(value) is type(option) and value == option for option in inner):
            return value
        raise Misfit(f"{name} must be one of {', '.join(map(repr, inner))}, got {value!r}")
    if origin is tuple:
        return _fitted_tuple(inner, hint, value, name)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(typing.cast(type[Any], hint), value, f"{name}.")
    kind = hint if origin is None else origin
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is Any or _is(kind, value):
        return float(value) if kind is float else value
    raise Misfit(f"{name} must be {_spelled(hint)}, got {value!r}")


def _fitted_to_one_of(options: tuple[Any, ...], hint: Any, value: Any, name: str) -> Any:
    for option in options:
        try:
            return _fitted(option, value, name)
        except Misfit:
            continue
    raise Misfit(f"{name} must be {_spelled(hint)}, got {value!r}")


def _fitted_tuple(inner: tuple[Any, ...], hint: Any, value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise Misfit(f"{name} must be {_spelled(hint)}, got {value!r}")
    hints = inner[:1] * len(value) if inner[1:] == (Ellipsis,) else inner
    if len(hints) != len(value):
        raise Misfit(f"{name} must be {_spelled(hint)}, got {value!r}")
    return tuple(_fitted(each, item, name) for each, item in zip(hints, value, strict=True))


def _is(kind: Any, value: Any) -> bool:
    """Whether the value is of a class; a boolean is no number, and no fraction is as large as some whole numbers."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float and isinstance(value, int):
        return abs(value) <= sys.float_info.max
    return isinstance(kind, type) and isinstance(value, kind)


def _spelled(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
