"""A block to be tapped: who can know its kind, what is paid when, and what a script comes to."""

import importlib.util
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.tasks.experts.tapping_expert import TapListener, practised
from mmrl_envs.tasks.tap_to_hear import DISTINCTIONS, NEAR_STEPS, PLACES, TapToHear
from mmrl_envs.vector_env import RobotVectorEnv
from tests.comparing import assert_same

ENV_ID = "mmrl/TapToHear-v0"
STEP = 0.006
OVER = {"start_x_m": 0.0, "start_y_m": 0.0, "start_z_m": 0.01}


def make(num_envs: int, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(ENV_ID, num_envs=num_envs, num_threads=1, **{"autoreset": False, **kwargs})
    assert isinstance(envs, RobotVectorEnv)
    return envs


def task_of(envs: RobotVectorEnv) -> TapToHear:
    assert isinstance(envs.task, TapToHear)
    return envs.task


def go(envs: RobotVectorEnv, target: Any, steps: int) -> list[tuple[Any, ...]]:
    """Moves the tip towards places (N, 3) in W for some steps."""
    tip, history = envs.world.current("tip_position"), []
    for _ in range(steps):
        history.append(envs.step(np.clip((np.asarray(target) - tip) / STEP, -1, 1).astype(np.float32)))
    return history


def tap(envs: RobotVectorEnv) -> list[tuple[Any, ...]]:
    return go(envs, [[0.0, 0.0, -0.002]] * envs.num_envs, 12)


def taught(tells: str) -> TapListener:
    """An expert that has tapped 160 other blocks."""
    envs = make(160, tells=tells)
    expert = practised(envs, STEP)
    envs.close()
    return expert


def successes(envs: RobotVectorEnv, expert: TapListener, misled: bool = False) -> float:
    """Share of the worlds in which an expert succeeds; one that is misled hears the block of the next world."""
    seen, _ = envs.reset(seed=2)
    expert.begin(envs.num_envs)
    info: dict[str, Any] = {}
    for _ in range(34):
        own = seen["tap_sound"]
        others = np.where(own.any(axis=(1, 2, 3), keepdims=True), np.roll(own, 1, axis=0), own)
        seen = {**seen, "tap_sound": others if misled else own}
        seen, *_, info = envs.step(expert.act(seen))
    return float(info["is_success"].mean())


@pytest.mark.parametrize(
    "tells", [tells if tells == "material" else pytest.param(tells, marks=pytest.mark.slow) for tells in DISTINCTIONS]
)
def test_an_expert_that_listens_succeeds(tells: str) -> None:
    envs = make(48, tells=tells)
    assert successes(envs, taught(tells)) >= 0.95
    envs.close()


def test_by_the_sound_of_another_block_an_expert_can_but_guess() -> None:
    envs = make(48)
    assert successes(envs, taught("material"), misled=True) < 0.45  # a quarter, and three standard deviations
    envs.close()


def test_blocks_of_all_kinds_look_and_feel_alike() -> None:
    """Every sense but sound reads the same in worlds that differ in the kind alone, when it is seen, tapped, rubbed."""
    senses = ("proprioception", "joint_proprioception", "force_torque", "coarse_camera", "tap_sound", "microphone")
    kinds = np.array([*DISTINCTIONS["material"].kinds])
    envs = make(4, sensors=senses, context={**OVER, "kind": kinds, "light_intensity": 1.0, "light_azimuth_rad": 0.0})
    observation, _ = envs.reset(seed=0)
    seen = [observation, *(step[0] for step in tap(envs)), *(step[0] for step in go(envs, [[0.02, 0.01, 0.0]] * 4, 6))]
    for name in senses:
        readings = np.stack([observation[name] for observation in seen], axis=1)  # (N, steps, ...)
        alike = [bool((readings[0] == readings[world]).all()) for world in (1, 2, 3)]
        assert alike == [name not in ("tap_sound", "microphone")] * 3, name
    envs.close()


def test_nothing_is_paid_before_the_tap_and_then_the_way_to_the_place() -> None:
    envs = make(4, context={**OVER, "kind": np.array([*DISTINCTIONS["material"].kinds])})
    envs.reset(seed=0)
    above = np.column_stack([PLACES, np.full(4, 0.01)])
    untapped = go(envs, above, 14)
    assert all((step[1] == 0).all() for step in untapped)
    assert not untapped[-1][-1]["is_success"].any()  # at the place, but it has tapped nothing
    assert (untapped[-1][-1]["distance_m"] < 0.002).all()
    go(envs, [[0.0, 0.0, 0.01]] * 4, 14)
    tapped = tap(envs)[-1]
    assert (tapped[-1]["tapped"] == 1).all()
    distance = tapped[-1]["distance_m"]
    expected = 0.3 * (1 - distance / 0.07) + 0.2 / (np.exp(100 * distance) + np.exp(-100 * distance))
    np.testing.assert_allclose(tapped[1], expected, atol=1e-6)
    history = go(envs, above, 14)
    success = np.stack([step[-1]["is_success"] for step in history])
    near = np.stack([step[-1]["distance_m"] < 0.015 for step in history])
    first = near.argmax(axis=0) + NEAR_STEPS - 1
    np.testing.assert_array_equal(success, np.arange(14)[:, None] >= first)
    others = go(envs, above[[1, 2, 3, 0]], 24)[-1]  # the places of others
    assert not others[-1]["is_success"].any()
    assert (others[1] < tapped[1]).all()
    envs.close()


def test_taps_are_no_blows_and_the_sides_of_the_plate_are_drawn() -> None:
    envs = make(32)
    envs.reset(seed=1)
    force = tap(envs)[-1][-1]["peak_force_n"]
    assert (force > 0.5).all()
    assert (force < 80).all()
    plates = envs.task.field("sounding_plate")
    shares = plates[:, 4:6] / (0.08, 0.07)
    assert shares.min() > 0.75
    assert shares.max() < 1.25
    assert shares.std() > 0.1
    envs.close()


def test_a_saved_state_continues_bit_for_bit() -> None:
    envs, twin = (make(3, sensors=("tap_sound", "microphone", "proprioception")) for _ in range(2))
    envs.reset(seed=0)
    tap(envs)
    twin.reset(seed=5)
    twin.set_state(envs.get_state())
    for one, other in zip(tap(envs), tap(twin), strict=True):
        assert_same(one, other)
    envs.close()
    twin.close()


@pytest.mark.skipif(importlib.util.find_spec("pybullet") is None, reason="pybullet is not installed")
def test_an_engine_that_knows_no_touch_of_a_geom_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="contact sensor 'tap_sound/touch' does not give the net force of one body"):
        make(1, engine="pybullet")


def test_an_unknown_distinction_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown distinction 'taste'; tells is one of material, hollow, filling"):
        make(1, tells="taste")
