"""Any vector environment as worlds in groups, which step by themselves where the environment can do that."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Protocol

from numpy.typing import NDArray

from mmrl.arrays import Envs
from mmrl.policy.among import Among
from mmrl_agents.machine.ranks import Ranks
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


def places(groups: Sequence[slice], ranks: Ranks) -> list[Among]:
    """Where the worlds of each group stand among those of the same group of all ranks."""
    sizes = ranks.gather([[worlds.stop - worlds.start for worlds in groups]])
    by_group = [list(of_ranks) for of_ranks in zip_longest(*sizes, fillvalue=0)]
    return [Among(sum(of_ranks[: ranks.index]), sum(of_ranks)) for of_ranks in by_group]
