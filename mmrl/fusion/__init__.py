"""Join the encodings of several senses into one vector, whichever of them are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmrl.fusion.base import Fusion, FusionOptions
from mmrl.fusion.simple import ConcatFusion

__all__ = ["FUSIONS", "ConcatFusion", "Fusion", "FusionOptions", "find_fusion", "make_fusion"]

FUSIONS: dict[str, type[Fusion]] = {
    "concat": ConcatFusion,
}
"""Fusions by the name that a policy configuration uses; add your own here."""


def find_fusion(name: str, options: Mapping[str, Any] | None = None) -> tuple[type[Fusion], FusionOptions]:
    """The fusion of that name and its options, those not given at their defaults.

    ValueError for a name or an option that does not exist, and for a value out of bounds.
    """
    if name not in FUSIONS:
        raise ValueError(f"unknown fusion {name!r}; known fusions: {', '.join(sorted(FUSIONS))}")
    options_type, given = FUSIONS[name].options_type, options or {}
    known = [field.name for field in fields(options_type)]
    unknown = ", ".join(repr(key) for key in given if key not in known)
    if unknown:
        raise ValueError(f"fusion {name!r} has no option {unknown}; it has {', '.join(known) or 'none'}")
    # JSON and YAML know lists where an option is a tuple.
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    return FUSIONS[name], options_type(**values)


def make_fusion(name: str, sizes: Mapping[str, int], features: int, options: Mapping[str, Any] | None = None) -> Fusion:
    """An untrained fusion of senses with encodings of `sizes`; ValueError as `find_fusion`."""
    fusion, chosen = find_fusion(name, options)
    return fusion(sizes, features, chosen)
