"""Atari worlds against the emulator they wrap and the rules of Pong."""

import builtins
import itertools
import subprocess
import sys
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl.modality import DifferenceMLP, ImageConv
from mmrl_envs.atari.games import PongWorlds, field_of_pong
from mmrl_envs.multimodal import GroupedWorlds

ale_vector = pytest.importorskip("ale_py.vector_env", reason="ale-py is not installed: pip install 'mmrl[atari]'")

GAMES: list[tuple[str, dict[str, Any]]] = [("mmrl/Pong-v0", {}), ("mmrl/Atari-v0", {"game": "breakout"})]
# Doing nothing, Pong is lost in about 800 steps of 4 frames.
WHOLE_GAME = 1100


def choices(steps: int, worlds: int, count: int) -> np.ndarray:
    """World i gets the same actions whatever the number of worlds."""
    rows = [np.random.default_rng([3, world]).integers(count, size=steps) for world in range(worlds)]
    return np.stack(rows, axis=1)


def play(env_id: str, worlds: int, steps: int, seed: int = 7, **kwargs: Any) -> list[tuple[Any, ...]]:
    envs = gym.make_vec(env_id, num_envs=worlds, num_threads=1, **kwargs)
    history: list[tuple[Any, ...]] = [envs.reset(seed=seed)]
    for action in choices(steps, worlds, int(envs.single_action_space.n)):
        history.append(envs.step(action))
    envs.close()
    return history


