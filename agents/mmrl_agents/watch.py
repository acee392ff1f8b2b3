"""Watching a trained policy: a video of the scene and of what the policy sensed."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from mmrl.episodes import SUCCESS_KEYS, blank
from mmrl.foreign import flatten_observation, modalities_of
from mmrl.modality import Modality
from mmrl_agents.config import Settings, known_as, unit_actions
from mmrl_agents.evaluate import TorchPolicy, reset_options
from mmrl_agents.player import DEFAULT_POLICY, TrainedPolicy, load_policy
from mmrl_agents.trainer import choose_device
from mmrl_agents.video import (
    HEIGHT,
    WIDTH,
    Caption,
    Picture,
    Pixels,
    Trace,
    VideoWriter,
    compose,
    nice_bounds,
)
from mmrl_envs.multimodal import SingleWorld

SPAN_S = 2.0
# Seconds for which the last frame of an episode stands still, so that its outcome can be read.
PAUSE_S = 0.75
MOST_LINES = 8


@dataclass(frozen=True)
class WatchConfig:
    """Film a trained policy, with what it sees and feels beside the scene."""

    run: tyro.conf.Positional[str] = DEFAULT_POLICY
    """Folder of a run, or the name of a pretrained policy."""
    episodes: int = 3
    """Episodes in the video."""
    seed: int = 10_000
    """Decides the initial states; those of world 0 of an evaluation with the same seed."""
    output: Path | None = None
    """The MP4 file, a still beside it; unset is video.mp4 in the run folder."""
    fps: float | None = None
    """Frames per second; unset is real time, and half of that is slow motion."""
    checkpoint: str = "best"
    """best, last or a checkpoint file."""
    device: str = "auto"
    """Where the network lives: auto, cpu, cuda, cuda:1; auto takes CUDA where it is."""
    without: tuple[str, ...] = ()
    """Senses to unplug."""
    context: Settings = field(default_factory=dict)
    """Values of the task's context, such as clearance_mm, in place of those of the training."""
    deterministic: bool = True
    """Take the mean action, or the most probable one, instead of drawing."""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {self.episodes}")
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f"fps must be positive, got {self.fps}")


