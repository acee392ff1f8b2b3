"""The processes that train one policy together, each with worlds of its own: what they share, and when.

A rank is one of these processes. Every statistic of experience, every decision to skip, to stop or to go on, and every
record goes through `Ranks`, so that nothing else asks how many there are. `ALONE` is the one of a training in one
process; those of `torch_ranks` are started by torchrun.

A rank hands over the numbers that are few for each step, as advantages, returns and episodes are, and every rank then
computes from all of them what one process with all the worlds would. Of readings it hands over moments, and of
gradients the sum.
"""

import heapq
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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

    def share(self, total: int, what: str = "num_worlds") -> range:
        """The share of this rank in so many worlds, which are numbered over all ranks.

        Shares follow each other in the order of the ranks; the first are larger by one where it does not come out even.
        Raises ValueError, naming `what` there is too little of, where a rank would have none.
        """
        size, rest = divmod(total, self.count)
        if not size:
            raise ValueError(
                f"{what} is {total}, and each of {self.count} processes needs one or more: start fewer processes, or "
                f"raise {what}"
            )
        first = self.index * size + min(self.index, rest)
        return range(first, first + size + (self.index < rest))

    def agree(self, value: Item) -> Item:
        """The value that the first rank has."""
        return self.gather([value])[0]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank, so that all skip, stop and are interrupted together."""
        return any(self.gather([flag]))

    def join(self, rows: Tensor, dim: int = 0) -> Tensor:
        """The rows of all ranks, one after the other along an axis."""
        return torch.cat(self.gather([rows]), dim=dim)

    def merge(self, items: Sequence[Item], key: Callable[[Item], int]) -> list[Item]:
        """The items of all ranks in the order of their keys, in which each rank has its own; of equals by rank."""
        return list(heapq.merge(*self.gather([list(items)]), key=key))

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all ranks."""
        return torch.stack(self.gather([value])).sum(dim=0)

    def means(self, parts: Mapping[str, Sequence[Tensor]], shares: Sequence[float]) -> dict[str, float]:
        """Means over minibatches of what each is on all ranks, by name; this one has such shares in the minibatches."""
        if not shares or not parts:
            return dict.fromkeys(parts, math.nan)
        own = [torch.stack([x * share for x, share in zip(row, shares, strict=True)]).mean() for row in parts.values()]
        return dict(zip(parts, self.sum(torch.stack(own)).tolist(), strict=True))

    def on_first(self, work: Callable[[], Item]) -> Item:
        """Do some work on the first rank alone; all ranks return its result, or raise its OSError or ValueError."""
        done: list[Item] = []
        failure: OSError | ValueError | None = None
        if self.is_first:
            try:
                done.append(work())
            except (OSError, ValueError) as error:
                failure = error
        done, failure = self.agree((done, failure))
        if failure is not None:
            raise failure
        return done[0]


class OneRank(Ranks):
    """One process, which agrees with itself."""

    @property
    def count(self) -> int:
        return 1

    @property
    def index(self) -> int:
        return 0

    def gather(self, items: Sequence[Item]) -> list[Item]:
        return list(items)

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        return None


ALONE = OneRank()
"""The ranks of a training in one process."""


@dataclass(frozen=True)
class Portions:
    """The parts of all ranks in minibatches that they take together, each from samples of its own.

    A minibatch of `size` holds as large a part of the samples of every rank, rounded down, so that all ranks take as
    many of them whatever their share of the worlds is.
    """

    samples: tuple[int, ...]
    """How many each rank has."""
    size: int
    """Samples of a minibatch over all ranks; the last may be smaller."""

    def __post_init__(self) -> None:
        for rank in range(len(self.samples)):
            if not all(self.of(rank)):
                raise ValueError(
                    f"minibatches of {self.size} of {sum(self.samples):,} leave process {rank} of {len(self.samples)} "
                    "without a part in one of them: start fewer processes, or take larger minibatches"
                )

    def of(self, rank: int) -> list[int]:
        """The size of the part of a rank in every minibatch."""
        own, total = self.samples[rank], sum(self.samples)
        ends = [*range(self.size, total, self.size), total]
        return [end * own // total - before * own // total for before, end in zip([0, *ends[:-1]], ends, strict=True)]

    def weights(self, rank: int) -> list[float]:
        """The share of a rank in every minibatch."""
        sizes = [self.of(each) for each in range(len(self.samples))]
        return [own / sum(parts) for own, parts in zip(sizes[rank], zip(*sizes, strict=True), strict=True)]
