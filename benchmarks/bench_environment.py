"""Speed of the environment against the physics engine, against a plain rendering loop, and over cores.

Machines are shared and noisy, so each figure is a ratio of two rates measured alternately in one run; the
medians over rounds count.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import gymnasium as gym

import mmrl_envs  # noqa: F401  (registers the ids; chooses OpenGL before mujoco is imported)

# isort: split
import mujoco
import numpy as np
from mujoco.batch import Batch
from rich.progress import track
from rich.table import Table

from mmrl_envs.vector_env import RobotVectorEnv

ENV_ID = "mmrl/PegInsertion-v0"
NUM_WORLDS = 64
STEPS = 100
ROUNDS = 5
WINDOWS = ("force_torque", "proprioception")
WITH_CAMERA = ("camera", *WINDOWS)


@dataclass(frozen=True)
class Ratio:
    """Two rates in environment steps per second and the ratio asked of them."""

    name: str
    rate: float
    reference: str
    reference_rate: float
    at_least: float

    @property
    def value(self) -> float:
        """How many times faster than the reference."""
        return self.rate / self.reference_rate


def make(sensors: tuple[str, ...], num_threads: int) -> RobotVectorEnv:
    """64 worlds in the middle of their first episode."""
    envs = gym.make_vec(ENV_ID, num_envs=NUM_WORLDS, sensors=sensors, num_threads=num_threads)
    assert isinstance(envs, RobotVectorEnv)
    envs.reset(seed=0)
    return envs


def random_actions() -> np.ndarray:
    """Actions (STEPS, NUM_WORLDS, 3) that wander down onto the block.

    So contact is the usual state, as in training.
    """
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (STEPS, NUM_WORLDS, 3))
    actions[:, :, 2] -= 0.3
    return actions.clip(-1, 1).astype(np.float32)


def environment_rate(envs: RobotVectorEnv, actions: np.ndarray) -> float:
    """Environment steps per second over one episode of all worlds, its reset at the end included."""
    envs.reset(seed=0)
    start = time.perf_counter()
    for action in actions:
        envs.step(action)
    return STEPS * NUM_WORLDS / (time.perf_counter() - start)


class RawPhysics:
    """`Batch.step` alone on the same scene, from the same start, towards the same setpoints."""

    def __init__(self, envs: RobotVectorEnv, actions: np.ndarray) -> None:
        envs.reset(seed=0)
        self._models = [copy.copy(model) for model in map(envs.world.model_of, range(envs.num_envs))]
        self._batch = Batch(envs.world.template, NUM_WORLDS, envs.world.num_threads)
        self._batch.set_models(self._models)
        self._start = envs.world.state_dict()["state"]
        self._substeps = envs.world.substeps
        self._controls = []
        for action in actions:
            envs.step(action)
            control = np.zeros((NUM_WORLDS, 6))
            control[:, [0, 1, 2, 5]] = envs.controller.arrays()["setpoint"] * (1, -1, -1, -1)
            self._controls.append(control)

    def rate(self) -> float:
        """Control steps per second of all worlds."""
        self._batch.state[:] = self._start
        target = self._batch.bind("ctrl")
        start = time.perf_counter()
        for control in self._controls:
            target[:] = control
            self._batch.step(nstep=self._substeps)
        return STEPS * NUM_WORLDS / (time.perf_counter() - start)


def stock_loop_rate(envs: RobotVectorEnv, actions: np.ndarray, steps: int = 12) -> float:
    """One world by the book: `mj_step`, then a stock `mujoco.Renderer` for the 64 x 64 wrist camera."""
    envs.reset(seed=0)
    model = copy.copy(envs.world.model_of(0))
    data = mujoco.MjData(model)
    data.qpos[:] = envs.world.qpos[0]
    data.mocap_pos[:] = envs.world.mocap_pos[0]
    with mujoco.Renderer(model, 64, 64) as renderer:
        renderer.update_scene(data, "wrist_camera")
        renderer.render()  # the first image pays for the context
        start = time.perf_counter()
        for action in actions[:steps]:
            data.ctrl[:3] = action[0] * 0.01
            mujoco.mj_step(model, data, envs.world.substeps)
            renderer.update_scene(data, "wrist_camera")
            renderer.render()
        return steps / (time.perf_counter() - start)


def alternate(*measures: Callable[[], float]) -> list[float]:
    """Median rate of each measure over rounds in which they take turns."""
    for measure in measures:
        measure()  # caches, contexts, thread pools
    rounds = [[measure() for measure in measures] for _ in track(range(ROUNDS), "measuring", transient=True)]
    return [float(rate) for rate in np.median(rounds, axis=0)]


def measure() -> list[Ratio]:
    """The three ratios of the environment."""
    actions = random_actions()
    windows = make(WINDOWS, 0)
    raw = RawPhysics(windows, actions)
    with_windows, physics = alternate(lambda: environment_rate(windows, actions), raw.rate)
    both, one = make(WITH_CAMERA, 2), make(WITH_CAMERA, 1)
    on_two, on_one, stock = alternate(
        lambda: environment_rate(both, actions),
        lambda: environment_rate(one, actions),
        lambda: stock_loop_rate(one, actions),
    )
    return [
        Ratio("state windows, 64 worlds", with_windows, "Batch.step alone", physics, 0.85),
        Ratio("with 64 x 64 camera, 64 worlds", on_two, "mj_step + stock Renderer", stock, 60.0),
        Ratio("with 64 x 64 camera, two cores", on_two, "the same, one core", on_one, 1.6),
    ]


def table(ratios: list[Ratio]) -> Table:
    """The ratios for a terminal."""
    table = Table("what", "steps/s", "against", "steps/s", "ratio", "wanted", title="Environment speed")
    for ratio in ratios:
        table.add_row(
            ratio.name,
            f"{ratio.rate:,.0f}",
            ratio.reference,
            f"{ratio.reference_rate:,.0f}",
            f"{ratio.value:.2f}",
            f">= {ratio.at_least:g}",
        )
    return table
