"""Ranks that are processes started by torchrun, on one machine or several.

Numbers on a CPU travel by gloo, those on a GPU by nccl. Sums of gradients are all-reduced, after which every rank has
the same bits; everything else is gathered in the order of the ranks, and added up there.
"""

import os
import pickle
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from mmrl_agents.machine.cpu import share_cores
from mmrl_agents.machine.launching import IDS, is_a_rank
from mmrl_agents.machine.ranks import ALONE, Ranks

Item = TypeVar("Item")

_RENDEZVOUS_S = 300.0
_LOOK_S = 0.02
_ANSWER_S = 5.0  # for the others to say that they wait too


class RankLost(ValueError):
    """Another rank ended with an error, or gives no answer."""


@contextmanager
def joined_ranks(timeout_s: float) -> Iterator[Ranks]:
    """The ranks that this process was started with, `ALONE` where it was started by itself.

    One that gives no answer for `timeout_s` ends the training. Raises ValueError where the others cannot be met.
    """
    if not is_a_rank():
        yield ALONE
        return
    here, beside = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    share_cores(here, beside)
    if torch.cuda.is_available():
        torch.cuda.set_device(here % torch.cuda.device_count())
    ranks = TorchRanks(_met(timeout_s), timeout_s)
    _leave_id(ranks.index)
    try:
        yield ranks
    except BaseException as error:
        ranks.report(error)
        raise
    finally:
        dist.destroy_process_group()


def _met(timeout_s: float) -> Store:
    """The place where ranks leave word, once all of them have come together."""
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, rank, count = next(rendezvous("env://", timeout=timedelta(seconds=min(timeout_s, _RENDEZVOUS_S))))
        store.set_timeout(timedelta(seconds=timeout_s))
        name = name_of_meeting(store, rank, count, timeout_s)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        dist.init_process_group(
            backend,
            store=PrefixStore(f"{name}/group", store),
            rank=rank,
            world_size=count,
            timeout=timedelta(seconds=timeout_s),
        )
    except (RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ValueError(
            f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} did not meet the others at {where}: {reason}; "
            "all of them have to be started, with one --rdzv-endpoint that each can reach"
        ) from error
    return PrefixStore(f"{name}/word", store)


def name_of_meeting(store: Store, rank: int, count: int, timeout_s: float) -> str:
    """A name that those who are here now have in common, and nobody before them.

    The store of torchrun outlives processes that it starts anew, and still holds the addresses of those that are gone.
    So each of the others says a word of its own, and the first answers to that. Raises RuntimeError where one is
    missing after `timeout_s`.
    """
    own = secrets.token_hex(8)
    if rank:
        store.set(f"hello/{rank}", own)
        name: str = store.get(f"name/{own}").decode()
        store.set(f"heard/{name}/{rank}", "")
        return name
    missing, end = set(range(1, count)), time.monotonic() + timeout_s
    while missing:
        for other in sorted(missing):
            if store.check([f"hello/{other}"]):  # or what was left of one who is gone
                store.set(f"name/{store.get(f'hello/{other}').decode()}", own)
        missing = {other for other in missing if not store.check([f"heard/{own}/{other}"])}
        if missing and time.monotonic() > end:
            raise RuntimeError(f"process {', '.join(map(str, sorted(missing)))} did not come within {timeout_s:g} s")
        time.sleep(_LOOK_S)
    return own


def _leave_id(rank: int) -> None:
    """Tell the process that started torchrun whom to pass ^C on to."""
    if folder := os.environ.get(IDS):
        (Path(folder) / str(rank)).write_text(str(os.getpid()))


