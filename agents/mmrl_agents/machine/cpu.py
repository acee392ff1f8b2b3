"""Tuning of memory and threads for training on CPU."""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from mmrl_envs.arguments import CORES, available_cores

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# glibc refuses an mmap threshold above half the largest heap, which is 32 MiB on 64 bits.
_MMAP_THRESHOLD_BYTES = 32 * 2**20
_TRIM_THRESHOLD_BYTES = 2**30


def keep_freed_memory() -> bool:
    """Ask glibc to reuse the memory of large tensors instead of returning it to the system.

    Every minibatch allocates and frees activations of some megabytes; by default each of them is
    mapped, zeroed by page faults and unmapped again. Returns whether the setting was taken; on
    any other C library nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    mapped = mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
    trimmed = mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
    return bool(mapped and trimmed)


def share_cores(index: int, count: int) -> None:
    """Let this process, one of `count` of this machine, take its share of the cores, and all processes it starts.

    Everything that has a thread for each core, physics, renderers and networks, then has as many as its share holds, at
    least one. None is bound to a core.
    """
    if count > 1:
        cores = available_cores()
        os.environ[CORES] = str(max(1, (index + 1) * cores // count - index * cores // count))


def use_cores(threads: int | None = None) -> None:
    """Let torch use this many threads, by default one for each core the process may run on."""
    torch.set_num_threads(available_cores() if threads is None else threads)


def one_thread() -> AbstractContextManager[None]:
    """Run torch on the calling thread alone.

    Acting works on batches too small to share out, and between two of them the idle threads of
    OpenMP would spin on the cores that the worlds step on.
    """
    return use_threads(1)


@contextmanager
def use_threads(threads: int | None) -> Iterator[None]:
    """Run torch on this many threads inside; None changes nothing."""
    before = torch.get_num_threads()
    if threads is None or threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
