"""Saving an environment as it stands: the states of its parts, and what must be equal for them to fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class OtherWorlds(ValueError):
    """A state that was saved of something else."""


class Stateful(Protocol):
    """A part that can be saved and continued."""

    def state_dict(self) -> dict[str, Any]:
        """Copies of all its state, as arrays and plain Python: arrays and lists have a row for each world."""

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


def restore(
    state: Mapping[str, Any],
    identity: Mapping[str, Any],
    parts: Mapping[str, Stateful],
    added: Collection[str] = (),
) -> None:
    """Undo `take`.

    Args:
        state: what `take` gave.
        identity: must be that of the state.
        parts: what is restored.
        added: parts that states of earlier versions lack; there they stay as they are.

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
        if name in state["parts"] or name not in added:
            part.load_state_dict(state["parts"][name])


_IDENTITY, _NUM_WORLDS = "identity", "num_envs"


def joined(states: Sequence[Any], sizes: Sequence[int]) -> Any:
    """The state of worlds whose parts, of so many worlds each, were saved by themselves.

    Arrays and lists have a row for each world and follow on each other; what else there is, is the same in all parts.
    An entry that some lack is None for each of their worlds.
    """
    first = states[0]
    if len(states) == 1:
        return first
    if isinstance(first, Mapping):
        names = dict.fromkeys(name for state in states for name in state)
        return {name: _joined_entry(name, [state.get(name) for state in states], sizes) for name in names}
    if isinstance(first, list):
        return [row for rows in states for row in rows]
    return np.concatenate(states) if isinstance(first, np.ndarray) and first.ndim else first


def _joined_entry(name: str, entries: Sequence[Any], sizes: Sequence[int]) -> Any:
    if name == _IDENTITY:
        return _of(sum(entry[_NUM_WORLDS] for entry in entries), entries[0])
    known = next((entry for entry in entries if entry is not None), None)
    if known is None or not any(entry is None for entry in entries):
        return joined(entries, sizes)
    if isinstance(known, Mapping):
        return joined([entry or {} for entry in entries], sizes)
    rows = zip(entries, sizes, strict=True)
    return joined([[None] * size if entry is None else list(entry) for entry, size in rows], sizes)


def part_of(state: Any, worlds: range, total: int) -> Any:
    """The part of a state of `total` worlds that is about some of them, which follow on each other."""
    if len(worlds) == total:
        return state
    if isinstance(state, Mapping):
        own = {name: part_of(entry, worlds, total) for name, entry in state.items() if name != _IDENTITY}
        return {**own, **({_IDENTITY: _of(len(worlds), state[_IDENTITY])} if _IDENTITY in state else {})}
    rows = isinstance(state, list) or (isinstance(state, np.ndarray) and state.ndim > 0)
    return state[worlds.start : worlds.stop] if rows else state


def _of(count: int, identity: Mapping[str, Any]) -> dict[str, Any]:
    return {**identity, _NUM_WORLDS: count}
