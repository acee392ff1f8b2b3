"""The present episodes so far, and their form in vector infos: an entry, and a mask of its worlds.

Letters: N = worlds, n = a subset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray, Observation
from mmrl.evaluation.figures import Figure, OverEpisode, require_distinct
from mmrl_envs.task import Outcome

_FOLDED: Mapping[OverEpisode, Callable[[FloatArray, FloatArray, IntArray], FloatArray]] = {
    "last": lambda so_far, new, steps: new,
    "max": lambda so_far, new, steps: np.where(steps == 0, new, np.maximum(so_far, new)),
    "mean": lambda so_far, new, steps: so_far + new,
    "sum": lambda so_far, new, steps: so_far + new,
}
"""The value kept of a figure after one more step, from the one kept of so many before; of a mean the sum."""


class RunningFigures:
    """Numbers of one episode per world, up to the present step.

    Args:
        over_episode: how the numbers of the steps become one of the episode, by name.
        num_worlds: N.
    """

    def __init__(self, over_episode: Mapping[str, OverEpisode], num_worlds: int) -> None:
        self._over_episode = dict(over_episode)
        self._kept: dict[str, FloatArray] = {name: np.zeros(num_worlds) for name in over_episode}
        self._steps: IntArray = np.zeros(num_worlds, np.intp)

    def begin(self, worlds: IntArray, at_start: Mapping[str, FloatArray]) -> None:
        """New episodes in worlds (n,), with figures (n,) each of the instant at which they begin."""
        self._steps[worlds] = 0
        for name, kept in self._kept.items():
            kept[worlds] = at_start.get(name, 0.0)

    def add(self, values: Mapping[str, FloatArray], valid: BoolArray) -> None:
        """One control step: a value (N,) of each figure, which counts where the physics is valid, (N,).

        Raises ValueError unless exactly the declared figures are given.
        """
        if values.keys() != self._kept.keys():
            raise ValueError(f"an outcome must give {sorted(self._kept)}, got {sorted(values)}")
        for name, over_episode in self._over_episode.items():
            kept = self._kept[name]
            self._kept[name] = np.where(valid, _FOLDED[over_episode](kept, values[name], self._steps), kept)
        self._steps += valid

    def present(self) -> dict[str, FloatArray]:
        """The figures of the episodes so far, name -> (N,), in arrays of their own."""
        steps = np.maximum(self._steps, 1)
        over_episode = self._over_episode
        return {name: kept / (steps if over_episode[name] == "mean" else 1) for name, kept in self._kept.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly."""
        return {"kept": {name: kept.copy() for name, kept in self._kept.items()}, "steps": self._steps.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`."""
        self._steps = np.array(state["steps"])
        self._kept = {name: np.array(kept) for name, kept in state["kept"].items()}

    def load_peak_and_mean(self, state: Mapping[str, Any]) -> None:
        """Continues from what runs before figures were declared have saved: one peak, one mean."""
        self._steps = np.array(state["count"])
        for name, over_episode in self._over_episode.items():
            if over_episode in ("max", "mean"):
                self._kept[name] = np.array(state["peak" if over_episode == "max" else "sum"])


class RunningEpisodes:
    """Length, success, figures and context of one episode per world.

    Args:
        num_worlds: N.
        figures: what the task declares.
        reward_terms: names of the terms of its reward.
    """

    def __init__(self, num_worlds: int, figures: Sequence[Figure] = (), reward_terms: Sequence[str] = ()) -> None:
        self.num_worlds = num_worlds
        self.elapsed: IntArray = np.zeros(num_worlds, np.intp)
        """Control steps so far, (N,)."""
        self.success_once: BoolArray = np.zeros(num_worlds, np.bool_)
        """Whether the task was fulfilled at any instant, (N,)."""
        require_distinct(figures)
        self.figures = RunningFigures({figure.name: figure.over_episode for figure in figures}, num_worlds)
        self.reward_terms = RunningFigures(dict.fromkeys(reward_terms, "sum"), num_worlds)
        """The share of each term in the return so far."""
        self.context: dict[str, FloatArray] = {}
        """Drawn value of each parameter, (N,); never written in place, so that it may be handed out."""
        self._context_info: dict[str, Any] = {}

    def describe_contexts(self, spelled: Callable[[str, FloatArray], NDArray[Any]]) -> None:
        """Makes the contexts in the infos anew, each value (N,) as users write it."""
        contexts = {name: spelled(name, values) for name, values in self.context.items()}
        self._context_info = masked(contexts, np.ones(self.num_worlds, np.bool_))

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], figures: Mapping[str, FloatArray]) -> None:
        """New episodes in worlds (n,), of drawn values (n,), with figures (n,) of the instant at which they begin."""
        self.elapsed[worlds] = 0
        self.success_once[worlds] = False
        self.figures.begin(worlds, figures)
        self.reward_terms.begin(worlds, {})
        for name, values in context.items():
            present = self.context.get(name)
            present = np.full(self.num_worlds, np.nan) if present is None else present.copy()
            present[worlds] = values
            self.context[name] = present

    def add(self, outcome: Outcome, valid: BoolArray) -> None:
        """One control step, which counts where the physics is valid, (N,)."""
        self.success_once |= outcome.success & valid
        self.figures.add(outcome.figures, valid)
        self.reward_terms.add(outcome.reward_terms, valid)

    def info(self, of_step: Mapping[str, Any], known: BoolArray | None = None) -> dict[str, Any]:
        """A vector info: what the episodes have come to, and what the step brought, masked where not `known`, (N,)."""
        every = np.ones(self.num_worlds, np.bool_)
        terms = self.reward_terms.present()
        entries = {
            **of_step,
            **self.figures.present(),
            "success_once": self.success_once.copy(),
            "context": self._context_info,
            **({"reward_terms": masked(terms, every)} if terms else {}),
        }
        return masked(entries, every) | masks(of_step, every if known is None else known)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly."""
        return {
            "elapsed": self.elapsed.copy(),
            "success_once": self.success_once.copy(),
            "figures": self.figures.state_dict(),
            "reward_terms": self.reward_terms.state_dict(),
            "context": dict(self.context),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`."""
        self.elapsed, self.success_once = np.array(state["elapsed"]), np.array(state["success_once"])
        if "forces" in state:  # of a run before figures were declared
            self.figures.load_peak_and_mean(state["forces"])
        else:
            self.figures.load_state_dict(state["figures"])
            self.reward_terms.load_state_dict(state["reward_terms"])
        self.context = {name: np.array(values) for name, values in state["context"].items()}


def handed_over(done: BoolArray, observation: Observation, info: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of an info with the last observation and the last info of worlds whose episodes are `done`, (N,)."""
    final_obs = np.full(len(done), None, object)
    for world in np.flatnonzero(done):
        final_obs[world] = {name: array[world].copy() for name, array in observation.items()}
    return masked({"final_obs": final_obs, "final_info": only_of(done, info)}, done)


def masked(entries: Mapping[str, Any], worlds: BoolArray) -> dict[str, Any]:
    """The entries, and beside each a mask of its own that says it is about these worlds, (N,)."""
    return {**entries, **masks(entries, worlds)}


def masks(names: Iterable[str], worlds: BoolArray) -> dict[str, BoolArray]:
    """A mask of its own for each name, under "_name"."""
    return {f"_{name}": worlds.copy() for name in names}


def only_of(worlds: BoolArray, info: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a masked info that says it is about these worlds, (N,), and so do the mappings in it."""
    return {
        name: worlds.copy()
        if name.startswith("_")
        else only_of(worlds, value)
        if isinstance(value, Mapping)
        else value.copy()
        for name, value in info.items()
    }
