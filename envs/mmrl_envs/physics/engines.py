"""Physics engines by name: each makes worlds of the same compiled models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import mujoco

from mmrl_envs.physics.mujoco_world import MujocoWorld
from mmrl_envs.physics.world import World

DEFAULT_ENGINE = "mujoco"
BULLET = "pybullet"
WARP = "warp"

WorldMaker = Callable[[Sequence[mujoco.MjModel], int, int, int], World]
"""Worlds from variants, N, S and a number of threads, 0 for one per core."""


def _mujoco(variants: Sequence[mujoco.MjModel], num_worlds: int, substeps: int, num_threads: int) -> World:
    return MujocoWorld(variants, num_worlds, substeps=substeps, num_threads=num_threads)


def _bullet(variants: Sequence[mujoco.MjModel], num_worlds: int, substeps: int, num_threads: int) -> World:
    from mmrl_envs.physics.bullet.world import BulletWorld  # an optional dependency

    return BulletWorld(variants, num_worlds, substeps=substeps)  # in one thread: see there


def _warp(variants: Sequence[mujoco.MjModel], num_worlds: int, substeps: int, num_threads: int) -> World:
    from mmrl_envs.physics.warp.world import WarpWorld  # an optional dependency

    return WarpWorld(variants, num_worlds, substeps=substeps)


ENGINES: Mapping[str, WorldMaker] = {DEFAULT_ENGINE: _mujoco, BULLET: _bullet, WARP: _warp}


def make_world(
    engine: str, variants: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int, num_threads: int
) -> World:
    """Worlds of an engine.

    Raises:
        ValueError: on an unknown engine, or a scene that the engine cannot simulate.
        gymnasium.error.DependencyNotInstalled: where the engine is not installed.
    """
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}; engines are {sorted(ENGINES)}")
    return ENGINES[engine](variants, num_worlds, substeps, num_threads)
