"""How a curriculum's context reaches one world when it begins an episode, and how the infos report it."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl.curriculum import CurriculumWrapper, make_curriculum

ENV_ID = "mmrl/PegInsertion-v0"
SENSES = ("proprioception",)


def make(num_worlds: int, **kwargs: Any) -> Any:
    return gym.make_vec(ENV_ID, num_envs=num_worlds, sensors=SENSES, max_episode_steps=4, **kwargs)


class Script:
    """Episode e of world w gets friction 0.1 + 0.1 w + 0.01 e and the next shape; remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.episode: dict[int, int] = {}

    def __call__(self, worlds: np.ndarray) -> Sequence[Mapping[str, Any]]:
        self.asked.append(worlds.tolist())
        return [self.context(world) for world in worlds.tolist()]

    def context(self, world: int) -> dict[str, Any]:
        episode = self.episode[world] = self.episode.get(world, -1) + 1
        return {"friction": 0.1 + 0.1 * world + 0.01 * episode, "shape": ("round", "square")[episode % 2]}


def test_worlds_get_a_context_when_they_begin_and_tell_the_one_they_had() -> None:
    envs, script = make(3), Script()
    envs.unwrapped.context_source = script
    _, info = envs.reset(seed=0, options={"elapsed_steps": np.array([0, 1, 0]), "context": {"start_z_m": 0.03}})
    assert script.asked == [[0, 1, 2]]
    assert info["context"]["friction"].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert info["context"]["shape"].tolist() == ["round"] * 3
    assert (info["context"]["start_z_m"] == 0.03).all()  # what the source leaves open stays as it was
    for _ in range(3):
        *_, info = envs.step(np.zeros((3, 3), np.float32))
    assert script.asked[1:] == [[1]]  # world 1 had used up one of its four steps
    assert info["context"]["friction"].tolist() == pytest.approx([0.1, 0.21, 0.3])
    assert info["context"]["shape"].tolist() == ["round", "square", "round"]
    assert info["final_info"]["context"]["friction"].tolist() == pytest.approx([0.1, 0.2, 0.3])
    *_, info = envs.step(np.zeros((3, 3), np.float32))
    assert script.asked[2:] == [[0, 2]]
    assert info["final_info"]["context"]["friction"].tolist() == pytest.approx([0.1, 0.21, 0.3])
    assert info["context"]["friction"].tolist() == pytest.approx([0.11, 0.21, 0.31])
    model = envs.unwrapped.world.model_of(2)
    assert model.geom_friction[model.geom("peg").id, 0] == pytest.approx(0.31)


def test_a_world_does_not_feel_how_many_there_are() -> None:
    histories = []
    for num_worlds in (1, 8):
        envs, random = make(num_worlds), np.random.default_rng(3)
        envs.unwrapped.context_source = Script()
        observation, info = envs.reset(seed=5)
        rows = [(observation["proprioception"][0], info["context"]["friction"][0])]
        for _ in range(10):
            action = np.zeros((num_worlds, 3), np.float32)
            action[0] = random.uniform(-1, 1, 3)
            observation, reward, *_, info = envs.step(action)
            rows.append((observation["proprioception"][0], reward[0], info["context"]["friction"][0]))
        histories.append(rows)
    for one, other in zip(*histories, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_context_that_the_environment_does_not_know_is_named() -> None:
    envs = make(2)
    envs.unwrapped.context_source = lambda worlds: [{"slipperiness": 1.0}] * len(worlds)
    with pytest.raises(ValueError, match=r"unknown context \['slipperiness'\]; this environment has .*'friction'"):
        envs.reset(seed=0)
    envs.unwrapped.context_source = lambda worlds: []
    with pytest.raises(ValueError, match="2 worlds need as many contexts, got 0"):
        envs.reset(seed=0)


def test_reported_contexts_are_not_rewritten_by_later_episodes() -> None:
    envs = make(2)
    envs.unwrapped.context_source = Script()
    _, info = envs.reset(seed=0)
    before = info["context"]["friction"].copy()
    for _ in range(5):
        envs.step(np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(info["context"]["friction"], before)


def test_the_single_environment_tells_plain_values() -> None:
    env = gym.make(ENV_ID, sensors=SENSES)
    _, info = env.reset(seed=0, options={"context": {"friction": 0.25, "shape": "hexagonal"}})
    assert info["context"]["friction"] == 0.25
    assert info["context"]["shape"] == "hexagonal"
    assert info["context"]["clearance_mm"] is None  # left to the task


def test_a_curriculum_drives_the_single_environment_through_its_wrapper() -> None:
    curriculum = make_curriculum("uniform", {"friction": [0.9, 0.2], "shape": ["round", "square"]}, 0)
    env = CurriculumWrapper(gym.make(ENV_ID, sensors=SENSES), lambda: curriculum.sample([0])[0])
    for _ in range(3):
        _, info = env.reset(seed=0)
        model = env.unwrapped.vector.world.model_of(0)
        assert model.geom_friction[model.geom("peg").id, 0] == info["context"]["friction"]
        curriculum.finished(0, info["context"], None)
