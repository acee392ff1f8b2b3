"""Tuning of memory and threads for training on CPU."""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

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


def granted_cores() -> int:
    """How many cores the process may run on: a container or a batch system often grants fewer than there are."""
    granted = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return granted or 1


def use_cores(threads: int | None = None) -> None:
    """Let torch use this many threads, by default one for each core the process may run on."""
    torch.set_num_threads(granted_cores() if threads is None else threads)


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
