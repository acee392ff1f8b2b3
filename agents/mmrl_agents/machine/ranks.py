"""The processes that train one policy together, each with worlds of its own: what they have to agree on, and when.

A rank is one of these processes. Every statistic of experience, every decision to skip, to stop or to go on, and every
record goes through `Ranks`, so that nothing else asks how many there are. There is one today, `ALONE`.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple, TypeVar

from torch import Tensor, nn

Item = TypeVar("Item")


class Moments(NamedTuple):
    """Mean and standard deviation of numbers, each a scalar tensor."""

    mean: Tensor
    deviation: Tensor


class Ranks(ABC):
    """All ranks, as one of them sees them. Every rank makes the same calls in the same order."""

    @property
    @abstractmethod
    def is_first(self) -> bool:
        """Whether this rank writes what is logged."""

    @abstractmethod
    def first_world(self, num_worlds: int) -> int:
        """The number, over all ranks, of the first of the `num_worlds` worlds of this one: streams are keyed by it."""

    @abstractmethod
    def moments(self, values: Tensor) -> Moments:
        """Mean and deviation of the values of all ranks."""

    @abstractmethod
    def average_gradients(self, module: nn.Module) -> None:
        """Put the mean of the gradients of all ranks in the place of those of this one.

        What is not finite on one is not finite on all, so that all leave out the same step.
        """

    @abstractmethod
    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank, so that all skip, stop and are interrupted together."""

    @abstractmethod
    def agree(self, value: Item) -> Item:
        """The value that the first rank has."""

    @abstractmethod
    def gather(self, items: list[Item]) -> list[Item]:
        """The items of all ranks, in the order of the ranks."""


class OneRank(Ranks):
    """One process, which agrees with itself."""

    @property
    def is_first(self) -> bool:
        return True

    def first_world(self, num_worlds: int) -> int:
        return 0

    def moments(self, values: Tensor) -> Moments:
        return Moments(values.mean(), values.std(correction=0))

    def average_gradients(self, module: nn.Module) -> None:
        return None

    def any(self, flag: bool) -> bool:
        return flag

    def agree(self, value: Item) -> Item:
        return value

    def gather(self, items: list[Item]) -> list[Item]:
        return items


ALONE = OneRank()
"""The ranks of a training in one process."""
