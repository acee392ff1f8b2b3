"""MuJoCo Warp itself, imported when it is first needed and without the lines that it prints then."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

_MISSING = 'engine="warp" needs MuJoCo Warp, which is not installed: pip install "mmrl[warp]" (400 MB)'


@dataclass(frozen=True)
class Warp:
    """The two modules."""

    language: Any
    """`warp`: arrays and devices."""
    mujoco: Any
    """`mujoco_warp`: models, states and steps."""


def load_warp() -> Warp:
    """The modules.

    Raises:
        gymnasium.error.DependencyNotInstalled: where they are missing.
    """
    try:
        language = importlib.import_module("warp")
        language.config.log_level = language.LOG_WARNING  # else 40 kernels say that they are loaded
        return Warp(language, importlib.import_module("mujoco_warp"))
    except ImportError as error:
        raise gym.error.DependencyNotInstalled(_MISSING) from error
