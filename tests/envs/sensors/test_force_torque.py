"""The low-pass of the force-torque sensor, against its difference equation step by step."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import mmrl_envs

BANDWIDTH_HZ = 40.0
KEPT = np.exp(-2 * np.pi * BANDWIDTH_HZ / 1000)
RAW = "force_torque:name=raw,history=50"
FILTERED = f"force_torque:name=filtered,history=50,bandwidth_hz={BANDWIDTH_HZ}"
SLOW = f"force_torque:name=slow,history=1,rate_hz=10,bandwidth_hz={BANDWIDTH_HZ}"
DOWN = np.array([[0.0, 0.0, -1.0], [1.0, 0.3, -1.0]], np.float32)


def make(**kwargs: Any) -> gym.vector.VectorEnv[Any, Any, Any]:
    kwargs = {"sensors": (RAW, FILTERED, SLOW), "context": {"start_z_m": 0.01}, **kwargs}
    return gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, **kwargs)


def low_pass(start: np.ndarray, wrench: np.ndarray) -> np.ndarray:
    """y += (1 - exp(-2 pi f / 1000)) (x - y) from y = start (N, 6) on, over x (N, S, 6)."""
    out, y = [], start
    for x in wrench.swapaxes(0, 1):
        y = KEPT * y + (1 - KEPT) * x
        out.append(y)
    return np.stack(out, axis=1)


def test_the_filter_follows_its_difference_equation_over_steps_and_episodes() -> None:
    envs = make(max_episode_steps=5)
    first, _ = envs.reset(seed=0, options={"elapsed_steps": np.array([0, 2])})
    np.testing.assert_array_equal(first["filtered"], first["raw"])
    y = first["raw"][:, -1].astype(np.float64)
    differs = 0.0
    for step in range(1, 12):
        observation, _, _, truncated, info = envs.step(DOWN)
        raw, seen, slow = (observation[name].astype(np.float64) for name in ("raw", "filtered", "slow"))
        for world in np.flatnonzero(truncated):  # what was felt last is in final_obs
            raw[world], seen[world] = (info["final_obs"][world][name] for name in ("raw", "filtered"))
        expected = low_pass(y, raw)
        np.testing.assert_allclose(seen, expected, atol=2e-3)
        differs = max(differs, np.abs(seen - raw).max())
        y = np.where(truncated[:, None], observation["raw"][:, -1], expected[:, -1])
        if step in (2, 4):  # at 10 Hz world 0 is read at every second control step, but filtered at all
            np.testing.assert_allclose(slow[0, -1], expected[0, -1], atol=2e-3)
    assert differs > 1.0  # newtons: the peg lands
    envs.close()


def test_a_saved_state_continues_the_filter_and_one_without_it_is_refused() -> None:
    envs, twin = make(), make()
    envs.reset(seed=0)
    twin.reset(seed=5)
    for _ in range(3):
        envs.step(DOWN)
    twin.unwrapped.set_state(envs.unwrapped.get_state())
    for _ in range(2):
        one, other = envs.step(DOWN)[0], twin.step(DOWN)[0]
        for name, window in one.items():
            np.testing.assert_array_equal(window, other[name])
    without = make(
        sensors=(RAW, "force_torque:name=filtered,history=50", "force_torque:name=slow,history=1,rate_hz=10")
    )
    without.reset(seed=0)
    with pytest.raises(ValueError, match="remembering"):
        twin.unwrapped.set_state(without.unwrapped.get_state())


def test_one_sensor_object_serves_two_environments() -> None:
    sensor = mmrl_envs.ForceTorque(bandwidth_hz=BANDWIDTH_HZ)
    envs, twin = make(sensors=(sensor,)), make(sensors=(sensor,))
    for worlds in (envs, twin):
        worlds.reset(seed=0)
    for action in (DOWN, -DOWN):
        before, _ = envs.reset(seed=1)
        twin.reset(seed=2)
        envs.step(action)
        twin.step(DOWN)
    after, _ = envs.reset(seed=1)
    np.testing.assert_array_equal(before["force_torque"], after["force_torque"])
    assert not sensor.arrays()


class Sines:
    """One world whose wrench is a sine of the bandwidth's frequency, all of it in one control step."""

    worlds = np.array([0])
    begins = False

    def steps(self, name: str) -> np.ndarray:
        time_s = np.arange(1000) / 1000
        return np.sin(2 * np.pi * 10 * time_s)[None, :, None] * np.ones(3)

    __getitem__ = steps

    def field(self, name: str) -> np.ndarray:
        return np.zeros((1, 6))


class Clock:
    """As much of a world as the filter needs."""

    num_worlds, physics_hz = 1, 1000


def test_at_its_bandwidth_the_filter_lets_half_the_power_through() -> None:
    sensor: Any = mmrl_envs.ForceTorque(bandwidth_hz=10)
    sensor.attach(Clock())
    amplitude = np.abs(sensor.read(Sines())[0, 500:, :3]).max()  # the start has died down: 31 time constants of 16 ms
    assert amplitude == pytest.approx(np.sqrt(0.5), rel=0.02)


@pytest.mark.parametrize(
    ("bandwidth_hz", "message"),
    [
        (500, "bandwidth_hz of 'force_torque' must be above 0 and below 500, half of physics_hz, got 500"),
        (0, "must be above 0"),
        (float("nan"), "bandwidth_hz must be a number, finite, got nan"),
    ],
)
def test_a_bandwidth_that_no_filter_has_is_refused(bandwidth_hz: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(sensors=(mmrl_envs.ForceTorque(bandwidth_hz=bandwidth_hz),))
