"""Watching a run: what the video shows of robots and of games, and what can be asked of it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import gymnasium as gym
import numpy as np
import pytest
import torch
import tyro
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import train
from mmrl_agents.watching import watch
from mmrl_agents.watching.frames import COLUMN, HEADER, SCENE
from mmrl_agents.watching.panels import HEIGHT, LABEL, MARGIN, WIDTH
from mmrl_agents.watching.viewing import moments
from mmrl_agents.watching.viewing.config import WatchConfig
from mmrl_agents.watching.watch import watch_run
from tests.agents.watching.films import frames_of
from tests.toys.pictures import EPISODE_STEPS, FPS, GREEN, RED, Beacon, Traffic

ENV_ID = "test-watch/Traffic-v0"


def trained(env_id: str, folder: Path, **changes: Any) -> Path:
    config = TrainConfig(
        env=env_id,
        num_worlds=2,
        total_steps=16,
        threads=1,
        device="cpu",
        evaluate_episodes=0,
        run_dir=folder,
        ppo=PPOConfig(num_steps=4, minibatch_size=8, epochs=1),
        **changes,
    )
    train(config, Console(file=io.StringIO()))
    return folder


def registered(env_id: str, env: type[Traffic]) -> str:
    if env_id not in gym.registry:
        gym.register(env_id, entry_point=env)
    return env_id


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(registered(ENV_ID, Traffic), tmp_path_factory.mktemp("runs") / "traffic")


@pytest.fixture(scope="module")
def beacon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(registered("test-watch/Beacon-v0", Beacon), tmp_path_factory.mktemp("runs") / "beacon")


def film(run: Path, **options: Any) -> Path:
    return watch_run(WatchConfig(run=str(run), **options), Console(file=io.StringIO()))


def close_to(pixel: NDArray[np.uint8], colour: tuple[int, ...]) -> bool:
    """Equal but for what the video's compression loses."""
    return bool(np.abs(pixel.astype(int) - colour).max() < 30)


