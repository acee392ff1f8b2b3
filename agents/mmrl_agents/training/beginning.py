"""A training that begins with the weights of another policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor

from mmrl.normalization import fix_statistics
from mmrl_agents.algorithms import algorithms
from mmrl_agents.learning.agent import Network
from mmrl_agents.policies.trained import StoredPolicy, load_weights, read_stored
from mmrl_agents.records.checkpoint import unpacking
from mmrl_agents.settings.config import described_config

PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "head": ("actor.", "head."),
        "critic": ("critic.", "critic_perception.", "value_mean", "value_std"),
        "perception": ("perception.",),
    }
)
"""Beginnings of the names of weights, by what the parts of a policy are called."""
_PERCEPTION, _WITHIN = "perception", ".perception."
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
    kept = [name for part in anew for name in _of_part("init_except", part, own)]
    weights, parts = _named_as(own, stored.weights), _trained_parts(stored)
    if weights is not stored.weights:
        parts = (_PERCEPTION,)
    of_parts = {name for part in parts for name in _among(part, own)}
    kept += [name for name in own if parts and name not in of_parts]
    if not set(_of_part("init_except", "perception", own)) <= set(kept):
        _require_same(source, stored.senses, senses, anew)
    with unpacking(stored.path):
        taken = {name for part in parts for name in _among(part, weights)} if parts else set(weights)
        given = {name: weight for name, weight in weights.items() if name in taken and name not in kept}
    unlearned = [name for name in own if name.startswith(_OF_THE_TRAINING) and name not in given]
    load_weights(policy, given | {name: own[name] for name in (*kept, *unlearned)}, stored.path)
    left = f"; {', '.join(anew)} begin anew" if anew else ""
    only = f" of its {' and '.join(parts)}" if parts else ""
    return f"begins with the weights{only} of {stored.path}{left}"


def freeze(policy: Network, parts: Sequence[str]) -> None:
    """Let some parts of a network stay what they are: their weights get no gradient, their statistics learn nothing.

    Raises ValueError where no weight is of a part.
    """
    own = policy.state_dict()
    names = {name for part in parts for name in _of_part("freeze", part, own)}
    for name, weight in policy.named_parameters():
        if name in names:
            weight.requires_grad_(False)
    fix_statistics(module for name, module in policy.named_modules() if f"{name}.count" in names)


def _trained_parts(stored: StoredPolicy) -> tuple[str, ...]:
    """The parts of a network that its training was about, () for all."""
    algorithm = algorithms().get(described_config(stored.document).agent)
    return () if algorithm is None else algorithm.trained_parts


def _named_as(own: Collection[str], weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights, or those of their perception by the names that a network of SB3 has for each of its extractors."""
    theirs = _among(_PERCEPTION, own)
    if any(name.startswith(f"{_PERCEPTION}.") for name in own) or not any(
        name.startswith(f"{_PERCEPTION}.") for name in weights
    ):
        return weights
    native = {name: f"{_PERCEPTION}.{name.partition(_WITHIN)[2]}" for name in theirs}
    return {name: weights[known] for name, known in native.items() if known in weights}


def _among(part: str, names: Collection[str]) -> list[str]:
    """Names of the weights of a part; the perceptions of a network of SB3 lie within its extractors."""
    beginnings = PARTS.get(part, (part,))
    within = part == _PERCEPTION
    return [name for name in names if name.startswith(beginnings) or (within and _WITHIN in name)]


def _of_part(setting: str, part: str, own: Mapping[str, Tensor]) -> list[str]:
    names = _among(part, own)
    if not names:
        tops = sorted({name.partition(".")[0] for name in own})
        raise ValueError(
            f"{setting}: no weight of the network begins with {part!r}; parts are {', '.join(PARTS)}, "
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
