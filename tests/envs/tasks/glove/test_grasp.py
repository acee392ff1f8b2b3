"""Things pressed into the gloved palm: what is felt is what presses, and presses differ."""

import numpy as np
import pytest

from mmrl_envs.sensors.tactile.glove import glove_mask
from mmrl_envs.tasks.glove.grasp import LEAST_N, MOST_N, GloveGrasp
from mmrl_envs.tasks.glove.objects import THINGS
from mmrl_envs.vector_env import RobotVectorEnv


def grasped(thing: str, num_envs: int = 4) -> RobotVectorEnv:
    return RobotVectorEnv(
        GloveGrasp(thing), num_envs, control_hz=4, physics_hz=500, max_episode_steps=None, num_threads=1
    )


def pressed(thing: str, force: float = 1.0, seed: int = 0, steps: int = 4) -> np.ndarray:
    """Normal forces (N, 32, 32) after some steps."""
    envs = grasped(thing)
    envs.reset(seed=seed)
    for _ in range(steps):
        seen, *_ = envs.step(np.full((4, 1), force, np.float32))
    envs.close()
    return seen["tactile"][..., 0]


@pytest.mark.parametrize(("force", "newtons"), [(-1.0, LEAST_N), (0.0, (LEAST_N + MOST_N) / 2), (1.0, MOST_N)])
def test_the_glove_feels_the_force_that_presses(force: float, newtons: float) -> None:
    # A ball has nowhere to tip to: it lies still within a second.
    np.testing.assert_allclose(pressed("ball", force).sum(axis=(1, 2)), newtons, rtol=0.03)


def test_a_press_begins_over_the_palm_and_only_the_hand_feels() -> None:
    envs = grasped("star")
    seen, _ = envs.reset(seed=0)
    assert not seen["tactile"].any()
    for _ in range(3):
        seen, *_ = envs.step(np.ones((4, 1), np.float32))
    assert (seen["tactile"][..., 0].sum(axis=(1, 2)) > 5.0).all()
    assert not seen["tactile"][:, ~glove_mask()].any()
    envs.close()


def test_the_pattern_is_that_of_the_thing() -> None:
    """A tile lies on its face of 76 x 76 mm, or its edge, and never as a ball does: on a round patch."""
    ball, tile = (pressed(thing) > 0.03 for thing in ("ball", "tile"))
    assert tile.sum(axis=(1, 2)).max() > 2 * ball.sum(axis=(1, 2)).max()
    for patch in ball:
        rows, columns = np.nonzero(patch)
        assert abs(np.ptp(rows) - np.ptp(columns)) <= 2


def test_a_seed_gives_the_same_bits_and_every_press_is_another() -> None:
    first, again, other = pressed("T"), pressed("T"), pressed("T", seed=1)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max(axis=(1, 2)).min() > 0.01
    assert np.abs(first[0] - first[1]).max() > 0.01


def test_nothing_goes_through_the_palm() -> None:
    for thing in THINGS:
        envs = grasped(thing, 2)
        envs.reset(seed=3)
        for _ in range(2):
            *_, ended, _, _ = envs.step(np.ones((2, 1), np.float32))
            assert not ended.any(), thing
        envs.close()


def test_a_thing_that_is_through_the_palm_is_an_error_of_physics() -> None:
    envs = grasped("cube", 2)
    envs.reset(seed=0)
    place = envs.world.qpos[:1].copy()
    place[0, 2] = -0.08
    envs.world.write("qpos", np.array([0]), place)
    *_, ended, _, info = envs.step(np.zeros((2, 1), np.float32))
    assert ended.tolist() == [True, False]
    assert info["final_info"]["physics_error"][0]
    envs.close()


def test_an_unknown_thing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"thing must be one of ball, egg, .*; got 'sock'"):
        GloveGrasp("sock")
