"""PyBullet itself, imported when it is first needed and without the line it prints then."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym

_MISSING = (
    'engine="pybullet" needs PyBullet, which is not installed: pip install "mmrl[pybullet]" '
    "(there are wheels for Python 3.11 on Linux x86-64)"
)


def load_pybullet() -> Any:
    """The module.

    Raises:
        gymnasium.error.DependencyNotInstalled: where it is missing.
    """
    if "pybullet" in sys.modules:
        return sys.modules["pybullet"]
    try:
        with _without_greeting():
            return importlib.import_module("pybullet")
    except ImportError as error:
        raise gym.error.DependencyNotInstalled(_MISSING) from error


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Mutes both output streams below Python: it is C code that prints."""
    sys.stdout.flush()
    sys.stderr.flush()
    with open(os.devnull, "w") as nowhere:
        saved = [(stream, os.dup(stream)) for stream in (1, 2)]
        try:
            for stream, _ in saved:
                os.dup2(nowhere.fileno(), stream)
            yield
        finally:
            for stream, copy in saved:
                os.dup2(copy, stream)
                os.close(copy)
