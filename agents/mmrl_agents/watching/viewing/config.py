"""Options of `mmrl watch`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from mmrl.settings.documents import fit
from mmrl.settings.effects import Reads
from mmrl_agents.policies.shipped import DEFAULT_POLICY
from mmrl_agents.settings.config import Settings
from mmrl_agents.watching.video import film_format


@dataclass(frozen=True)
class WatchConfig:
    """Film a trained policy, with what it senses and how it decides beside the scene; or record it, or see it live."""

    run: tyro.conf.Positional[str] = DEFAULT_POLICY
    """Folder of a run, or the name of a pretrained policy."""
    episodes: int | None = None
    """Episodes to show; unset is 3, of a game 1, and with --live as many as there is time for."""
    max_seconds: float | None = None
    """Cut every episode after this long, in its own time; unset shows it to its end, or 30,000 steps of it."""
    seed: int = 10_000
    """Decides the initial states; those of world 0 of an evaluation with the same seed."""
    output: Path | None = None
    """The film, .mp4, .webm or .gif, a still beside it; unset is video.mp4 in the run folder."""
    fps: float | None = None
    """Frames per second; unset is real time, and half of that is slow motion."""
    rrd: Path | None = None
    """Write a recording for rerun to this file, .rrd, in place of a film: the scene, senses, poses, actions, values."""
    live: bool = False
    """Show the scene in a window while the policy acts, in place of a film, until the window is closed; of a run that
    is being trained each episode is played with its newest weights."""
    checkpoint: str | None = None
    """best, last or a checkpoint file; unset is best, or last where --live follows a training."""
    device: str = "auto"
    """Where the network lives: auto, cpu, cuda, cuda:1; auto takes CUDA where it is."""
    without: tuple[str, ...] = ()
    """Senses to unplug."""
    context: Settings = field(default_factory=dict)
    """Values of the task's context, such as clearance_mm, in place of those of the training."""
    deterministic: bool = True
    """Take the mean action, or the most probable one, instead of drawing."""
    saliency: bool = True
    """Of discrete actions, show over an image which of its pixels move the decision."""
    trust: tuple[str, ...] = ()
    """Modules that the run may import, where it was not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self)
        if self.episodes is not None and self.episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {self.episodes}")
        if self.output is not None:
            film_format(self.output)
        if self.rrd is not None and self.rrd.suffix != ".rrd":
            raise ValueError(f"the name of a recording for rerun ends in .rrd, got {self.rrd.name!r}")
        for name in ("fps", "max_seconds"):
            value = vars(self)[name]
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive, got {value}")
        if self.rrd is not None and self.live:
            raise ValueError("--rrd writes a file and --live shows a window: give one of them")


def _films(config: WatchConfig) -> bool:
    return config.rrd is None and not config.live


OF_A_FILM = (
    Reads(("output", "saliency"), _films, "a film is written without --rrd and --live alone"),
    Reads(("fps",), lambda config: config.rrd is None, "a recording for rerun has the time itself"),
)
"""Options that only a film has, or a film and a window."""
