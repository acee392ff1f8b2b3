"""MuJoCo's own words about physics that went wrong.

By default it prints the first warning of each world on the terminal, into whatever progress bar stands there,
and appends it to MUJOCO_LOG.TXT in the current folder. Worlds report and count such failures themselves.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import mujoco

_lock = threading.Lock()
_silencers = 0
_before = mujoco.MjLogConfig()


@contextmanager
def quiet() -> Iterator[None]:
    """MuJoCo prints and writes nothing meanwhile. Its setting is one for the process: the last to leave restores it."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _silencers, _before
    with _lock:
        if _silencers == 0:
            _before, silent = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
            silent.logto_console = silent.logto_file = False
            silent.set()
        _silencers += 1


def _leave() -> None:
    global _silencers
    with _lock:
        _silencers -= 1
        if _silencers == 0:
            _before.set()


def _forget_other_threads() -> None:
    """A thread that was inside `quiet` while the process forked does not exist in the child."""
    global _lock, _silencers
    _lock = threading.Lock()
    if _silencers:
        _silencers = 0
        _before.set()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget_other_threads)
