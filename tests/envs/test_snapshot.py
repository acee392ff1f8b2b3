"""A saved environment goes on bit for bit, in a fresh object, across resets, whatever its senses."""

import importlib.util
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import mmrl_envs
from mmrl.modality.noise import Bias, Chain, Dropout, Gaussian
from mmrl_envs import Camera, ForceTorque, Sensor
from mmrl_envs.tasks.experts.peg_expert import PegExpert
from tests.comparing import assert_same
from tests.envs.matrix import senses_of

IDS = [env_id for env_id in mmrl_envs.task_ids() if env_id.startswith("mmrl/PegInsertion")]
"""Tasks of the arm, which has every kind of sense."""
BULLET = pytest.mark.skipif(importlib.util.find_spec("pybullet") is None, reason="PyBullet is not installed")


def hard_senses() -> list[Sensor | str]:
    """Every kind of memory a sense can have: windows, drift, losses, latency, images held between readings."""
    wrench, camera = ForceTorque(), Camera("slow_camera", rate_hz=10, height=16, width=16)
    noise = Chain(Bias(0.3, drift_std=0.5), Gaussian(0.1), Dropout(0.3))
    wrench.modality = wrench.modality.__class__(
        **{**vars(wrench.modality), "noise": noise, "latency_s": 0.007, "history": 5}
    )
    return [wrench, camera, "proprioception", "hole_estimate"]


def make(env_id: str, num_worlds: int, sensors: Any = None, engine: str = "mujoco") -> Any:
    return gym.make_vec(
        env_id,
        num_envs=num_worlds,
        sensors=hard_senses() if sensors is None else sensors,
        max_episode_steps=6,
        engine=engine,
        context={"proprioception_noise": 0.5} if sensors is None else None,
    )


def actions(num_steps: int, num_worlds: int, size: int) -> np.ndarray:
    return np.random.default_rng(2).uniform(-1, 1, (num_steps, num_worlds, size)).astype(np.float32)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize(
    ("num_worlds", "before", "engine"),
    [
        (1, 0, "mujoco"),
        (1, 7, "mujoco"),
        (8, 0, "mujoco"),
        (8, 7, "mujoco"),
        pytest.param(2, 3, "pybullet", marks=BULLET),
    ],
)
def test_a_fresh_environment_goes_on_bit_for_bit(env_id: str, num_worlds: int, before: int, engine: str) -> None:
    envs = make(env_id, num_worlds, engine=engine)
    size = envs.single_action_space.shape[0]
    # Worlds out of step, of differing models, moved by a source of contexts.
    envs.reset(
        seed=3,
        options={
            "elapsed_steps": np.arange(num_worlds) % 6,
            "context": {
                "shape": "all",
                "friction": (0.2, 1.0),
                "clearance_mm": (0.5, 3.0),
                "hole_estimate_error_m": 0.01,
            },
        },
    )
    envs.unwrapped.context_source = lambda worlds: [{"friction": 0.2 + 0.05 * float(w)} for w in worlds]
    script = actions(before + 15, num_worlds, size)
    for action in script[:before]:
        envs.step(action)
    state = envs.unwrapped.get_state()
    first = [envs.step(action) for action in script[before:]]
    fresh = make(env_id, num_worlds, engine=engine)
    fresh.unwrapped.context_source = envs.unwrapped.context_source
    fresh.unwrapped.set_state(state)
    second = [fresh.step(action) for action in script[before:]]
    assert any(step[3].any() for step in first)  # episodes ended on the way
    assert any(step[0]["force_torque"].any() for step in first)
    for one, other in zip(first, second, strict=True):
        assert_same(one, other)
    assert_same(first[0][4]["context"], second[0][4]["context"])
    # And the state is a copy: what was stepped since did not change it.
    fresh.unwrapped.set_state(state)
    assert_same(first[0], fresh.step(script[before]))


@pytest.mark.parametrize("env_id", mmrl_envs.task_ids())
def test_every_task_goes_on_with_its_own_senses(env_id: str) -> None:
    envs, fresh = (gym.make_vec(env_id, num_envs=2, max_episode_steps=6) for _ in range(2))
    envs.reset(seed=3)
    script = np.random.default_rng(2).uniform(-1, 1, (12, 2, *envs.single_action_space.shape)).astype(np.float32)
    for action in script[:4]:
        envs.step(action)
    fresh.unwrapped.set_state(envs.unwrapped.get_state())
    for action in script[4:]:
        assert_same(envs.step(action), fresh.step(action))


@pytest.mark.parametrize("env_id", IDS)
def test_a_reset_after_loading_is_that_of_the_original(env_id: str) -> None:
    envs, fresh = make(env_id, 2), make(env_id, 2)
    envs.reset(seed=1)
    fresh.unwrapped.set_state(envs.unwrapped.get_state())
    assert_same(envs.reset(), fresh.reset())


@pytest.mark.parametrize("env_id", IDS)
def test_every_sense_there_is_goes_on(env_id: str) -> None:
    senses = senses_of(env_id)
    envs, fresh = make(env_id, 2, senses), make(env_id, 2, senses)
    envs.reset(seed=1)
    script = actions(8, 2, envs.single_action_space.shape[0])
    envs.step(script[0])
    fresh.unwrapped.set_state(envs.unwrapped.get_state())
    for action in script[1:]:
        assert_same(envs.step(action), fresh.step(action))


@pytest.mark.parametrize("engine", ["mujoco", pytest.param("pybullet", marks=BULLET)])
def test_an_insertion_goes_on_with_the_success_it_holds(engine: str) -> None:
    """Saved while the peg has been at the bottom for some, but not all, of the steps that make a success."""
    envs, fresh = (
        gym.make_vec(IDS[0], num_envs=2, sensors=("proprioception",), context={"start_z_m": 0.01}, engine=engine)
        for _ in range(2)
    )
    envs.reset(seed=0)
    expert = PegExpert(envs.unwrapped)
    held = envs.unwrapped.task.arrays()["held"]
    while not 1 <= held.max() <= 3:
        envs.step(expert.act())
        held = envs.unwrapped.task.arrays()["held"]
    fresh.unwrapped.set_state(envs.unwrapped.get_state())
    down = np.tile(np.array([0.0, 0.0, -1.0], np.float32), (2, 1))
    steps = [(envs.step(down), fresh.step(down)) for _ in range(4)]
    for one, other in steps:
        assert_same(one, other)
    assert steps[-1][0][4]["is_success"].any()


def test_the_single_environment_has_a_state_too() -> None:
    env, fresh = (gym.make("mmrl/PegInsertion-v0", sensors=("force_torque",)).unwrapped for _ in range(2))
    env.reset(seed=1)
    env.step(np.full(3, -0.5, np.float32))
    fresh.set_state(env.get_state())
    action = np.full(3, 0.5, np.float32)
    assert_same(env.step(action), fresh.step(action))


@pytest.mark.parametrize(
    ("num_worlds", "sensors", "message"),
    [
        (3, ("proprioception",), "num_envs 2 became 3"),
        (2, ("force_torque",), r"senses .'proprioception': \[32, 8\]. became .'force_torque'"),
    ],
)
def test_the_state_of_other_worlds_is_refused(num_worlds: int, sensors: tuple[str, ...], message: str) -> None:
    envs, other = make(IDS[0], 2, ("proprioception",)), make(IDS[0], num_worlds, sensors)
    envs.reset(seed=0)
    other.reset(seed=0)
    with pytest.raises(ValueError, match=f"state is of other worlds: .*{message}"):
        other.unwrapped.set_state(envs.unwrapped.get_state())