@pytest.mark.parametrize(("env_id", "kwargs"), GAMES)
def test_gymnasium_checker(env_id: str, kwargs: dict[str, Any]) -> None:
    env = gym.make(env_id, render_mode="rgb_array", **kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it takes the channel axis of two frames for a mistake
        check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize(("env_id", "kwargs"), GAMES)
def test_spaces_are_exact(env_id: str, kwargs: dict[str, Any]) -> None:
    envs = gym.make_vec(env_id, num_envs=2, **kwargs)
    observation, _ = envs.reset(seed=0)
    for action in (np.zeros(2, np.int64), np.ones(2, np.int32)):
        assert envs.observation_space.contains(observation)
        observation, reward, terminated, truncated, _ = envs.step(action)
        assert reward.dtype == np.float64
        assert terminated.dtype == truncated.dtype == np.bool_
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


@pytest.mark.parametrize(("env_id", "kwargs"), GAMES)
def test_seeded_twins_are_equal_and_world_zero_does_not_know_how_many_there_are(
    env_id: str, kwargs: dict[str, Any]
) -> None:
    alone, among, again = (play(env_id, n, 60, **kwargs) for n in (1, 3, 3))
    for one, many, twin in zip(alone, among, again, strict=True):
        np.testing.assert_array_equal(one[0]["image"][0], many[0]["image"][0])
        np.testing.assert_array_equal(many[0]["image"], twin[0]["image"])
        if len(one) == 5:
            assert one[1][0] == many[1][0]
    other = play(env_id, 1, 60, seed=8, **kwargs)
    assert any((a[0]["image"] != b[0]["image"]).any() for a, b in zip(alone, other, strict=True))


def test_single_door_gives_the_game_of_world_zero() -> None:
    env = gym.make("mmrl/Pong-v0")
    many = play("mmrl/Pong-v0", 2, 40)
    np.testing.assert_array_equal(env.reset(seed=7)[0]["image"], many[0][0]["image"][0])
    for action, expected in zip(choices(40, 2, 3)[:, 0], many[1:], strict=True):
        observation, reward, terminated, _, _ = env.step(action)
        np.testing.assert_array_equal(observation["image"], expected[0]["image"][0])
        assert reward == expected[1][0]
        assert not terminated


def test_standard_images_are_those_of_the_emulator() -> None:
    ours = gym.make_vec("mmrl/Atari-v0", num_envs=1, game="pong", noop_max=0)
    theirs = ale_vector.AtariVectorEnv("pong", 1, noop_max=0, use_fire_reset=False)
    image, frames = ours.reset(seed=0)[0]["image"], theirs.reset(seed=0)[0]
    for action in choices(30, 1, 6):
        np.testing.assert_array_equal(image[0], frames[0].transpose(1, 2, 0))
        image, frames = ours.step(action)[0]["image"], theirs.step(action)[0]


@pytest.fixture(scope="module")
def lost_game() -> list[tuple[Any, ...]]:
    """World 0 and 1 doing nothing until at least one of them has lost."""
    envs = gym.make_vec("mmrl/Pong-v0", num_envs=2, render_mode="rgb_array")
    history: list[tuple[Any, ...]] = [(*envs.reset(seed=1), envs.render())]
    for _ in range(WHOLE_GAME):
        history.append((*envs.step(np.zeros(2, np.int64)), envs.render()))
    return history


def test_pong_is_over_at_21_points_and_starts_anew(lost_game: list[tuple[Any, ...]]) -> None:
    total, ended = np.zeros(2), 0
    for before, step in itertools.pairwise(lost_game):
        observation, reward, terminated, truncated, info, _ = step
        total += reward
        assert set(reward) <= {-1.0, 0.0, 1.0}
        assert not truncated.any()
        for world in np.flatnonzero(terminated):
            assert total[world] == -21
            last = info["final_obs"][world]["image"]
            # the last frame of the old game follows its predecessor, the first of the new one has none
            np.testing.assert_array_equal(last[..., 0], before[0]["image"][world, ..., 1])
            np.testing.assert_array_equal(observation["image"][world, ..., 0], observation["image"][world, ..., 1])
            total[world], ended = 0.0, ended + 1
        for world in np.flatnonzero(~terminated):
            np.testing.assert_array_equal(observation["image"][world, ..., 0], before[0]["image"][world, ..., 1])
    assert ended >= 1


def test_spectator_sees_the_same_game(lost_game: list[tuple[Any, ...]]) -> None:
    for step in lost_game[1::7]:
        observation, pictures = step[0], step[-1]
        for world in range(2):
            # brown is the background, every other colour between the walls is a paddle or the ball
            drawn = (pictures[world][34:194:2, ::2] != (144, 72, 17)).any(axis=-1)
            np.testing.assert_array_equal(drawn, observation["image"][world, ..., 1] == 1)


def test_up_moves_the_own_paddle_up() -> None:
    envs = gym.make_vec("mmrl/Pong-v0", num_envs=2, noop_max=0)
    envs.reset(seed=0)
    for _ in range(20):  # the paddles appear
        envs.step(np.zeros(2, np.int64))
    for _ in range(6):
        observation = envs.step(np.array([1, 2]))[0]["image"]  # RIGHT, LEFT
    # the own paddle is the right one, 4 pixels wide and 16 rows of the screen high
    up, down = (np.flatnonzero(observation[world, :, 70:72, 1].any(axis=1)).mean() for world in (0, 1))
    assert up < down - 10


def test_field_of_pong_drops_both_backgrounds() -> None:
    frames = np.full((1, 210, 160), 87, np.uint8)
    frames[0, :34] = 236  # score and wall
    frames[0, 100, 80] = 236  # a ball on an even pixel: row (100 - 34) / 2, column 80 / 2
    frames[0, 120:140] = 0
    expected = np.zeros((80, 80), np.uint8)
    expected[33, 40] = 1
    np.testing.assert_array_equal(field_of_pong(frames)[0], expected)


def test_masked_reset_leaves_the_other_worlds_alone() -> None:
    envs = gym.make_vec("mmrl/Pong-v0", num_envs=2)
    first = envs.reset(seed=0)[0]["image"].copy()
    for _ in range(50):
        before = envs.step(np.ones(2, np.int64))[0]["image"]
    after, _ = envs.reset(options={"reset_mask": np.array([True, False])})
    np.testing.assert_array_equal(after["image"][1], before[1])
    assert (after["image"][0] != before[0]).any()
    np.testing.assert_array_equal(after["image"][0, ..., 0], after["image"][0, ..., 1])
    assert first.shape == after["image"].shape


def test_bad_reset_options_are_named() -> None:
    envs = gym.make_vec("mmrl/Pong-v0", num_envs=2)
    with pytest.raises(ValueError, match=r"unknown reset options \['context'\]; known are \['reset_mask'\]"):
        envs.reset(options={"context": {}})
    with pytest.raises(ValueError, match=r"option 'reset_mask' needs shape \(2,\), got \(3,\)"):
        envs.reset(options={"reset_mask": np.ones(3, np.bool_)})


def test_a_mask_of_integers_is_a_mask() -> None:
    one, other = (gym.make_vec("mmrl/Pong-v0", num_envs=3) for _ in range(2))
    one.reset(seed=0)
    seen, _ = other.reset(seed=0, options={"reset_mask": np.ones(3, np.int64)})
    for _ in range(20):
        expected, got = (envs.step(np.ones(3, np.int64))[0]["image"] for envs in (one, other))
    np.testing.assert_array_equal(got, expected)
    assert seen["image"].shape == (3, 80, 80, 2)


def test_groups_step_by_themselves() -> None:
    together, apart = (gym.make_vec("mmrl/Pong-v0", num_envs=8).unwrapped for _ in range(2))
    assert isinstance(together, GroupedWorlds)
    assert isinstance(apart, GroupedWorlds)
    assert len(apart.groups) == 2
    for envs in (together, apart):
        envs.reset(seed=5)
    actions = np.random.default_rng(0).integers(3, size=(80, 8))
    lost = 0.0
    for joint in actions:
        observation, reward, *_ = together.step(joint)
        for group, worlds in enumerate(apart.groups):
            apart.send(joint[worlds], group)
        parts = [apart.receive(group) for group in range(2)]
        np.testing.assert_array_equal(observation["image"], np.concatenate([part[0]["image"] for part in parts]))
        np.testing.assert_array_equal(reward, np.concatenate([part[1] for part in parts]))
        lost += reward.sum()
    assert lost < 0
    filmed = PongWorlds(8, render_mode="rgb_array")
    filmed.reset(seed=5)
    with pytest.raises(ValueError, match="step all at once"):
        filmed.send(actions[0, :4])


def test_networks_by_name() -> None:
    def encoder(env_id: str, **kwargs: Any) -> Any:
        envs = gym.make_vec(env_id, num_envs=1, **kwargs)
        return envs.unwrapped.modalities["image"].encoder

    assert encoder("mmrl/Atari-v0", game="pong", background=87) == ImageConv(
        (32, 64, 64), (8, 4, 3), (4, 2, 1), 512, zero=87, unit=64
    )
    assert encoder("mmrl/Pong-v0", encoder="difference") == DifferenceMLP(200)
    assert encoder("mmrl/Pong-v0", encoder=ImageConv()) == ImageConv()


def test_rows_are_cut_from_the_shrunk_screen() -> None:
    whole, cut = (
        play("mmrl/Atari-v0", 2, 80, game="pong", size=(105, 80), **kwargs) for kwargs in ({}, {"rows": (17, 97)})
    )
    for (reference, *_), (observation, *_) in zip(whole, cut, strict=True):
        assert observation["image"].shape == (2, 80, 80, 4)
        np.testing.assert_array_equal(observation["image"], reference["image"][:, 17:97])
    # The field lies between white walls, which are cut off: what is left is mostly its grey.
    assert np.median(cut[-1][0]["image"]) == 87
    assert whole[-1][0]["image"][:, 16].min() > 200


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"game": "brekout"}, r"no Atari game 'brekout'; did you mean breakout\?"),
        ({"game": "pong", "actions": ["UP"]}, "no action 'UP'; it has NOOP, FIRE, RIGHT, LEFT"),
        (
            {"game": "pong", "encoder": "resnet"},
            "unknown encoder 'resnet'; encoders are dqn2013, nature, difference",
        ),
        ({"game": "pong", "size": [84]}, r"size must be a height and a width, got \[84\]"),
        ({"game": "pong", "size": [84, 161]}, r"size\[1\], the width, must be a whole number from 1 to 160, got 161"),
        ({"game": "pong", "rows": [10]}, r"rows must be a first and a last of 0 to 84, the height, got \[10\]"),
        ({"game": "pong", "rows": [10, 90]}, r"rows\[1\], the end, must be a whole number from 11 to 84, got 90"),
        ({"game": "pong", "rows": [2.5, 20]}, r"rows\[0\], the first row, must be a whole number .* got 2.5"),
        ({"game": "pong", "sticky": 1.0}, r"sticky is a probability in \[0, 1\), got 1.0"),
        ({"game": "pong", "sticky": np.nan}, r"sticky must be a number, in \[0, 1\], got nan"),
        ({"game": "pong", "frame_skip": 0}, "frame_skip must be a whole number of at least 1, got 0"),
        ({"game": "pong", "noop_max": -1}, "noop_max must be a whole number of at least 0, got -1"),
        ({"game": "pong", "max_episode_steps": 2.5}, "max_episode_steps must be a whole number .* got 2.5"),
        ({"game": "pong", "num_envs": 10**7}, "num_envs must be a whole number from 1 to 65536, got 10000000"),
        ({"game": "pong", "render_mode": "human"}, "render_mode must be None or 'rgb_array', got 'human'"),
    ],
)
def test_bad_arguments_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gym.make_vec("mmrl/Atari-v0", **{"num_envs": 1, **kwargs})


