"""Weights of the terms of a reward, as the argument `reward_weights` of a task gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from mmrl.settings.documents import build, fit

_NAME = "reward_weights."


@dataclass(frozen=True)
class RewardWeights:
    """Weights by the names of the terms: a subclass has a field for each, the usual weight its default."""

    def __post_init__(self) -> None:
        """Raises ValueError for a weight that is no finite number."""
        fit(self, _NAME)
        for name, weight in vars(self).items():
            if not math.isfinite(weight):
                raise ValueError(f"{_NAME}{name} must be finite, got {weight}")


W = TypeVar("W", bound=RewardWeights)


def weights_with(kind: type[W], changed: Mapping[str, float] | None) -> W:
    """The usual weights, some changed. Raises ValueError for an unknown name, and lists those there are."""
    if not isinstance(changed or {}, Mapping):
        raise ValueError(f"reward_weights are a mapping from names to weights, got {changed!r}")
    return build(kind, changed or {}, _NAME)
