"""Watching a trained policy: a video of the scene, of what the policy sensed and of how it decided."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from mmrl.evaluation.figures import decimals_for
from mmrl.modality import Modality
from mmrl.settings.effects import Reads, require_effect
from mmrl_agents.machine.device import choose_device
from mmrl_agents.policies.trained import TrainedPolicy, load_policy
from mmrl_agents.records.files import require_place, write_atomically
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.watching.decisions import Decision
from mmrl_agents.watching.frames import Caption, Picture, compose, compose_game
from mmrl_agents.watching.panels import HEIGHT, WIDTH, Pixels, Trace
from mmrl_agents.watching.pictures import is_shown_as_picture, picture_of
from mmrl_agents.watching.traces import DecisionRecorder, TraceRecorder
from mmrl_agents.watching.video import VideoWriter
from mmrl_agents.watching.viewing.config import OF_A_FILM, WatchConfig
from mmrl_agents.watching.viewing.moments import Moment, WatchedWorld, scene_of
from mmrl_agents.watching.viewing.rerun_recording import record_for_rerun
from mmrl_envs.physics.sound.recording import Sound

SPAN_S = 2.0
# In Pong the ball needs longer than that to come back.
GAME_SPAN_S = 4.0
# Seconds for which the last frame of an episode stands still, so that its outcome can be read.
PAUSE_S = 0.75
# Points as the game counts them, not only their signs. The policy sees no reward, so it plays no differently.
CHANGES_FOR_WATCHING: Mapping[str, Mapping[str, Any]] = {
    "mmrl/Pong-v0": {"clip_rewards": False},
    "mmrl/Atari-v0": {"clip_rewards": False},
}


def watch_run(config: WatchConfig, console: Console | None = None) -> Path:
    """Film the policy of a run, or record it for rerun; returns the path of the file, beside a film a still of its end.

    Raises CheckpointError or FileNotFoundError where `config.run` holds no usable policy, and
    ValueError for a sense to unplug that does not exist or a network that has no gradient by its pixels.
    """
    console = console or terminal()
    require_effect(config, OF_A_FILM, WatchConfig())
    trained = load_policy(config.run, choose_device(config.device), config.checkpoint or "best", config.trust)
    path = config.rrd or config.output or _default_output(config.run)
    require_place(path)
    with closing(_make_env(trained)) as env:
        world = WatchedWorld(env, trained, config)
        require_effect(config, (_shown_where(world.images, env.action_space),), WatchConfig())
        if config.rrd is not None:
            record_for_rerun(world, config.rrd, console)
        else:
            _film(world, path, console)
    say(console, f"wrote {path}")
    return path


def _film(world: WatchedWorld, path: Path, console: Console) -> None:
    stage = Stage(world)
    fps = world.config.fps or world.control_hz
    with VideoWriter(path, fps, (WIDTH, HEIGHT), stage.samples * fps or None) as video:
        for episode in track(range(world.episodes), "episodes", console=console, disable=not console.is_terminal):
            for _ in stage.play(episode):
                video.add(stage.frame, stage.heard)
            for _ in range(round(PAUSE_S * world.control_hz)):
                video.add(stage.frame, np.zeros(stage.samples, np.float32))
    still = Image.fromarray(stage.frame)
    write_atomically(path.with_suffix(".png"), lambda stream: still.save(stream, format="png"))


def _shown_where(images: Mapping[str, Modality], actions: spaces.Space[Any]) -> Reads:
    shown = bool(images) and isinstance(actions, spaces.Discrete)
    return Reads(("saliency",), lambda c: shown, "it is shown over images, and of discrete actions")


class Stage:
    """The frames of a film, and the memory of what was sensed and decided."""

    def __init__(self, world: WatchedWorld) -> None:
        self.world = world
        self.frame: Pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        without = world.config.without
        self._reward = "points" if world.is_game else "return"
        self._title = ", ".join([world.trained.env_id, *(f"without {name}" for name in without)])
        self.samples = len(self.heard)
        span = GAME_SPAN_S if world.actions else SPAN_S
        self._decisions = DecisionRecorder(world.actions, world.control_hz, span)
        self._recorders = [
            TraceRecorder(sense, world.control_hz, name not in without, span)
            for name, sense in world.senses.items()
            if not is_shown_as_picture(sense)
        ]

    def play(self, episode: int) -> Iterator[None]:
        """Run an episode; at every yield `frame` shows the present step, the first and last too."""
        self._decisions.reset()
        for recorder in self._recorders:
            recorder.reset()
        arrange = compose_game if self.world.actions else compose
        for now in self.world.play(episode):
            self._record(now)
            self.frame = arrange(self._caption(now), scene_of(self.world.env), self._pictures(now), self._traces())
            yield

    def _record(self, now: Moment) -> None:
        now_s = now.step / self.world.control_hz
        self._decisions.add(now.decision, now_s)
        for recorder in self._recorders:
            recorder.add(now.observation[recorder.sense.name][0], now_s)

    def _traces(self) -> list[Trace]:
        sensed = (recorder.traces() for recorder in self._recorders)
        return list(chain(self._decisions.traces(), *sensed))

    def _pictures(self, now: Moment) -> list[Picture]:
        return [
            picture_of(
                sense,
                now.observation[name][0],
                name not in self.world.config.without,
                now.decision.heat.get(name),
                self._note(now.decision) if name in now.decision.heat else "",
            )
            for name, sense in self.world.senses.items()
            if is_shown_as_picture(sense)
        ]

    def _note(self, decision: Decision) -> str:
        assert decision.action is not None
        return f"heat: pixels that move p({self.world.actions[decision.action]})"

    def _caption(self, now: Moment) -> Caption:
        words = [f"episode {now.episode + 1}/{self.world.episodes}", f"step {now.step}"]
        words.append(f"{now.step / self.world.control_hz:.2f} s")
        if self.world.actions:
            words.append(f"{self._reward} {now.total:.6g}")
        if now.success is not None:
            words.append("success" if now.success else "no success" if now.over else "no success yet")
        return Caption(self._title, "    ".join(words), good=bool(now.success), below=self._figures_so_far(now.info))

    def _figures_so_far(self, info: Mapping[str, Any]) -> str:
        """The declared figures of the episode, as far as the environment reports them."""
        known = [(figure, info[figure.name]) for figure in self.world.figures if info.get(figure.name) is not None]
        figures = (
            f"{figure.words} {value:.{decimals_for([value])}f} {figure.unit}".rstrip() for figure, value in known
        )
        return "    ".join(figures)

    @property
    def heard(self) -> NDArray[np.float32]:
        """The sound of the last control step, (samples,): as many in each, none where nothing hears."""
        env = self.world.env
        sound = env.get_wrapper_attr("sound") if env.has_wrapper_attr("sound") else None
        return sound.samples[0].copy() if isinstance(sound, Sound) else np.zeros(0, np.float32)


def _make_env(trained: TrainedPolicy) -> gym.Env[Any, Any]:
    changes = CHANGES_FOR_WATCHING.get(trained.worlds.known_as, {})
    return trained.worlds.make_single(render_mode="rgb_array", **changes)


def _default_output(run: str) -> Path:
    """video.mp4 in a run folder; of a policy shipped with the package, or on the hub, its name in this folder."""
    folder = Path(run)
    return folder / "video.mp4" if folder.is_dir() else Path(f"{Path(run.rpartition(':')[2]).name}.mp4")
