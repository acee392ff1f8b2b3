"""Watching a run: the video file, what a frame shows, and how readings become traces."""

import io
from pathlib import Path
from typing import Any

import av
import gymnasium as gym
import numpy as np
import pytest
import tyro
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from mmrl.modality import MLP, Custom, ImageConv, Modality, TemporalConv
from mmrl_agents.config import TrainConfig
from mmrl_agents.ppo import PPOConfig
from mmrl_agents.train import train
from mmrl_agents.video import (
    COLUMN,
    HEADER,
    HEIGHT,
    LABEL,
    MARGIN,
    SCENE,
    WIDTH,
    Caption,
    Picture,
    Trace,
    VideoWriter,
    compose,
    enlarge,
    nice_bounds,
)
from mmrl_agents.watch import TraceRecorder, WatchConfig, components_of, picture_of, watch_run

ENV_ID = "test-watch/Traffic-v0"
EPISODE_STEPS = 4
FPS = 8
RED, GREEN = (220, 0, 0), (0, 160, 0)


class Traffic(gym.Env[dict[str, NDArray[Any]], NDArray[np.float32]]):
    """Red until the last step of an episode, then green: the scene shows it and the eye sees it."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012
    observation_space = spaces.Dict(
        {"eye": spaces.Box(0, 255, (36, 36, 3), np.uint8), "clock": spaces.Box(0, 99, (2,))}
    )
    action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.steps = 0

    def _light(self, height: int, width: int) -> NDArray[np.uint8]:
        colour = GREEN if self.steps == EPISODE_STEPS else RED
        return np.broadcast_to(np.uint8(colour), (height, width, 3)).copy()

    def _observation(self) -> dict[str, NDArray[Any]]:
        return {"eye": self._light(36, 36), "clock": np.float32([self.steps, 1])}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._observation(), {}

    def step(self, action: NDArray[np.float32]) -> Any:
        self.steps += 1
        over = self.steps == EPISODE_STEPS
        return self._observation(), 0.0, False, over, {"is_success": over}

    def render(self) -> Any:
        return self._light(48, 64)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if ENV_ID not in gym.registry:
        gym.register(ENV_ID, entry_point=Traffic)
    folder = tmp_path_factory.mktemp("runs") / "traffic"
    config = TrainConfig(
        env=ENV_ID,
        num_worlds=2,
        total_steps=16,
        threads=1,
        device="cpu",
        evaluate_episodes=0,
        run_dir=folder,
        ppo=PPOConfig(num_steps=4, minibatch_size=8, epochs=1),
    )
    train(config, Console(file=io.StringIO()))
    return folder


def film(run: Path, **options: Any) -> Path:
    return watch_run(WatchConfig(run=str(run), **options), Console(file=io.StringIO()))


def frames_of(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


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
    with pytest.raises(ValueError, match=r"fps must be positive, got -1\.0"):
        WatchConfig(run="x", fps=-1.0)


def test_command_line_follows_the_fields() -> None:
    config = tyro.cli(WatchConfig, args=["runs/a", "--without", "camera", "touch", "--fps", "10"])
    assert config == WatchConfig(run="runs/a", without=("camera", "touch"), fps=10.0)


def write(path: Path, size: tuple[int, int], count: int = 3) -> None:
    with VideoWriter(path, 10, size) as video:
        for _ in range(count):
            video.add(np.full((size[1], size[0], 3), 128, np.uint8))


def test_odd_sizes_are_padded_to_even_ones(tmp_path: Path) -> None:
    write(tmp_path / "odd.mp4", (33, 21))
    assert frames_of(tmp_path / "odd.mp4").shape == (3, 22, 34, 3)


def test_without_libx264_another_encoder_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    write(tmp_path / "plain.mp4", (64, 48))
    with av.open(str(tmp_path / "plain.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert len(frames_of(tmp_path / "plain.mp4")) == 3


def test_a_failure_leaves_the_old_video_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    write(path, (32, 32))
    before = path.read_bytes()
    wrong = r"shape \(32, 32, 3\), got uint8 of \(8, 8, 3\)"
    with pytest.raises(ValueError, match=wrong), VideoWriter(path, 10, (32, 32)) as video:
        video.add(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="at least one frame"):
        write(path, (32, 32), count=0)
    with pytest.raises(ValueError, match="must be positive"):
        VideoWriter(path, 0, (32, 32))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def wave(labels: tuple[str, ...], bounds: tuple[float, float], plugged: bool = True) -> Trace:
    times = np.linspace(-2, 0, 50)
    values = np.stack([np.sin(times + shift) for shift in range(len(labels))], axis=1)
    return Trace("wave", labels, times, values, bounds, span_s=2.0, plugged=plugged)


@pytest.mark.parametrize("pictures", [0, 1, 3, 6])
@pytest.mark.parametrize("traces", [0, 1, 2, 5, 11])
def test_any_number_of_pictures_and_traces_fits_the_frame(pictures: int, traces: int) -> None:
    frame = compose(
        Caption("a very long title " * 9, "right"),
        np.zeros((400, 600, 3), np.uint8),
        [Picture(f"camera {i}", np.zeros((64, 84, 3), np.uint8)) for i in range(pictures)],
        [wave(("a", "b"), (-1, 1)) for _ in range(traces)],
    )
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert frame.dtype == np.uint8
    # The margins around everything stay paper.
    for edge in (frame[:, :MARGIN], frame[:, -MARGIN + 1 :], frame[-2:], frame[:6]):
        assert (edge == 255).all()


def test_a_scene_keeps_its_proportions() -> None:
    frame = compose(Caption("", ""), np.zeros((100, 200, 3), np.uint8), [], [])
    black = np.argwhere((frame == 0).all(axis=2))
    height, width = black.max(axis=0) - black.min(axis=0) + 1
    assert (height, width) == (SCENE // 2, SCENE)


def test_traces_survive_missing_and_empty_readings() -> None:
    broken = Trace("t", (), np.array([-1.0, 0.0]), np.full((2, 1), np.nan), (0.0, 0.0), 2.0)
    frame = compose(Caption("", ""), np.zeros((8, 8, 3), np.uint8), [], [broken])
    assert frame.shape == (HEIGHT, WIDTH, 3)


def test_nice_bounds_by_hand() -> None:
    assert nice_bounds(-3, 17) == (-5, 20)
    assert nice_bounds(2, 6) == (0, 10)
    assert nice_bounds(-0.02, -0.01) == (-0.02, 0)
    assert nice_bounds(0, 0) == (0, 0)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_nice_bounds_hold_the_values_and_waste_little(one: float, two: float) -> None:
    low, high = min(one, two), max(one, two)
    nice_low, nice_high = nice_bounds(low, high)
    slack = 1e-6 * max(abs(low), abs(high))
    assert nice_low <= low + slack
    assert high <= nice_high + slack
    # Neighbours in 1, 2, 5, 10 are at most 2.5 times apart.
    assert nice_high <= 2.5 * max(high, 0) * (1 + 1e-6)


def test_pixels_are_repeated_whole_or_left_out_whole() -> None:
    small = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = enlarge(small, 7)
    assert large.shape == (6, 6, 3)
    assert large[::3, ::3].tolist() == small.tolist()
    assert enlarge(np.zeros((100, 50, 3), np.uint8), 30).shape == (25, 13, 3)


def wrench(name: str = "force_torque", history: int | None = 4) -> Modality:
    return Modality(name, (6,), 100.0, TemporalConv() if history else MLP(), history=history)


def test_six_columns_over_time_are_a_wrench_and_others_are_numbered() -> None:
    force, torque = components_of(wrench())
    assert (force.labels, torque.labels) == (("Fx", "Fy", "Fz"), ("Tx", "Ty", "Tz"))
    assert components_of(wrench("wrist"))[0].title == "wrist: force, N"
    (state,) = components_of(wrench("state", history=None))
    assert state.labels == ("0", "1", "2", "3", "4", "5")
    (many,) = components_of(Modality("many", (30,), 1.0, MLP()))
    assert many.columns == tuple(range(8))
    assert many.title == "many (first 8 of 30)"


def test_a_window_adds_only_the_readings_since_the_last_step() -> None:
    # 100 Hz readings, 50 Hz control: two of the four readings of a window are new at each step.
    recorder = TraceRecorder(wrench(), control_hz=50.0, plugged=True)
    stream = np.arange(9.0)[:, None] * np.ones(6)
    recorder.add(np.repeat(stream[:1], 4, axis=0), 0.0)
    recorder.add(stream[[0, 0, 1, 2]], 0.02)
    recorder.add(stream[1:5], 0.04)
    force, torque = recorder.traces()
    assert force.values[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert force.times == pytest.approx([-0.04, -0.03, -0.02, -0.01, 0.0])
    # The force axis reaches 5 N at least; the torque axis 4, rounded to 5.
    assert force.bounds == (-5, 5)
    assert torque.bounds == (-0.2, 5)


def test_traces_forget_what_is_too_old_and_start_anew_with_an_episode() -> None:
    recorder = TraceRecorder(Modality("x", (1,), 1.0, MLP()), control_hz=10.0, plugged=True)
    for step in range(100):
        recorder.add(np.array([float(step)]), step / 10)
    (trace,) = recorder.traces()
    assert trace.values[0, 0] == 79  # 2 s before the last reading
    recorder.reset()
    recorder.add(np.array([5.0]), 0.0)
    assert recorder.traces()[0].values.tolist() == [[5.0]]


def test_pictures_of_depth_grey_and_stacked_images() -> None:
    depth = Modality("depth", (36, 36, 1), 1.0, ImageConv(), low=0.0, high=2.0)
    metres = np.zeros((36, 36, 1), np.float32)
    metres[0, :3, 0] = 1.0, 2.0, 9.0
    shown = picture_of(depth, metres, plugged=True).pixels
    assert shown is not None
    # Near is bright: 1 m half, 2 m and beyond black, 0 m white.
    assert shown[0, :4, 0].tolist() == [127, 0, 0, 255]
    assert shown.shape == (36, 36, 3)
    stacked = Modality("eyes", (36, 36, 3), 1.0, Custom("a.b:c"), history=2, dtype="uint8")
    frames = np.stack([np.full((36, 36, 3), value, np.uint8) for value in (10, 20)])
    newest = picture_of(stacked, frames, plugged=True).pixels
    assert newest is not None
    assert (newest == 20).all()
    assert picture_of(stacked, frames, plugged=False).pixels is None
