"""Any vector environment as worlds in groups, which step by themselves where the environment can do that."""

from typing import Any, Protocol

from numpy.typing import NDArray

from mmrl.arrays import Envs
from mmrl_envs.multimodal import GroupedWorlds


class Stepping(Protocol):
    """As in `GroupedWorlds`, but for its observations, which may be of any kind."""

    @property
    def groups(self) -> tuple[slice, ...]: ...

    def send(self, actions: NDArray[Any], group: int = 0) -> None: ...

    def receive(self, group: int = 0) -> tuple[Any, ...]: ...


class _Together:
    """One group of all worlds, which step where the step is received."""

    def __init__(self, envs: Envs) -> None:
        self.envs, self.groups = envs, (slice(0, envs.num_envs),)
        self._actions: NDArray[Any] | None = None

    def send(self, actions: NDArray[Any], group: int = 0) -> None:
        self._actions = actions

    def receive(self, group: int = 0) -> tuple[Any, ...]:
        return self.envs.step(self._actions)


def stepping(envs: Envs) -> Stepping:
    """The worlds as they group themselves, or else all at once."""
    return envs if isinstance(envs, GroupedWorlds) else _Together(envs)
