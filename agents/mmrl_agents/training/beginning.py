"""A training that begins with the weights of another policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor

from mmrl_agents.learning.agent import Network
from mmrl_agents.policies.trained import load_weights, read_stored
from mmrl_agents.records.checkpoint import unpacking

PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "head": ("actor.", "head."),
        "critic": ("critic.", "critic_perception.", "value_mean", "value_std"),
        "perception": ("perception.",),
    }
)
"""Beginnings of the names of weights, by what the parts of a policy are called."""
_OF_THE_TRAINING = ("objectives.",)
"""Begin anew where the other training did without them."""


def begin_with(policy: Network, source: str, anew: Sequence[str], senses: Mapping[str, Mapping[str, Any]]) -> str:
    """Give a network the weights of a trained policy, but for the parts `anew`; returns a sentence about it.

    `source` is a run folder, whose best checkpoint is taken, an exported policy or a name of one that comes with the
    package. Raises ValueError where their senses differ and the perception does not begin anew, or where no weight is
    of a part in `anew`; CheckpointError for weights that do not fit.
    """
    stored = read_stored(source, "best")
    own = policy.state_dict()
    kept = [name for part in anew for name in _of_part(part, own)]
    if not set(_of_part("perception", own)) <= set(kept):
        _require_same(source, stored.senses, senses, anew)
    with unpacking(stored.path):
        given = {name: weight for name, weight in stored.weights.items() if name not in kept}
    unlearned = [name for name in own if name.startswith(_OF_THE_TRAINING) and name not in given]
    load_weights(policy, given | {name: own[name] for name in (*kept, *unlearned)}, stored.path)
    left = f"; {', '.join(anew)} begin anew" if anew else ""
    return f"begins with the weights of {stored.path}{left}"


def _of_part(part: str, own: Mapping[str, Tensor]) -> list[str]:
    beginnings = PARTS.get(part, (part,))
    names = [name for name in own if name.startswith(beginnings)]
    if not names:
        tops = sorted({name.partition(".")[0] for name in own})
        raise ValueError(
            f"init_except: no weight of the network begins with {part!r}; parts are {', '.join(PARTS)}, "
            f"weights begin with {', '.join(tops)}"
        )
    return names


def _require_same(
    source: str,
    theirs: Mapping[str, Mapping[str, Any]],
    ours: Mapping[str, Mapping[str, Any]],
    anew: Collection[str],
) -> None:
    """Senses by name with their windows and encoders; those whose encoder begins anew may differ."""
    named = [name for name in {**ours, **theirs} if f"perception.encoders.{name}" not in anew]
    different = [
        f"{name} ({_shown(theirs.get(name))} there, {_shown(ours.get(name))} here)"
        for name in named
        if _shown(theirs.get(name)) != _shown(ours.get(name))
    ]
    if different:
        raise ValueError(
            f"{source} has other senses: {'; '.join(different)}. Train with those, or let the perception begin anew: "
            "--init-except perception"
        )


def _shown(sense: Mapping[str, Any] | None) -> str:
    if sense is None:
        return "absent"
    window = [*([] if sense["history"] is None else [sense["history"]]), *sense["shape"]]
    return f"{window}, {sense['encoder']}"
