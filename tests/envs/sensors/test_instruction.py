"""Instructions as words, and holes as a set: what they say of the task, what noise and latency do to them."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl.modality import WordBag
from mmrl_envs import make_sensor
from mmrl_envs.scenes.marked_holes import COLOURS, MARKS
from mmrl_envs.sensors.instruction import VOCABULARY, Instruction
from mmrl_envs.tasks.instructed.insertion import ToldInsertion
from mmrl_envs.vector_env import RobotVectorEnv

TOLD = "mmrl/ToldInsertion-v0"


def make(*sensors: Any, num_envs: int = 4, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(TOLD, num_envs=num_envs, sensors=sensors or ("instruction", "holes"), **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def task_of(envs: RobotVectorEnv) -> ToldInsertion:
    assert isinstance(envs.task, ToldInsertion)
    return envs.task


def test_the_words_name_the_colour_and_the_mark_of_the_hole_that_is_meant() -> None:
    envs = make(num_envs=30)
    observation, _ = envs.reset(seed=0)
    task, spec = task_of(envs), envs.modalities["instruction"].encoder
    assert isinstance(spec, WordBag)
    assert observation["instruction"].dtype == np.uint8
    for world, meant in enumerate(task.meant):
        words = spec.text(observation["instruction"][world]).split()
        looks = [*COLOURS][task.holes.colours[world, meant]], [*MARKS][task.holes.marks[world, meant]]
        assert tuple(word for word in words if word in COLOURS or word in MARKS) in (looks, looks[::-1])
    assert len({spec.text(words) for words in observation["instruction"]}) > 15


def test_holes_are_where_they_are_seen_from_the_tip() -> None:
    envs = make("holes", "proprioception")
    envs.reset(seed=1)
    for _ in range(3):
        observation, *_ = envs.step(np.full((4, 3), [1.0, -0.5, 0.0], np.float32))
    task = task_of(envs)
    tip = observation["proprioception"][:, -1, :2]
    np.testing.assert_allclose(observation["holes"][:, :, :2] + tip[:, None], task.holes.places, atol=1e-6)
    looks = observation["holes"][:, :, 2:-1]
    np.testing.assert_array_equal(looks[:, :, : len(COLOURS)].argmax(axis=2), task.holes.colours)
    np.testing.assert_array_equal(looks[:, :, len(COLOURS) :].argmax(axis=2), task.holes.marks)
    assert (looks.sum(axis=2) == 2).all()
    assert (observation["holes"][:, :, -1] == 1).all()
    assert envs.modalities["holes"].labels == ("x", "y", *COLOURS, *MARKS, "exists")


def test_noise_moves_holes_and_says_no_other_word() -> None:
    exact, _ = make(num_envs=50).reset(seed=0)
    noisy, _ = make(num_envs=50, context={"holes_noise": 3.0, "instruction_noise": 100.0}).reset(seed=0)
    np.testing.assert_array_equal(noisy["instruction"], exact["instruction"])
    np.testing.assert_array_equal(noisy["holes"][..., 2:], exact["holes"][..., 2:])
    assert np.std(noisy["holes"][..., :2] - exact["holes"][..., :2]) == pytest.approx(3e-3, rel=0.15)


def test_words_are_the_same_all_episode_and_new_in_the_next() -> None:
    envs = make(num_envs=8, max_episode_steps=4)
    first, _ = envs.reset(seed=0)
    still = np.zeros((8, 3), np.float32)
    for _ in range(3):
        observation, *_ = envs.step(still)
        np.testing.assert_array_equal(observation["instruction"], first["instruction"])
    observation, *_ = envs.step(still)
    assert (observation["instruction"] != first["instruction"]).any(axis=1).sum() >= 7


def test_a_word_outside_the_vocabulary_is_refused_by_name() -> None:
    few = Instruction(vocabulary=VOCABULARY[:5])
    with pytest.raises(
        ValueError, match="sensor 'instruction': the numbers of its 5 words are 1 to 5, 0 for no word, got"
    ):
        make(few).reset(seed=0)


def test_a_vocabulary_of_more_words_than_a_byte_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary must have 1 to 255 words, got 256"):
        Instruction(vocabulary=tuple(f"w{i}" for i in range(256)))


@pytest.mark.parametrize("sensor", ["instruction", "holes"])
def test_a_task_without_words_or_holes_is_refused_by_name(sensor: str) -> None:
    with pytest.raises(ValueError, match=f"sensor '{sensor}' .* needs the fields {sensor}; there are hole_estimate"):
        gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=(sensor,))


def test_no_sense_but_the_words_tells_which_hole_is_meant() -> None:
    """The estimate of the hole, which other insertions have, is no field of this task."""
    with pytest.raises(ValueError, match="needs the fields hole_estimate; there are holes, instruction, tool_wrench"):
        make("hole_estimate")
    with pytest.raises(ValueError, match="has no field 'hole_estimate'"):
        task_of(make()).field("hole_estimate")


def test_options_are_taken_from_a_text() -> None:
    sensor = make_sensor("instruction:length=12,features=16")
    assert sensor.modality.shape == (12,)
    assert make_sensor("holes:encoder.features=32").modality.encoder.features == 32  # type: ignore[attr-defined]
