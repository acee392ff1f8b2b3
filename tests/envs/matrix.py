"""Every environment of the suite, and how the matrices of tests play it."""

from __future__ import annotations

import importlib.util
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import mmrl_envs
from mmrl.arrays import Observation
from mmrl_envs.sensors import SENSORS

TASKS = [env_id for env_id in mmrl_envs.task_ids() if env_id.startswith("mmrl/")]
"""Those of the suite: a package that happens to be installed has tests of its own."""
SHIPPED_SENSES = tuple(name for name in sorted(SENSORS) if not mmrl_envs.make_sensor(name).for_critics)
"""Those that a policy may have."""
GAMES: dict[str, dict[str, Any]] = {"mmrl/Pong-v0": {}, "mmrl/Atari-v0": {"game": "breakout"}}
"""Arguments without which a game is none."""
WORDLESS = 0.85
"""Size of actions that end no episode by themselves."""


def _of(env_id: str, engine: str) -> Any:
    missing = {"pybullet": "pybullet", "atari": "ale_py"}.get(engine, "numpy")
    marks = [pytest.mark.skipif(importlib.util.find_spec(missing) is None, reason=f"{missing} is not installed")]
    kwargs = GAMES.get(env_id, {"engine": engine})
    name = f"{env_id}-{engine}" if engine == "pybullet" else env_id
    return pytest.param(env_id, kwargs, id=name, marks=marks)


WORLDS = [*(_of(env_id, "mujoco") for env_id in TASKS), _of("mmrl/PegInsertion-v0", "pybullet")]
"""Every task, and every scene in the other engine: the variants of a task differ in senses and contexts alone."""
EVERY = [*WORLDS, *(_of(env_id, "atari") for env_id in GAMES)]


def senses_of(env_id: str) -> tuple[str, ...]:
    """Every sense that ships whose places and quantities the robot and the task of an id have."""
    task = gym.make_vec(env_id, num_envs=1).unwrapped.task  # type: ignore[attr-defined]
    needs = {name: mmrl_envs.make_sensor(name).requires for name in SHIPPED_SENSES}
    return tuple(
        name
        for name, need in needs.items()
        if {*need.mounts} <= {*task.robot.mounts} and {*need.fields} <= {*task.fields}
    )


def rows(observation: Observation, world: int) -> Observation:
    return {name: array[world] for name, array in observation.items()}


def actions(num_steps: int, num_worlds: int, space: Any, seed: int = 5) -> np.ndarray:
    """World i gets the same actions whatever the number of worlds, (num_steps, num_worlds, ...)."""
    random = [np.random.default_rng([seed, i]) for i in range(num_worlds)]
    if isinstance(space, spaces.Discrete):
        return np.stack([rng.integers(0, space.n, num_steps) for rng in random], axis=1)
    # an action near 1 may be a word that ends the episode
    columns = [rng.uniform(-WORDLESS, WORDLESS, (num_steps, *space.shape)) for rng in random]
    return np.stack(columns, axis=1).astype(np.float32)


def play(env_id: str, num_worlds: int, steps: int, **kwargs: Any) -> list[tuple[Any, ...]]:
    """The results of a reset and some steps, by short episodes."""
    envs = gym.make_vec(env_id, num_envs=num_worlds, **{"max_episode_steps": 6, **kwargs})
    history: list[tuple[Any, ...]] = [envs.reset(seed=7)]
    for action in actions(steps, num_worlds, envs.single_action_space):
        history.append(envs.step(action))
    envs.close()
    return history
