"""Contexts of ale-py's own games, alone and under a curriculum."""

import re
from typing import Any

import gymnasium as gym
import pytest

from mmrl.curriculum import CurriculumWrapper
from mmrl_envs.atari.switches import apply_game_context

ale_py = pytest.importorskip("ale_py", reason="ale-py is not installed: pip install 'mmrl[atari]'")


@pytest.fixture
def pong() -> Any:
    env = gym.make("ALE/Pong-v5", obs_type="ram")
    yield env
    env.close()


def memory(env: Any, seed: int) -> list[list[int]]:
    """The actions that the console holds in the first 30 steps of an episode in which nothing is done."""
    return [env.reset(seed=seed)[0].tolist(), *(env.step(0)[0].tolist() for _ in range(30))]


def test_a_curriculum_turns_the_switches_of_pong(pong: Any) -> None:
    contexts = iter([{"mode": 1, "difficulty": 2}, {"mode": 0, "difficulty": 3}, {"mode": 1, "difficulty": 0}])
    env = CurriculumWrapper(pong, lambda: next(contexts), apply_game_context)
    for mode, difficulty in [(1, 2), (0, 3), (1, 0)]:
        made_so = gym.make("ALE/Pong-v5", obs_type="ram", mode=mode, difficulty=difficulty)
        # A reset with a seed loads the game anew, which turns all switches back.
        assert memory(env, seed=3) == memory(made_so, seed=3)
        made_so.close()


def test_an_action_is_held_as_long_as_the_context_says(pong: Any) -> None:
    contexts = iter([{"frame_skip": 1}, {"frame_skip": 60}])
    env = CurriculumWrapper(pong, lambda: next(contexts), apply_game_context)
    for frames in (1, 60):
        _, info = env.reset()
        assert info["context"] == {"frame_skip": frames}
        before = env.unwrapped.ale.getEpisodeFrameNumber()
        env.step(0)
        assert env.unwrapped.ale.getEpisodeFrameNumber() - before == frames


def test_the_switches_make_other_games(pong: Any) -> None:
    def played(mode: int, difficulty: int) -> list[list[int]]:
        apply_game_context(pong.unwrapped, {"mode": mode, "difficulty": difficulty})
        return memory(pong, seed=3)

    assert played(0, 0) == played(0, 0)
    assert played(0, 0) != played(1, 0)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"mode": 2}, "mode of this game must be one of 0, 1, got 2"),
        ({"mode": 1, "difficulty": 4}, "difficulty of this game must be one of 0, 1, 2, 3, got 4"),
        ({"frame_skip": 61}, "frame_skip of this game must be one of 1 to 60, got 61"),
        ({"frame_skip": True}, "frame_skip of this game must be one of 1 to 60, got True"),
        ({"mode": "hard"}, "mode of this game must be one of 0, 1, got 'hard'"),
        ({"gravity": 1}, "a game has no 'gravity' to set; it has mode, difficulty, frame_skip"),
    ],
)
def test_what_a_game_does_not_have_is_refused_and_nothing_set(pong: Any, context: Any, message: str) -> None:
    before = (pong.unwrapped._game_mode, pong.unwrapped._game_difficulty, pong.unwrapped._frameskip)
    with pytest.raises(ValueError, match=re.escape(message)):
        apply_game_context(pong.unwrapped, context)
    assert (pong.unwrapped._game_mode, pong.unwrapped._game_difficulty, pong.unwrapped._frameskip) == before
