"""Losses on what is seen, one file for each, which teach encoders besides the loss of an algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmrl.representation.autoencoder import Autoencoder
from mmrl.representation.base import Batch, Objective, ObjectiveConfig
from mmrl.representation.state import StateReadOut
from mmrl.settings.documents import build

__all__ = ["OBJECTIVES", "Batch", "Objective", "ObjectiveConfig", "objective_configs"]

OBJECTIVES: dict[str, type[ObjectiveConfig]] = {
    "state": StateReadOut,
    "autoencoder": Autoencoder,
}
"""Settings of the objectives by the name that a training uses; add your own here."""


def objective_configs(settings: Mapping[str, Any]) -> dict[str, ObjectiveConfig]:
    """The objectives that settings by name ask for, such as {"state": {"weight": 0.5}}.

    None in place of the settings of one leaves it out.

    Raises ValueError for an unknown name or setting, listing those there are, and for a value out of bounds.
    """
    configs = {}
    for name, given in settings.items():
        if name not in OBJECTIVES:
            raise ValueError(f"unknown objective {name!r}; there are {', '.join(OBJECTIVES)}")
        if given is None:
            continue
        if not isinstance(given, Mapping):
            raise ValueError(f"objective {name!r} is set by {name}.weight=NUMBER and its other settings, got {given!r}")
        try:
            configs[name] = build(OBJECTIVES[name], given)
        except ValueError as error:
            raise ValueError(f"objective {name!r}: {error}") from error
    return configs
