"""Checkpoints of older versions, as this version goes on from them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

# The weight and the bias of the read-out.
_READ_OUT = 2


def without_idle_read_out(
    agent: Mapping[str, Any], weights: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]
) -> Mapping[str, Any]:
    """The state of an agent without the moments of a read-out of the state that a training does not learn from.

    Older versions had one, just before the critic, wherever worlds gave a privileged state, whatever its weight.

    Args:
        agent: the state of the agent in the checkpoint.
        weights: those of the policy in the checkpoint.
        parameters: those of the policy that goes on, by name and in order.
    """
    if "state_head.weight" not in weights or any(name.startswith("objectives.state.") for name in parameters):
        return agent
    first = next(place for place, name in enumerate(parameters) if name.startswith("critic."))
    optimizer = agent["optimizer"]
    moments = {_place(place, first): value for place, value in optimizer["state"].items() if not _gone(place, first)}
    groups = [
        {**group, "params": [_place(place, first) for place in group["params"] if not _gone(place, first)]}
        for group in optimizer["param_groups"]
    ]
    return {**agent, "optimizer": {"state": moments, "param_groups": groups}}


def _gone(place: int, first: int) -> bool:
    return first <= place < first + _READ_OUT


def _place(place: int, first: int) -> int:
    return place if place < first else place - _READ_OUT
