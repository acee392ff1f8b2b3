"""The compiled model of each world: copies of a few variants, edited, saved and put back.

N is the number of worlds.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import MODEL_FIELDS
from numpy.typing import NDArray

from mmrl_envs.physics.world import STATE_FIELDS


class WorldModels:
    """One model per world, each a copy of a compiled variant.

    Args:
        variants: compiled models of one layout; world i starts on a copy of the first.
        num_worlds: N.
    """

    def __init__(self, variants: Sequence[mujoco.MjModel], num_worlds: int) -> None:
        self.variants = tuple(variants)
        self.models = [copy.copy(self.variants[0]) for _ in range(num_worlds)]
        self._variant = np.zeros(num_worlds, np.intp)

    @property
    def chosen(self) -> NDArray[np.intp]:
        """The variant that each world is on, (N,): live, to be read."""
        return self._variant

    def choose(self, worlds: NDArray[np.intp], variants: NDArray[np.intp]) -> None:
        """Puts worlds (n,) on fresh copies of variants (n,) unless they are on them already."""
        for world, variant in zip(worlds.tolist(), variants.tolist(), strict=True):
            if self._variant[world] != variant:
                self.models[world] = copy.copy(self.variants[variant])
                self._variant[world] = variant

    def write(
        self, field: str, worlds: NDArray[np.intp], values: NDArray[Any], rows: NDArray[np.intp] | None = None
    ) -> None:
        """Sets a field in worlds (n,) to values (n, ...), or k rows of it to (n, k, ...).

        Raises ValueError if there is no such field, and for values of another shape.
        """
        _require_field(field)
        present = _read_field(self.variants[0], field)
        _require_fitting(field, values, (len(worlds), *(present if rows is None else present[rows]).shape))
        for world, value in zip(worlds.tolist(), values, strict=True):
            if rows is None:
                _write_field(self.models[world], field, value)
            else:
                _read_field(self.models[world], field)[rows] = value

    def read(self, field: str) -> NDArray[Any]:
        """A field of every world, (N, ...). Raises ValueError if there is no such field."""
        _require_field(field)
        return np.array([_read_field(model, field) for model in self.models])

    def state_dict(self) -> dict[str, Any]:
        """The variant of each world, and the fields in which some world differs from its variant, each (N, ...)."""
        return {"variant": self._variant.copy(), "fields": self._edited_fields()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`, on fresh copies of the variants."""
        for world, variant in enumerate(np.asarray(state["variant"]).tolist()):
            self.models[world] = copy.copy(self.variants[variant])
            self._variant[world] = variant
        for name, values in state["fields"].items():
            for model, value in zip(self.models, values, strict=True):
                if value is not None:  # else as in its variant
                    _write_field(model, name, np.asarray(value))

    def _edited_fields(self) -> dict[str, NDArray[Any]]:
        pairs = [(model, self.variants[i]) for model, i in zip(self.models, self._variant, strict=True)]
        return {
            name: np.array([_read_field(model, name) for model in self.models])
            for name in MODEL_FIELDS
            if not all(np.array_equal(_read_field(model, name), _read_field(variant, name)) for model, variant in pairs)
        }


def write_state(
    field: str, state: NDArray[Any], worlds: NDArray[np.intp], values: NDArray[Any], rows: NDArray[np.intp] | None
) -> None:
    """Sets a field of the state, (N, ...), as `WorldModels.write` sets one of the model."""
    of_a_world = state[0] if rows is None else state[0, rows]
    _require_fitting(field, values, (len(worlds), *of_a_world.shape))
    state[worlds if rows is None else np.ix_(worlds, rows)] = values


def _require_fitting(field: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if np.shape(values) != shape:
        raise ValueError(f"values to write to {field!r} need shape {shape}, got {np.shape(values)}")


def _require_field(field: str) -> None:
    if field not in MODEL_FIELDS:
        near = get_close_matches(field, (*STATE_FIELDS, *MODEL_FIELDS), n=5, cutoff=0.5)
        raise ValueError(
            f"there is no field {field!r} to write or read; similar are {', '.join(near) or 'none'}. There are "
            f"{', '.join(STATE_FIELDS)}, and the numeric fields of mujoco.MjModel, those of its options as opt.NAME"
        )


def _owner(model: mujoco.MjModel, field: str) -> tuple[Any, str]:
    """The object that has a field and its name there: those of MjOption are written "opt.name"."""
    head, dot, tail = field.partition(".")
    return (getattr(model, head), tail) if dot else (model, head)


def _read_field(model: mujoco.MjModel, field: str) -> NDArray[Any]:
    owner, name = _owner(model, field)
    return np.asarray(getattr(owner, name))


def _write_field(model: mujoco.MjModel, field: str, value: NDArray[Any]) -> None:
    owner, name = _owner(model, field)
    present = getattr(owner, name)
    if isinstance(present, np.ndarray):
        present[...] = value
    else:
        setattr(owner, name, type(present)(value.item()))
