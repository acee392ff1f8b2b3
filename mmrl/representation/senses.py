"""The senses that an objective is about, and their rows.

Shapes: B rows, D numbers of an encoding, or K tokens of D numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmrl.inputs import Presence, blanked
from mmrl.perception import Perception
from mmrl.representation.base import Batch

Names = str | tuple[str, ...]
"""Senses by name: one, or several."""


def chosen_senses(objective: str, does: str, named: Names, perception: Perception, least: int = 1) -> list[str]:
    """The senses that are named, or all that a perception has.

    Raises ValueError, naming the objective and all senses, for one that the perception lacks and for fewer than
    `least`.
    """
    listed = ", ".join(perception.modalities)
    names = [named] if isinstance(named, str) else list(dict.fromkeys(named))
    for name in names:
        if name not in perception.modalities:
            raise ValueError(f"objective {objective!r} {does} {name!r}, the senses are {listed}")
    names = names or list(perception.modalities)
    if len(names) < least:
        raise ValueError(f"objective {objective!r} needs {least} senses or more, got {', '.join(names)} of {listed}")
    return names


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every two of some senses."""
    return list(itertools.combinations(names, 2))


def encoding_size(perception: Perception, name: str) -> int:
    """Numbers of the encoding of a sense, those of its tokens side by side."""
    size = perception.encoder(name).size
    return size if isinstance(size, int) else math.prod(size)


def reading_of(batch: Batch, name: str) -> Tensor:
    """The readings of a sense, zeros where it is absent."""
    return blanked(batch.observations[name], mask_of(batch.present, name))


def mask_of(present: Presence | None, name: str) -> Tensor | None:
    """Where a sense is there, bool (B,); None where it always is."""
    return None if present is None else present.get(name)


def rows_with(batch: Batch, names: Sequence[str]) -> Tensor | None:
    """Where all of some senses are there, bool (B,); None where they always are."""
    masks = [mask for name in names if (mask := mask_of(batch.present, name)) is not None]
    return torch.stack(masks).all(dim=0) if masks else None


def mean_over(errors: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of errors (B,) over rows, 0 over none; a scalar."""
    return errors.mean() if mask is None else torch.where(mask, errors, 0).sum() / mask.sum().clamp(min=1)


def total(losses: Sequence[Tensor]) -> Tensor:
    """The mean of losses, scalars."""
    return torch.stack(list(losses)).mean()
