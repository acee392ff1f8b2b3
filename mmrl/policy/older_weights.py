"""Weights of older versions, or of other trainings, in the modules of today."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from torch import nn


def rename_older_weights(module: nn.Module, places: Sequence[tuple[str, str]]) -> None:
    """Let `load_state_dict` of a module take weights of older versions as well.

    `places` are the beginnings of their names within the module, before and now; what went to several places is copied.
    """

    def rename(_: nn.Module, weights: dict[str, Any], prefix: str, *others: object) -> None:
        for name in [name for name in weights if name.startswith(prefix)]:
            found = [(before, now) for before, now in places if name.startswith(prefix + before)]
            weight = weights.pop(name) if found else None
            weights |= {prefix + now + name.removeprefix(prefix + before): weight for before, now in found}

    module.register_load_state_dict_pre_hook(rename)


def leave_out_weights(module: nn.Module, part: str, kept: Collection[str]) -> None:
    """Let `load_state_dict` of a module pass over weights of `part`, such as "objectives.", that it does without.

    `kept` are the names within the part of what it has.
    """

    def leave_out(_: nn.Module, weights: dict[str, Any], prefix: str, *others: object) -> None:
        for name in [name for name in weights if name.startswith(prefix + part)]:
            if name.removeprefix(prefix + part).partition(".")[0] not in kept:
                del weights[name]

    module.register_load_state_dict_pre_hook(leave_out)
