"""Losses on what is seen, one file for each, which teach encoders besides the loss of an algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmrl.representation.autoencoder import Autoencoder
from mmrl.representation.base import Batch, Objective, ObjectiveConfig, Timeline
from mmrl.representation.bimodal import Bimodal
from mmrl.representation.clip import Clip
from mmrl.representation.correlation import DeepCorrelation, DeepCorrelationAutoencoder, LinearCorrelation
from mmrl.representation.denoising import Denoising
from mmrl.representation.masked import Masked
from mmrl.representation.state import StateReadOut
from mmrl.representation.translation import Translation
from mmrl.representation.vision_touch import VisionTouch
from mmrl.settings.documents import build
from mmrl.settings.named import nested

__all__ = ["OBJECTIVES", "Batch", "Objective", "ObjectiveConfig", "Timeline", "objective_configs", "with_weights"]

OBJECTIVES: dict[str, type[ObjectiveConfig]] = {
    "state": StateReadOut,
    "autoencoder": Autoencoder,
    "denoising": Denoising,
    "bimodal": Bimodal,
    "clip": Clip,
    "cca": LinearCorrelation,
    "dcca": DeepCorrelation,
    "dccae": DeepCorrelationAutoencoder,
    "translation": Translation,
    "masked": Masked,
    "vision_touch": VisionTouch,
}
"""Settings of the objectives by the name that a training uses; add your own here."""


def objective_configs(settings: Mapping[str, Any]) -> dict[str, ObjectiveConfig]:
    """The objectives that settings by name ask for, such as {"state": {"weight": 0.5}}, or {"state": 0.5}.

    None in place of the settings of one leaves it out.

    Raises ValueError for an unknown name or setting, listing those there are, and for a value out of bounds.
    """
    configs = {}
    for name, given in with_weights(settings).items():
        if name not in OBJECTIVES:
            raise ValueError(f"unknown objective {name!r}; there are {', '.join(OBJECTIVES)}")
        if given is None:
            continue
        if not isinstance(given, Mapping):
            raise ValueError(f"objective {name!r} is set by {name}=WEIGHT and {name}.SETTING=VALUE, got {given!r}")
        try:
            configs[name] = build(OBJECTIVES[name], given)
        except ValueError as error:
            raise ValueError(f"objective {name!r}: {error}") from error
    return configs


def with_weights(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of objectives as a training has them, {"clip.weight": 0.05}, where a number alone is a weight."""
    return nested({f"{name}.weight" if _is_weight(name, given) else name: given for name, given in settings.items()})


def _is_weight(name: str, given: Any) -> bool:
    return "." not in name and isinstance(given, int | float) and not isinstance(given, bool)
