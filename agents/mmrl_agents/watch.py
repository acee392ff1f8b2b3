"""Watching a trained policy: a video of the scene and of what the policy sensed."""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from mmrl.evaluation import SUCCESS_KEYS, blank
from mmrl.modality import Modality, flatten_observation, modalities_of
from mmrl_agents.config import Settings, unit_actions
from mmrl_agents.evaluate import TorchPolicy, reset_options
from mmrl_agents.player import TrainedPolicy, load_policy
from mmrl_agents.train import choose_device
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
from mmrl_envs.robot_env import RobotEnv

SPAN_S = 2.0
# Seconds for which the last frame of an episode stands still, so that its outcome can be read.
PAUSE_S = 0.75
MOST_LINES = 8


@dataclass(frozen=True)
class WatchConfig:
    """Film a trained policy, with what it sees and feels beside the scene."""

    run: tyro.conf.Positional[str]
    """Folder of a run, or pretrained:NAME."""
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
    """Values of the task's context, such as clearance, in place of those of the training."""
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
            for episode in track(
                range(config.episodes), "episodes", console=console, disable=not console.is_terminal
            ):
                for frame in stage.play(episode):
                    video.add(frame)
                for _ in range(round(PAUSE_S * stage.control_hz)):
                    video.add(frame)
    Image.fromarray(frame).save(path.with_suffix(".png"))
    console.print(f"wrote {path}", soft_wrap=True)
    return path
