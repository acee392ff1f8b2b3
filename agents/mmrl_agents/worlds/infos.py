"""The infos of other packages' environments, which may hold anything, cut down to what somebody reads."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from mmrl.evaluation.figures import Figure, require_declarable
from mmrl_agents.experience.episodes import LOST

_READ: Mapping[str, type] = MappingProxyType(
    {
        "is_success": bool,
        "success": bool,
        "success_once": bool,
        "physics_error": bool,
    }
)
_CONTEXT = "context"
_OURS = ("final_obs", "final_info", "privileged", LOST)


def declared_figures(env: gym.Env[Any, Any]) -> tuple[Figure, ...]:
    """The figures that an environment declares as its attribute `figures`, () where it has none.

    Of another package it may be anything else. Raises ValueError as `require_declarable`.
    """
    declared = env.get_wrapper_attr("figures") if env.has_wrapper_attr("figures") else ()
    known = [figure for figure in declared if isinstance(figure, Figure)] if isinstance(declared, Sequence) else []
    require_declarable(known)
    return tuple(known)


def readable(info: Any, figures: Sequence[Figure] = ()) -> dict[str, Any]:
    """A dict of its own with the entries that mean something to mmrl, and with other numbers and words.

    An array of one element is a number. What is neither number nor word stays out, and so does what mmrl reads where
    it is no finite number: a success of three elements or of NaN says nothing. "context" keeps its numbers and words.
    Raises ValueError where the info is no dict.
    """
    if not isinstance(info, Mapping):
        raise ValueError(f"the info of an environment must be a dict, got {type(info).__name__}")
    if not info:
        return {}
    plain = {name: _plain(value) for name, value in info.items() if _is_free(name)}
    kinds = {**_READ, **{figure.name: float for figure in figures}}
    kept: dict[str, Any] = {name: value for name, value in plain.items() if not (value is None or name in kinds)}
    for name, kind in kinds.items():
        value = plain.get(name)
        if isinstance(value, bool | int | float) and np.isfinite(value):
            kept[name] = kind(value)
    if isinstance(context := info.get(_CONTEXT), Mapping):
        known = {str(name): _plain(value) for name, value in context.items()}
        kept[_CONTEXT] = {name: value for name, value in known.items() if value is not None}
    return kept


def _is_free(name: Any) -> bool:
    """Whether an entry of the name can stand in a vector info, where "_NAME" is the mask of NAME."""
    return isinstance(name, str) and not name.startswith("_") and name not in (_CONTEXT, *_OURS)


def _plain(value: Any) -> bool | int | float | str | None:
    """A number or a word; None for anything else."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if not isinstance(value, np.ndarray | np.generic) or value.size != 1 or value.dtype.kind not in "bifuU":
        return None
    item: bool | int | float | str = value.item()
    return item


class ReadableInfo(gym.Wrapper[Any, Any, Any, Any]):
    """An environment whose infos are `readable`, each a dict of its own."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.figures = declared_figures(env)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, readable(info, self.figures)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, readable(info, self.figures)


def is_free_in_kind(name: str, value: Any) -> bool:
    """Whether an entry of a readable info may be a number in one world and a word in another."""
    return not (name in _READ or name == LOST or isinstance(value, Mapping))
