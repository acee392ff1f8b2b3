"""Insertion into the hole that is meant: what is right and wrong, what is drawn, and what scripts come to."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from benchmarks.scripts import Act, play
from mmrl_envs.scenes.marked_holes import COLOURS, MARKS
from mmrl_envs.tasks.experts.by_task import step_m
from mmrl_envs.tasks.experts.following_expert import SENSES, FollowingExpert
from mmrl_envs.tasks.experts.peg_expert import PegExpert
from mmrl_envs.tasks.instructed.insertion import ToldInsertion
from mmrl_envs.tasks.instructed.instructions import HELD_OUT, TRAIN
from mmrl_envs.vector_env import RobotVectorEnv
from tests.comparing import assert_same

TOLD = "mmrl/ToldInsertion-v0"


def make(num_envs: int, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(TOLD, num_envs=num_envs, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def task_of(envs: RobotVectorEnv) -> ToldInsertion:
    assert isinstance(envs.task, ToldInsertion)
    return envs.task


def listener(envs: RobotVectorEnv, *, listens: bool) -> Act:
    return FollowingExpert(envs.num_envs, step_m=step_m(envs), listens=listens).act


@pytest.mark.parametrize("words", ["train", "held_out"])
def test_an_expert_that_listens_finds_every_hole_and_a_deaf_one_a_quarter(words: str) -> None:
    episodes = {"episodes": 40, "seed": 0, "sensors": SENSES, "context": {"words": words}}
    success, figures = play(TOLD, partial(listener, listens=True), **episodes)
    assert success.rate == 1
    assert not figures["wrong_hole"].any()
    assert (figures["peak_force_n"] < 120).all()
    success, figures = play(TOLD, partial(listener, listens=False), **episodes)
    assert success.rate is not None
    assert 0.05 < success.rate < 0.5  # a quarter, and a deviation of 7 points
    assert figures["wrong_hole"].mean() == 1 - success.rate


def test_a_peg_in_a_hole_that_is_not_meant_ends_the_episode_as_a_failure() -> None:
    envs = make(6, autoreset=False)
    envs.reset(seed=3)
    task = task_of(envs)
    expert = PegExpert(envs)
    other = (task.meant + 1) % 4
    meant_for = task.hole[:, :2].copy()
    ended = np.zeros(6, np.bool_)
    for _ in range(40):
        task.hole[:, :2] = task.holes.places[np.arange(6), other]  # the script is misled, the task is not
        action = expert.act()
        task.hole[:, :2] = meant_for
        _, _, terminated, _, info = envs.step(action)
        assert not info["is_success"].any()
        np.testing.assert_array_equal(terminated, info["wrong_hole"] == 1)
        ended |= terminated
        if terminated.any():
            break
    assert ended.any()


@pytest.mark.parametrize(("words", "pairs"), [("train", TRAIN), ("held_out", HELD_OUT), ("all", TRAIN + HELD_OUT)])
def test_the_context_says_which_pairs_are_named(words: str, pairs: tuple[tuple[int, int], ...]) -> None:
    envs = make(200, context={"words": words})
    task, named = task_of(envs), set[tuple[int, int]]()
    for seed in range(3):
        envs.reset(seed=seed)
        rows = np.arange(200)
        colours, marks = task.holes.colours[rows, task.meant], task.holes.marks[rows, task.meant]
        named |= set(zip(colours.tolist(), marks.tolist(), strict=True))
    assert named == {*pairs}


def test_episodes_differ_in_words_alone_between_contexts() -> None:
    """So that heard and never heard are compared on the same places and starts."""
    heard, unheard = (make(5, context={"words": words}) for words in ("train", "held_out"))
    heard.reset(seed=0)
    unheard.reset(seed=0)
    np.testing.assert_array_equal(task_of(heard).holes.places, task_of(unheard).holes.places)
    np.testing.assert_array_equal(task_of(heard).meant, task_of(unheard).meant)
    np.testing.assert_array_equal(task_of(heard).tip_pose(), task_of(unheard).tip_pose())


def test_blocks_stand_apart_and_show_their_colour_and_one_mark() -> None:
    envs = make(30)
    envs.reset(seed=0)
    task = task_of(envs)
    distance = np.abs(task.holes.places[:, :, None] - task.holes.places[:, None]).max(axis=3)
    np.fill_diagonal(distance[0], 1.0)
    assert distance[:, ~np.eye(4, dtype=bool)].min() > 0.0704  # a block is 70.24 mm wide
    model = envs.world.model_of(7)
    for hole in range(4):
        colour = [*COLOURS.values()][task.holes.colours[7, hole]]
        for side in range(4):
            np.testing.assert_allclose(model.geom(f"wall{hole}_{side}").rgba[:3], colour, atol=1e-6)
        names = [model.geom(i).name for i in range(model.ngeom)]
        painted = {
            name.removeprefix(f"mark{hole}_")[:-1]
            for name in names
            if name.startswith(f"mark{hole}_") and model.geom(name).pos[2] > 0
        }
        assert painted == {[*MARKS][task.holes.marks[7, hole]]}


def test_a_saved_state_continues_words_and_holes() -> None:
    envs, twin = make(3, max_episode_steps=6), make(3, max_episode_steps=6)
    envs.reset(seed=0)
    twin.reset(seed=9)
    action = np.full((3, 3), [0.3, 0.2, -0.4], np.float32)
    envs.step(action)
    twin.set_state(envs.get_state())
    for _ in range(8):
        assert_same(envs.step(action), twin.step(action))
