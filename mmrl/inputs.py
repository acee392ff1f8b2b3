"""The inputs of a policy, and the checks of them.

Shapes: B rows, which for a policy with a recurrent fusion are T consecutive steps of N worlds, step by step (row
t * N + n); M numbers carried from step to step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Inputs = Mapping[str, Tensor]
Presence = Mapping[str, Tensor]


class Memory(NamedTuple):
    """The past of its rows, as a policy with a recurrent fusion needs it."""

    state: Tensor
    """Its memory before the first step, (N, M)."""
    episode_start: Tensor
    """Where an episode starts and all before it is forgotten, bool (T, N)."""


def require_observation(
    obs: Inputs,
    present: Presence | None,
    shapes: Mapping[str, tuple[int, ...]],
    others: Collection[str] = (),
) -> None:
    """Raise ValueError unless shapes are the declared ones, and names either those or `others`, which nobody reads."""
    present = {} if present is None else present
    for name in (*obs, *present):
        if name not in shapes and name not in others:
            raise ValueError(f"unknown sense {name!r}; known: {', '.join(shapes)}")
    rows = next((x.shape[0] for x in (*obs.values(), *present.values())), 0)
    for name, mask in present.items():
        if mask.dtype != torch.bool or mask.shape != (rows,):
            got = f"{mask.dtype} {tuple(mask.shape)}"
            raise ValueError(f"present[{name!r}] must be bool ({rows},), got {got}")
    for name, shape in shapes.items():
        absent = name not in obs and name in present and not present[name].any()
        given = tuple(obs[name].shape) if name in obs else None
        if given != (rows, *shape) and not absent:
            need = f"observation {name!r} needs shape {(rows, *shape)}"
            raise ValueError(f"{need}, got {'nothing' if given is None else given}")


def require_memory(memory: Memory | None, rows: int, state_size: int) -> Memory:
    """Raise ValueError unless the memory is of T steps of N worlds with T * N = rows."""
    if memory is None:
        raise ValueError("a policy with a recurrent fusion carries a state from step to step: give it a Memory")
    start, state = memory.episode_start, memory.state
    if start.dim() != 2 or start.dtype != torch.bool or start.numel() != rows:
        got = f"{start.dtype} {tuple(start.shape)}"
        raise ValueError(f"episode_start must be bool (T, N) for T * N = {rows} rows, got {got}")
    if state.shape != (start.shape[1], state_size):
        raise ValueError(f"the state must have shape {(start.shape[1], state_size)}, got {tuple(state.shape)}")
    return memory


def blanked(reading: Tensor, mask: Tensor | None) -> Tensor:
    """Zeros in the absent rows, so that not even a NaN reaches a weight's gradient.

    Integers are let through, whatever they are: no NaN is among them, and images cost most.
    """
    if mask is None or not reading.is_floating_point():
        return reading
    return torch.where(mask.view(-1, *(1,) * (reading.dim() - 1)), reading, 0)
