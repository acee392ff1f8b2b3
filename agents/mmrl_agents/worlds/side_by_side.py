"""Worlds of other packages side by side, which answer about themselves as those of mmrl do."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import SyncVectorEnv

from mmrl.evaluation.figures import Figure
from mmrl.modality import Modality
from mmrl_agents.worlds import global_random
from mmrl_agents.worlds.infos import declared_figures, is_free_in_kind
from mmrl_agents.worlds.replaying import Replayable
from mmrl_envs.context import ContextSource
from mmrl_envs.multimodal import SelfDescribing
from mmrl_envs.snapshot import OtherWorlds


class SideBySide(SelfDescribing, SyncVectorEnv):
    """N single environments; their infos may differ in type from world to world and from step to step."""

    senses_chosen_by = "modalities"
    takes_context = True

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins episodes in all worlds; world i of seed s is seeded with s + `first_world` + i."""
        return super().reset(seed=seed + self.first_world if isinstance(seed, int) else seed, options=options)

    @property
    def modalities(self) -> dict[str, Modality]:  # type: ignore[override]  # of the worlds, so that nobody sets it
        """The senses that were declared of the worlds, the same in all of them."""
        declared: Mapping[str, Modality] = self.get_attr("modalities")[0]
        return dict(declared)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures that the worlds declare, the same in all of them."""
        return declared_figures(self.envs[0])

    def require_context(self, setting: Mapping[str, Any]) -> None:
        """Raises ValueError unless a world may be given this context; what it does not declare is tried."""
        self.envs[0].get_wrapper_attr("require_context")(setting)

    @property
    def context_source(self) -> ContextSource | None:
        """Asked for the contexts of the coming episodes of worlds that begin one; it overrides name by name."""
        return self._context_source

    @context_source.setter
    def context_source(self, source: ContextSource | None) -> None:
        self._context_source = source
        for number, single in enumerate(self.envs):
            single.get_wrapper_attr("contexts").source = None if source is None else partial(_one_of, source, number)

    _context_source: ContextSource | None = None

    def get_state(self) -> dict[str, Any] | None:
        """How the present episodes came about and where shared generators are; None unless every world remembers it."""
        if not all(isinstance(single, Replayable) for single in self.envs):
            return None
        return {"replay": [single.get_wrapper_attr("get_state")() for single in self.envs], **self._generators()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Plays the episodes of `get_state` again; raises `OtherWorlds` where they lead elsewhere."""
        if len(state["replay"]) != self.num_envs:
            raise OtherWorlds(f"the state is of {len(state['replay'])} worlds, these are {self.num_envs}")
        for single, saved in zip(self.envs, state["replay"], strict=True):
            single.get_wrapper_attr("set_state")(saved)
        self._restore_generators(state.get("generators", []))  # older checkpoints have none

    def _generators(self) -> dict[str, Any]:
        """States of the generators that each process shares among its worlds, at the first of these; else None."""
        return {"generators": [global_random.get_state(), *[None] * (self.num_envs - 1)]}

    def _restore_generators(self, states: Sequence[Mapping[str, Any] | None]) -> None:
        """Undo `_generators`; spread over other processes before, they go on from where they are."""
        # Older checkpoints have one for each process.
        if len(states) in (1, self.num_envs) and states[0] is not None:
            global_random.set_state(states[0])

    def _add_info(self, vector_infos: dict[str, Any], env_info: dict[str, Any], env_num: int) -> dict[str, Any]:
        # Gymnasium takes the type of a column from the first world that has the entry.
        for name, value in env_info.items():
            if is_free_in_kind(name, value) and name not in vector_infos:
                vector_infos[name] = np.full(self.num_envs, None, object)
        return super()._add_info(vector_infos, env_info, env_num)


def _one_of(source: ContextSource, world: int) -> Mapping[str, Any]:
    (context,) = source(np.array([world]))
    return context