def test_video_shows_every_step_and_how_each_episode_ended(run: Path) -> None:
    path = film(run, episodes=2)
    assert path == run / "video.mp4"
    frames = frames_of(path)
    # A frame for the reset, one per step, and the last one held for 0.75 s = 6 frames at 8 Hz.
    each = 1 + EPISODE_STEPS + 6
    assert frames.shape == (2 * each, HEIGHT, WIDTH, 3)
    middle = frames[:, HEADER + SCENE // 2, MARGIN + SCENE // 2]
    lights = ["green" if close_to(pixel, GREEN) else "red" for pixel in middle]
    assert lights == (["red"] * EPISODE_STEPS + ["green"] * 7) * 2
    still = np.asarray(Image.open(run / "video.png"))
    assert close_to(still[HEADER + SCENE // 2, MARGIN + SCENE // 2], GREEN)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == FPS


def test_half_the_rate_is_slow_motion(run: Path, tmp_path: Path) -> None:
    path = film(run, episodes=1, fps=FPS / 2, output=tmp_path / "new" / "slow.mp4")
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == FPS / 2


def test_an_unplugged_image_is_shown_as_unplugged(run: Path, tmp_path: Path) -> None:
    eye = (HEADER + LABEL + 8, COLUMN + 8)
    film(run, episodes=1, output=tmp_path / "with.mp4")
    film(run, episodes=1, output=tmp_path / "without.mp4", without=("eye",))
    with_eye, without = (np.asarray(Image.open(tmp_path / name)) for name in ("with.png", "without.png"))
    assert tuple(with_eye[eye]) == GREEN
    assert tuple(without[eye]) == (255, 255, 255)


def test_errors_name_what_is_wrong_and_leave_no_file(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no sense 'nose'; there are: (clock, eye|eye, clock)"):
        film(run, output=tmp_path / "x.mp4", without=("nose",))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="no context to set, got wind"):
        film(run, output=tmp_path / "x.mp4", context={"wind": 1})
    with pytest.raises(ValueError, match="episodes must be at least 1, got 0"):
        WatchConfig(run="x", episodes=0)
    for name, value in (("fps", -1.0), ("max_seconds", 0.0), ("max_seconds", float("inf"))):
        with pytest.raises(ValueError, match=rf"{name} must be positive, got {value}"):
            WatchConfig(run="x", **{name: value})


def test_command_line_follows_the_fields() -> None:
    config = tyro.cli(WatchConfig, args=["runs/a", "--without", "camera", "touch", "--fps", "10"])
    assert config == WatchConfig(run="runs/a", without=("camera", "touch"), fps=10.0)
    config = tyro.cli(WatchConfig, args=["runs/a", "--no-saliency", "--max-seconds", "20", "--no-deterministic"])
    assert config == WatchConfig(run="runs/a", saliency=False, max_seconds=20.0, deterministic=False)


def shown(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **options: Any) -> list[tuple[Any, ...]]:
    """Film, and return caption, scene, pictures and traces of every frame that was composed."""
    frames: list[tuple[Any, ...]] = []

    def spying(drawn: Callable[..., NDArray[np.uint8]]) -> Callable[..., NDArray[np.uint8]]:
        def draw(*parts: Any) -> NDArray[np.uint8]:
            frames.append(parts)
            return drawn(*parts)

        return draw

    with monkeypatch.context() as patch:
        patch.setattr(watch, "compose", spying(watch.compose))
        patch.setattr(watch, "compose_game", spying(watch.compose_game))
        film(run, output=tmp_path / "spied.mp4", **options)
    return frames


def captions(frames: list[tuple[Any, ...]]) -> list[str]:
    return [caption.right for caption, *_ in frames]


def test_a_robot_is_shown_three_times_and_with_its_success(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = captions(shown(run, monkeypatch, tmp_path))
    assert len(texts) == 3 * (1 + EPISODE_STEPS)
    # 8 steps a second.
    assert texts[-2:] == [
        "episode 3/3    step 3    0.38 s    no success yet",
        "episode 3/3    step 4    0.50 s    success",
    ]


def test_declared_figures_stand_below_the_caption_as_far_as_they_are_reported(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    captions = [caption for caption, *_ in shown(run, monkeypatch, tmp_path, episodes=1)]
    # The first frame shows a reset, whose info tells nothing; no info tells the share.
    below = [caption.below for caption in captions]
    assert below == ["", *(f"swing {1.5 * step:.2f} mm    luck 0.500" for step in (1, 2, 3, 4))]


def test_continuous_actions_show_the_value_and_no_saliency(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, _, (eye,), traces = shown(run, monkeypatch, tmp_path, episodes=1)[-1]
    assert [trace.title for trace in traces] == ["value", "clock"]
    assert tuple(eye.pixels[0, 0]) == GREEN
    with pytest.raises(ValueError, match="saliency would have no effect: it is shown over images, and of discrete"):
        film(run, output=tmp_path / "none.mp4", saliency=False)
    assert not (tmp_path / "none.mp4").exists()


def test_long_episodes_are_cut(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # 0.3 s at 8 steps a second are 2.4 steps: the third is the first that is not before it.
    texts = captions(shown(run, monkeypatch, tmp_path, episodes=2, max_seconds=0.3))
    assert len(texts) == 2 * 4
    assert texts[-1] == "episode 2/2    step 3    0.38 s    no success yet"
    assert len(captions(shown(run, monkeypatch, tmp_path, episodes=1, max_seconds=100.0))) == 1 + EPISODE_STEPS
    monkeypatch.setattr(moments, "LONGEST_EPISODE", 2)
    assert len(captions(shown(run, monkeypatch, tmp_path, episodes=1))) == 1 + 2


def test_discrete_actions_show_probabilities_that_are_the_networks(
    beacon: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    frames = shown(beacon, monkeypatch, tmp_path, episodes=1)
    policy = load_policy(beacon).policy
    lights = [np.full((1, 36, 36, 3), colour, np.uint8) for colour in [RED] * EPISODE_STEPS + [GREEN]]
    expected = [policy.distribution({"eye": torch.as_tensor(light)}).probs[0] for light in lights]
    probability, value = frames[-1][3]
    assert (probability.title, probability.labels) == ("probability", ("0", "1", "2"))
    np.testing.assert_allclose(probability.values, torch.stack(expected).detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(probability.values.sum(axis=1), 1, rtol=1e-6)
    assert value.values.shape == (1 + EPISODE_STEPS, 1)
    assert value.values[-1] == pytest.approx(policy.value({"eye": torch.as_tensor(lights[-1])}).item(), rel=1e-5)
    assert [text.rpartition("    ")[2] for text in captions(frames)] == [
        f"return {points}" for points in ("0", "0.5", "1", "1.5", "2")
    ]


def test_saliency_lies_over_the_picture_unless_it_is_left_out(
    beacon: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    salient, plain = (
        shown(beacon, monkeypatch, tmp_path / name, episodes=1, saliency=name == "salient")
        for name in ("salient", "plain")
    )
    for (_, _, (hot,), traces), (_, _, (cold,), same_traces) in zip(salient, plain, strict=True):
        assert len(np.unique(cold.pixels.reshape(-1, 3), axis=0)) == 1
        assert len(np.unique(hot.pixels.reshape(-1, 3), axis=0)) > 10
        assert hot.note in {f"heat: pixels that move p({action})" for action in range(3)}
        assert cold.note == ""
        np.testing.assert_array_equal(traces[0].values, same_traces[0].values)
    stills = [np.asarray(Image.open(tmp_path / name / "spied.png")) for name in ("salient", "plain")]
    assert (stills[0] != stills[1]).any()


def test_an_unplugged_image_has_no_saliency(beacon: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, _, (eye,), (probability, _) = shown(beacon, monkeypatch, tmp_path, episodes=1, without=("eye",))[-1]
    assert eye.pixels is None
    # Nothing is left that could change.
    assert (probability.values == probability.values[0]).all()


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("ale_py", reason="ale-py is not installed: pip install 'mmrl[atari]'")
    return trained("mmrl/Pong-v0", tmp_path_factory.mktemp("runs") / "pong", env_kwargs={"noop_max": 0})


def test_a_game_is_shown_once_with_its_points_and_the_names_of_its_actions(
    pong: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    frames = shown(pong, monkeypatch, tmp_path, max_seconds=0.2)
    # 15 steps a second: 3 steps, before anybody can have scored.
    assert captions(frames) == [f"episode 1/1    step {i}    {i / 15:.2f} s    points 0" for i in range(4)]
    _, scene, (field,), (probability, value) = frames[-1]
    assert scene.shape == (210, 160, 3)
    assert probability.labels == ("noop", "up", "down")
    assert field.note in {f"heat: pixels that move p({label})" for label in probability.labels}
    assert field.pixels.shape == (80, 80, 3)
    assert value.span_s == probability.span_s == 4.0


def test_points_are_added_up_as_the_game_counts_them(
    pong: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Who stands still loses the first point after 64 steps of a fifteenth of a second.
    monkeypatch.setattr(TorchPolicy, "act", lambda *_: np.zeros(1, np.int64))
    texts = captions(shown(pong, monkeypatch, tmp_path, max_seconds=4.5, saliency=False))
    points = [int(text.rpartition(" ")[2]) for text in texts]
    assert points[0] == 0
    assert points[-1] <= -1
    assert set(np.diff(points)) == {0, -1}