def watch_run(config: WatchConfig, console: Console | None = None) -> Path:
    """Film the policy of a run; returns the path of the video, a still of its end lies beside it.

    Raises CheckpointError or FileNotFoundError where `config.run` holds no usable policy, and
    ValueError for a sense to unplug that does not exist.
    """
    console = console or Console()
    trained = load_policy(config.run, choose_device(config.device), config.checkpoint)
    path = config.output or _default_output(config.run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(_make_env(trained)) as env:
        stage = Stage(env, trained, config)
        with VideoWriter(path, config.fps or stage.control_hz, (WIDTH, HEIGHT)) as video:
            for episode in track(range(config.episodes), "episodes", console=console, disable=not console.is_terminal):
                for _ in stage.play(episode):
                    video.add(stage.frame)
                for _ in range(round(PAUSE_S * stage.control_hz)):
                    video.add(stage.frame)
    Image.fromarray(stage.frame).save(path.with_suffix(".png"))
    console.print(f"wrote {path}", soft_wrap=True)
    return path


@dataclass(frozen=True)
class Component:
    """Columns of a vector sense that share a unit, and so an axis."""

    title: str
    columns: tuple[int, ...]
    labels: tuple[str, ...]
    least: float = 0.0  # the axis reaches at least this far to both sides of zero


WRENCH = (
    Component("force, N", (0, 1, 2), ("Fx", "Fy", "Fz"), least=5.0),
    Component("torque, N m", (3, 4, 5), ("Tx", "Ty", "Tz"), least=0.2),
)
# What is known of the columns of a sense, by its name and size.
KNOWN: Mapping[tuple[str, int], tuple[Component, ...]] = {
    ("force_torque", 6): WRENCH,
    ("proprioception", 8): (
        Component("tool position, m", (0, 1, 2), ("x", "y", "z")),
        Component("tool velocity, m/s", (4, 5, 6), ("x", "y", "z"), least=0.05),
    ),
}


def components_of(sense: Modality) -> tuple[Component, ...]:
    """How the traces of a vector sense are split; six columns over time are taken for a wrench."""
    (size,) = sense.shape
    if (sense.name, size) in KNOWN:
        return KNOWN[sense.name, size]
    if sense.history is not None and size == len(WRENCH) * 3:
        return tuple(replace(part, title=f"{sense.name}: {part.title}") for part in WRENCH)
    shown = range(min(size, MOST_LINES))
    title = sense.name if size <= MOST_LINES else f"{sense.name} (first {MOST_LINES} of {size})"
    return (Component(title, tuple(shown), tuple(map(str, shown)) if size > 1 else ()),)


class TraceRecorder:
    """Readings of one vector sense (d,) over the last `SPAN_S`."""

    def __init__(self, sense: Modality, control_hz: float, plugged: bool) -> None:
        self.sense, self.plugged = sense, plugged
        self._fresh = max(1, round(sense.rate_hz / control_hz))
        self._chunks: deque[tuple[NDArray[np.float64], NDArray[np.float64]]] = deque(
            maxlen=round(SPAN_S * control_hz) + 1
        )

    def reset(self) -> None:
        """Forget the episode."""
        self._chunks.clear()

    def add(self, observed: NDArray[Any], now_s: float) -> None:
        """Take the readings of a window (T, d), or (d,), that came since the last control step."""
        window = np.asarray(observed, np.float64).reshape(-1, *self.sense.shape)
        # At a reset the whole window is one reading.
        window = window[-self._fresh if self._chunks else -1 :]
        ages = np.arange(len(window) - 1, -1, -1) / self.sense.rate_hz
        self._chunks.append((now_s - ages, window))

    def traces(self) -> list[Trace]:
        """One trace per component of the sense, on axes that hold what is shown."""
        times = np.concatenate([times for times, _ in self._chunks])
        values = np.concatenate([values for _, values in self._chunks])
        return [
            self._trace(part, times - times[-1], values[:, list(part.columns)]) for part in components_of(self.sense)
        ]

    def _trace(self, part: Component, times: NDArray[np.float64], values: NDArray[np.float64]) -> Trace:
        shown = values[times >= -SPAN_S]
        finite = shown[np.isfinite(shown)]
        bounds = nice_bounds(
            min(-part.least, float(finite.min(initial=0.0))),
            max(part.least, float(finite.max(initial=0.0))),
        )
        return Trace(part.title, part.labels, times, values, bounds, SPAN_S, self.plugged)


def picture_of(sense: Modality, observed: NDArray[Any], plugged: bool) -> Picture:
    """The newest image of a sense (H, W), (H, W, C) or a history of those, as RGB.

    Floats are shown from the lower bound of the sense, white, to the upper one, black, so that near
    is bright in a depth image; where a bound is infinite the image's own extreme takes its place.
    """
    title = sense.name
    if not plugged:
        return Picture(title, None)
    image = observed[-1] if sense.history is not None else observed
    image = image if image.ndim == 3 else image[..., None]
    if image.dtype != np.uint8:
        low, high = (float(bound.flat[0]) for bound in sense.bounds)
        low = low if np.isfinite(low) else float(image.min())
        high = high if np.isfinite(high) else float(image.max())
        image = np.clip((high - image) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    rgb = image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)
    return Picture(title, rgb)


class Stage:
    """One world, the policy that acts in it, and the memory of what it sensed.

    A single environment is used, because one that restarts itself can no longer show how an episode
    ended.
    """

    def __init__(self, env: gym.Env[Any, Any], trained: TrainedPolicy, config: WatchConfig) -> None:
        self.env, self.config = env, config
        self.frame: Pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        rate = env.metadata.get("render_fps") or 30
        self.control_hz = float(trained.env_kwargs.get("control_hz", rate))
        self._title = ", ".join([trained.env_id, *(f"without {name}" for name in config.without)])
        self._options = reset_options(trained, config.context, env)
        self._policy = TorchPolicy(
            trained.policy,
            env.action_space,
            deterministic=config.deterministic,
            seed=config.seed,
        )
        self._senses = senses_of(env)
        self._recorders = [
            TraceRecorder(sense, self.control_hz, name not in config.without)
            for name, sense in self._senses.items()
            if len(sense.shape) == 1
        ]

    def play(self, episode: int) -> Iterator[None]:
        """Run an episode; at every yield `frame` shows the present step, the first and last too."""
        seed = self.config.seed if episode == 0 else None
        raw, info = self.env.reset(seed=seed, options=self._options)
        for recorder in self._recorders:
            recorder.reset()
        self._policy.reset(np.zeros(1, np.int64))
        step, done = 0, False
        while True:
            batch = {name: np.asarray(a)[None] for name, a in flatten_observation(raw).items()}
            observation, present = blank(batch, self.config.without)
            for recorder in self._recorders:
                recorder.add(observation[recorder.sense.name][0], step / self.control_hz)
            caption = self._caption(info, episode, step, over=done)
            self.frame = compose(caption, self._scene(), *self._sensed(observation))
            yield
            if done:
                return
            action = self._policy.act(observation, present)[0]
            raw, _, terminated, truncated, info = self.env.step(action)
            step, done = step + 1, terminated or truncated

    def _sensed(self, observation: Mapping[str, NDArray[Any]]) -> tuple[list[Picture], list[Trace]]:
        pictures = [
            picture_of(sense, observation[name][0], name not in self.config.without)
            for name, sense in self._senses.items()
            if len(sense.shape) > 1
        ]
        return pictures, [trace for recorder in self._recorders for trace in recorder.traces()]

    def _caption(self, info: Mapping[str, Any], episode: int, step: int, over: bool) -> Caption:
        told = [f"episode {episode + 1}/{self.config.episodes}", f"step {step}"]
        told.append(f"{step / self.control_hz:.2f} s")
        if "peak_force_n" in info:
            told.append(f"peak force {float(info['peak_force_n']):.1f} N")
        success = [bool(info[key]) for key in SUCCESS_KEYS if key in info]
        if success:
            told.append("success" if success[-1] else "no success" if over else "no success yet")
        return Caption(self._title, "    ".join(told), good=any(success[-1:]))

    def _scene(self) -> Pixels:
        pixels = self.env.render()
        if not isinstance(pixels, np.ndarray):
            raise ValueError(f"{self.env} gives no frame of pixels, but {type(pixels).__name__}")
        return pixels


def senses_of(env: gym.Env[Any, Any]) -> dict[str, Modality]:
    """What the environment declares, or what its observation space says."""
    if isinstance(env.unwrapped, SingleWorld):
        return dict(env.unwrapped.modalities)
    return modalities_of(env.observation_space)


def _make_env(trained: TrainedPolicy) -> gym.Env[Any, Any]:
    name, kwargs = known_as(trained.env_id, {**trained.env_kwargs, "render_mode": "rgb_array"})
    return unit_actions(gym.make(name, disable_env_checker=True, **kwargs))


def _default_output(run: str) -> Path:
    """video.mp4 in a run folder; of a policy shipped with the package, its name in this folder."""
    folder = Path(run)
    return folder / "video.mp4" if folder.is_dir() else Path(f"{run.rpartition(':')[2]}.mp4")
