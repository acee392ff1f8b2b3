"""Saving an environment as it stands: the states of its parts, and what must be equal for them to fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray


class OtherWorlds(ValueError):
    """A state that was saved of something else."""


class Stateful(Protocol):
    """A part that can be saved and continued."""

    def state_dict(self) -> dict[str, Any]:
        """Copies of all its state, as arrays and plain Python."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`."""


class Arrays:
    """Arrays that somebody else owns and writes in place, as a part.

    Args:
        arrays: name -> array, the arrays themselves.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays

    def state_dict(self) -> dict[str, Any]:
        """Copies of the arrays."""
        return {name: array.copy() for name, array in self._arrays.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`."""
        for name, array in self._arrays.items():
            array[...] = state[name]


def take(identity: Mapping[str, Any], parts: Mapping[str, Stateful]) -> dict[str, Any]:
    """The state of all parts, marked with the identity of the whole."""
    return {"identity": dict(identity), "parts": {name: part.state_dict() for name, part in parts.items()}}


def restore(state: Mapping[str, Any], identity: Mapping[str, Any], parts: Mapping[str, Stateful]) -> None:
    """Undo `take`.

    Raises:
        OtherWorlds: naming every difference, if the state is of something else; nothing is changed then.
    """
    saved = state["identity"]
    different = [
        f"{key} {saved.get(key)!r} became {identity.get(key)!r}"
        for key in {**identity, **saved}
        if saved.get(key) != identity.get(key)
    ]
    if different:
        raise OtherWorlds(f"the saved state is of other worlds: {', '.join(different)}")
    for name, part in parts.items():
        part.load_state_dict(state["parts"][name])