class TorchRanks(Ranks):
    """The processes of the default group of `torch.distributed`."""

    def __init__(self, word: Store, timeout_s: float) -> None:
        """`word` is a store that outlasts a collective that failed."""
        self._word, self._timeout_s = word, timeout_s

    @property
    def count(self) -> int:
        return dist.get_world_size()

    @property
    def index(self) -> int:
        return dist.get_rank()

    def gather(self, items: Sequence[Item]) -> list[Item]:
        own = _packed(list(items))
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        self._together(lambda: dist.all_gather(sizes, torch.tensor([len(own)])))
        lengths = [int(size) for size in sizes]
        parts = [torch.empty(max(lengths), dtype=torch.uint8) for _ in lengths]
        padded = torch.cat([own, own.new_zeros(max(lengths) - len(own))])
        self._together(lambda: dist.all_gather(parts, padded))
        return [item for part, length in zip(parts, lengths, strict=True) for item in _unpacked(part[:length])]

    def agree(self, value: Item) -> Item:
        own = _packed(value) if self.is_first else torch.empty(0, dtype=torch.uint8)
        length = torch.tensor([len(own)])
        self._together(lambda: dist.broadcast(length, src=0))
        content = own if self.is_first else torch.empty(int(length), dtype=torch.uint8)
        self._together(lambda: dist.broadcast(content, src=0))
        answer: Item = value if self.is_first else _unpacked(content)
        return answer

    def any(self, flag: bool) -> bool:
        raised = torch.tensor([int(flag)])
        self._together(lambda: dist.all_reduce(raised, dist.ReduceOp.MAX))
        return bool(raised.item())

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        weights = list(weights)
        known = torch.tensor([weight.grad is not None for weight in weights], dtype=weights[0].dtype)
        grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        flat = torch.cat([known.to(weights[0].device), *(grad.flatten() for grad in grads)])
        self._together(lambda: dist.all_reduce(flat))
        anywhere, *parts = flat.split([len(weights), *(weight.numel() for weight in weights)])
        for weight, part, has in zip(weights, parts, anywhere.tolist(), strict=True):
            weight.grad = part.view_as(weight).to(weight.dtype) if has else None

    def report(self, error: BaseException) -> None:
        """Leave word of the error that ends this rank."""
        if not isinstance(error, RankLost):
            with suppress(RuntimeError):  # nobody is left to read it
                self._word.set(f"error/{self.index}", str(error) or type(error).__name__)

    def _together(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except RuntimeError as error:
            raise self._explained(error) from error

    def _explained(self, error: RuntimeError) -> RankLost:
        """Who is missing, by the word that the others left, or do not leave now."""
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        try:
            self._word.set(f"waits/{self.index}", "")
            silent = self._silent()
            for rank in silent:
                if self._word.check([f"error/{rank}"]):
                    return RankLost(f"process {rank} ended with an error: {self._word.get(f'error/{rank}').decode()}")
        except RuntimeError:
            return RankLost(f"the other processes are gone, and the place where they met with them ({reason})")
        named = ", ".join(map(str, silent)) or "one"
        return RankLost(
            f"process {named} of {self.count} is silent: it ended, hangs, or was busy for more than "
            f"{self._timeout_s:g} s (--rank-timeout-s); the last checkpoint is whole ({reason})"
        )

    def _silent(self) -> list[int]:
        """The ranks that do not say within some seconds that they wait too."""
        end = time.monotonic() + _ANSWER_S
        while silent := [rank for rank in range(self.count) if not self._word.check([f"waits/{rank}"])]:
            failed = [rank for rank in silent if self._word.check([f"error/{rank}"])]
            if failed or time.monotonic() > end:
                return failed or silent
            time.sleep(0.05)
        return []


class _Pickler(pickle.Pickler):
    """Sends tensors as arrays; those of a GPU, which is another one at the other end, come onto the one there."""

    def reducer_override(self, item: Any) -> Any:
        if isinstance(item, Tensor):
            return _tensor, (item.detach().cpu().numpy(), item.device.type)
        return NotImplemented


def _tensor(array: NDArray[Any], device: str) -> Tensor:
    return torch.from_numpy(array.copy()).to(device)


def _packed(value: Any) -> Tensor:
    stream = BytesIO()
    _Pickler(stream).dump(value)
    return torch.frombuffer(bytearray(stream.getvalue()), dtype=torch.uint8)


def _unpacked(content: Tensor) -> Any:
    return pickle.loads(content.numpy().tobytes())  # of a rank of the same training
