"""The processes that train one policy together, each with worlds of its own: what they share, and when.

A rank is one of these processes. Every statistic of experience, every decision to skip, to stop or to go on, and every
record goes through `Ranks`, so that nothing else asks how many there are. There is one today, `ALONE`.

A rank hands over the numbers that are few for each step, as advantages, returns and episodes are, and every rank then
computes from all of them what one process with all the worlds would. Of readings it hands over moments, and of
gradients the sum.

Not shared yet, so that these need work before there can be more than one: the contexts that a curriculum has handed
out, the worlds of other ranks in a checkpoint, and an error that ends one of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

Item = TypeVar("Item")


class Ranks(ABC):
    """All ranks, as one of them sees them. Every rank makes the same calls in the same order."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many there are."""

    @property
    @abstractmethod
    def index(self) -> int:
        """The place of this one among them, from 0."""

    @abstractmethod
    def share(self, total: int) -> range:
        """The share of this rank in so many worlds, samples or games, which are numbered over all ranks.

        Shares are equal and follow each other in the order of the ranks; ValueError where `total` has no such parts.
        """

    @abstractmethod
    def gather(self, items: Sequence[Item]) -> list[Item]:
        """The items of all ranks, in the order of the ranks."""

    @abstractmethod
    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Put the sum of the gradients of all ranks in the place of those of this one.

        A weight keeps none if no rank has any. What is not finite on one rank is not finite on all, so that all leave
        out the same step.
        """

    @property
    def is_first(self) -> bool:
        """Whether this rank keeps the records."""
        return self.index == 0

    def agree(self, value: Item) -> Item:
        """The value that the first rank has."""
        return self.gather([value])[0]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank, so that all skip, stop and are interrupted together."""
        return any(self.gather([flag]))

    def join(self, rows: Tensor, dim: int = 0) -> Tensor:
        """The rows of all ranks, one after the other along an axis."""
        return torch.cat(self.gather([rows]), dim=dim)

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all ranks."""
        return torch.stack(self.gather([value])).sum(dim=0)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all ranks."""
        return torch.stack(self.gather([value])).mean(dim=0)

    def on_first(self, work: Callable[[], Item]) -> Item:
        """Do some work on the first rank alone; all ranks return its result, or raise its OSError."""
        done: list[Item] = []
        failure: OSError | None = None
        if self.is_first:
            try:
                done.append(work())
            except OSError as error:
                failure = error
        failure = self.agree(failure)
        if failure is not None:
            raise failure
        return self.gather(done)[0]


class OneRank(Ranks):
    """One process, which agrees with itself."""

    @property
    def count(self) -> int:
        return 1

    @property
    def index(self) -> int:
        return 0

    def share(self, total: int) -> range:
        return range(total)

    def gather(self, items: Sequence[Item]) -> list[Item]:
        return list(items)

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        return None


ALONE = OneRank()
"""The ranks of a training in one process."""
