"""The sound of one tap: what it shows, how long, and that it alone tells the material."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmrl_envs.vector_env import RobotVectorEnv
from tests.toys.tapping import Tapping

FRAMES, BANDS = 32, 24


def make(num_envs: int, sensors: tuple[str, ...] = ("microphone", "tap_sound"), **context: object) -> RobotVectorEnv:
    return RobotVectorEnv(Tapping(), num_envs, sensors=sensors, context=context, num_threads=1, max_episode_steps=None)


def test_it_shows_the_frames_from_the_tap_on_and_holds_them_until_the_next() -> None:
    envs = make(1, material=0.0)
    observation, _ = envs.reset(seed=0)
    frames, held = [], [observation["tap_sound"]]
    for step in range(40):
        # down for the first tap, up again, and down for a second one after a second
        push = {0: 0.0, 4: 0.3, 8: -0.3}.get(step - step % 4, -0.1)
        observation, *_ = envs.step(np.array([[0.0, push]], np.float32))
        frames += list(observation["microphone"][0, -5:])
        held.append(observation["tap_sound"])
    heard = np.stack(frames)  # (200, bands)
    loud = heard.max(axis=1)
    first = int(np.flatnonzero(loud)[0])
    shown = held[-1][0, ::-1, :, 0].T
    after_first = held[1 + (first + FRAMES) // 5][0, ::-1, :, 0].T
    np.testing.assert_array_equal(after_first, heard[first : first + FRAMES])
    starts = [i for i in range(first + FRAMES, 200 - FRAMES) if np.array_equal(heard[i : i + FRAMES], shown)]
    assert len(starts) == 1  # the second tap, from its own frame on
    assert loud[starts[0]] > loud[starts[0] - 1] + 20
    np.testing.assert_array_equal(held[first // 5], np.zeros_like(held[0]))
    envs.close()


def taps(number: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sounds (number, 24 x 20), contact forces of the 100 ms from touch on, (number, 100), and materials, (number,)."""
    material = np.arange(number) % 4
    speed = np.random.default_rng(seed).uniform(0.05, 0.5, number)
    envs = make(number, ("tap_sound",), material=material.astype(float), down_m_s=speed)
    envs.reset(seed=seed)
    touch, sounds = [], None
    for _ in range(12):
        observation, *_ = envs.step(np.zeros((number, 2), np.float32))
        touch.append(envs.world.recorded("tap_sound/touch")[:, :, 1].copy())
        sounds = observation["tap_sound"]
    assert sounds is not None
    forces = np.concatenate([np.concatenate(touch, axis=1), np.zeros((number, 100))], axis=1)
    onset = (forces > 0).argmax(axis=1)
    envs.close()
    return (
        sounds[:, :, :20, 0].reshape(number, -1),
        forces[np.arange(number)[:, None], onset[:, None] + np.arange(100)],
        material,
    )


def test_a_linear_probe_tells_four_materials_by_one_tap_and_none_by_its_force() -> None:
    """800 taps to learn by and 800 others to be judged by, at 0.05 to 0.5 m/s, anywhere within 6 cm, sides +-15 %."""
    sounds, forces, materials = taps(800, seed=0)
    other_sounds, other_forces, other_materials = taps(800, seed=1)
    share = {}
    for name, seen, unseen in (("sound", sounds, other_sounds), ("force", forces, other_forces)):
        probe = make_pipeline(StandardScaler(), RidgeClassifier(10.0)).fit(seen, materials)
        share[name] = probe.score(unseen, other_materials)
    assert share["sound"] >= 0.99
    assert share["force"] == pytest.approx(0.25, abs=0.05)  # of 800 guesses: 3.3 standard deviations