def test_whole_numbers_of_numpy_are_numbers() -> None:
    of_numpy = {
        "frame_skip": np.int64(2),
        "noop_max": np.uint8(4),
        "size": (np.int32(42), 40.0),
        "max_episode_steps": np.int64(3),
        "sticky": np.float32(0.5),
    }
    envs = gym.make_vec("mmrl/Atari-v0", num_envs=np.int64(2), game="pong", **of_numpy)
    first, _ = envs.reset(seed=np.int64(3))
    same, _ = envs.reset(seed=3)
    np.testing.assert_array_equal(first["image"], same["image"])
    assert first["image"].shape == (2, 42, 40, 4)
    ends = [envs.step(np.zeros(2, np.uint8))[3].all() for _ in range(3)]
    assert ends == [False, False, True]
    env = gym.make("mmrl/Pong-v0")
    env.reset(seed=np.int64(3))
    envs.close()
    env.close()


def test_games_that_wait_for_fire_get_it_when_they_begin() -> None:
    def moves(fire_reset: bool | None) -> list[bool]:
        # 28 frames a game: the second begins by itself.
        envs = gym.make_vec(
            "mmrl/Atari-v0",
            num_envs=1,
            game="breakout",
            fire_reset=fire_reset,
            max_frames=28,
            noop_max=0,
            num_threads=1,
        )
        (before, _), moved = envs.reset(seed=0), []
        for _ in range(12):
            after, *_ = envs.step(np.zeros(1, np.intp))
            moved.append(bool((after["image"][..., -1] != before["image"][..., -1]).any()))
            before = after
        envs.close()
        return moved

    assert not any(moves(False))
    for fire_reset in (None, True):
        moved = moves(fire_reset)
        assert any(moved[:6])
        assert any(moved[8:])
    with pytest.raises(ValueError, match="this game has no such action, got 'freeway'"):
        gym.make_vec("mmrl/Atari-v0", num_envs=1, game="freeway", fire_reset=True, num_threads=1)


