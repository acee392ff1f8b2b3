"""Worlds to be made, as data: which environment, with what arguments, how its senses are read, where it steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import gymnasium as gym

from mmrl.arrays import Envs
from mmrl_agents.worlds.foreign_worlds import make_single_world
from mmrl_agents.worlds.making import known_as, make_envs
from mmrl_agents.worlds.worker import TIMEOUT_S


@dataclass(frozen=True)
class WorldSpec:
    """A description of worlds, from which any number of them is made."""

    env: str
    """Id of the environment, or what makes one, as `make_envs` takes it."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the environment, the chosen senses among them."""
    modalities: Mapping[str, Any] = field(default_factory=dict)
    """How keys of an environment of another package are read, and which encoders read the senses."""
    workers: int = 0
    """Processes that step them, where they are of another package; 0 is this process."""
    worker_timeout_s: float = TIMEOUT_S
    """Seconds after which such a process that gives no answer is replaced."""

    @property
    def known_as(self) -> str:
        """The id under which Gymnasium makes the environment."""
        return known_as(self.env, self.kwargs)[0]

    def in_this_process(self) -> Self:
        """The same worlds without workers."""
        return replace(self, workers=0)

    def make(self, num_worlds: int, **changes: Any) -> Envs:
        """So many worlds side by side, some keyword arguments changed; raises ValueError as `make_envs`."""
        kwargs = {**self.kwargs, **changes}
        return make_envs(self.env, num_worlds, kwargs, self.modalities, self.workers, self.worker_timeout_s)

    def make_single(self, **changes: Any) -> gym.Env[Any, Any]:
        """One world that does not restart itself, some keyword arguments changed; raises ValueError as `make_envs`."""
        name, kwargs = known_as(self.env, {**self.kwargs, **changes})
        return make_single_world(name, kwargs, self.modalities)
