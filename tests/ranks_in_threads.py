"""Ranks that are threads of this process, for tests of what several processes would do together."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import nn

from mmrl_agents.machine.ranks import Ranks

Item = TypeVar("Item")


class Table:
    """A place where threads put down what they have and pick up what all have."""

    def __init__(self, count: int) -> None:
        self.items: list[Any] = [None] * count
        self.barrier = threading.Barrier(count, timeout=60)


class ThreadRank(Ranks):
    """A rank that is a thread."""

    def __init__(self, index: int, table: Table) -> None:
        self._index, self.table = index, table

    @property
    def count(self) -> int:
        return len(self.table.items)

    @property
    def index(self) -> int:
        return self._index

    def gather(self, items: Sequence[Item]) -> list[Item]:
        self.table.items[self.index] = list(items)
        self.table.barrier.wait()
        everything = [item for share in self.table.items for item in share]
        self.table.barrier.wait()
        return everything

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        for weight in weights:
            known = [grad for grad in self.gather([weight.grad]) if grad is not None]
            weight.grad = torch.stack(known).sum(dim=0) if known else None


def thread_ranks(count: int = 2) -> list[ThreadRank]:
    """So many ranks, each for a thread of `together`."""
    table = Table(count)
    return [ThreadRank(index, table) for index in range(count)]


def together(work: Callable[[ThreadRank], Item], ranks: Sequence[ThreadRank]) -> list[Item]:
    """Do the work of each rank in a thread; returns all results, or raises what one of them raised first."""
    results: list[Any] = [None] * len(ranks)
    errors: list[BaseException] = []

    def run(rank: ThreadRank) -> None:
        try:
            results[rank.index] = work(rank)
        except BaseException as error:
            errors.append(error)
            rank.table.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in ranks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