def test_worlds_know_how_many_games_there_are_without_a_draw() -> None:
    for kwargs, games in (({}, 31), ({"noop_max": 0}, 1), ({"sticky": 0.25}, None)):
        envs = gym.make_vec("mmrl/Pong-v0", num_envs=1, num_threads=1, **kwargs)
        assert envs.unwrapped.different_games == games
        envs.close()


@pytest.mark.parametrize("seed", [-1, (1, 2), [3, 4], 1.5, True, "3"])
def test_a_bad_seed_is_refused_and_changes_nothing(seed: Any) -> None:
    envs, twin = (gym.make_vec("mmrl/Pong-v0", num_envs=2) for _ in range(2))
    for worlds in (envs, twin):
        worlds.reset(seed=0)
    with pytest.raises(ValueError, match="the seed must be an integer, not negative, got"):
        envs.reset(seed=seed)
    for worlds in (envs, twin):
        worlds.step(np.zeros(2, np.intp))
    np.testing.assert_array_equal(envs.reset()[0]["image"], twin.reset()[0]["image"])


def test_bad_actions_are_refused_before_they_hang_the_emulator() -> None:
    envs = gym.make_vec("mmrl/Pong-v0", num_envs=2)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions must lie in 0..2, got 0..3"):
        envs.step(np.array([0, 3]))
    with pytest.raises(ValueError, match=r"actions need shape \(2,\) and integers, got \(2,\) float64"):
        envs.step(np.zeros(2))


def test_missing_ale_py_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("ale_py"):
            raise ImportError(name)
        return genuine(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(gym.error.DependencyNotInstalled, match=r"pip install 'mmrl\[atari\]'"):
        gym.make_vec("mmrl/Pong-v0", num_envs=1)


def test_actions_are_labelled_by_what_they_do() -> None:
    labels = [
        gym.make(env_id, **kwargs).unwrapped.action_labels
        for env_id, kwargs in (
            ("mmrl/Pong-v0", {"actions": ["LEFT", "RIGHT"]}),
            ("mmrl/Atari-v0", {"game": "pong"}),
            ("mmrl/Atari-v0", {"game": "breakout"}),
        )
    ]
    assert labels[0] == ("down", "up")
    assert labels[1] == ("noop", "fire", "up", "down", "up+fire", "down+fire")
    assert labels[2] == ("noop", "fire", "right", "left")


FORK = """
import os, signal
import gymnasium as gym, numpy as np
import mmrl_envs

games = gym.make_vec("mmrl/Pong-v0", num_envs=2)
games.reset(seed=0)
if os.fork() == 0:
    signal.alarm(20)
    for way in (games.reset, lambda: games.step(np.zeros(2, int)), lambda: games.unwrapped.send(np.zeros(2, int))):
        try:
            way()
        except RuntimeError as error:
            print(error, flush=True)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
games.step(np.zeros(2, int))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forking a process with threads")
def test_a_forked_child_learns_that_the_games_stayed_behind() -> None:
    result = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    assert all("make the environment in the process that plays" in line for line in lines)
