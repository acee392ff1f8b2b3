"""Watching a trained policy: a video of the scene, of what the policy sensed and of how it decided."""

import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from mmrl.evaluation.episodes import LONGEST_EPISODE, SUCCESS_KEYS, blank
from mmrl.evaluation.figures import decimals_for
from mmrl.modality import Modality
from mmrl.modality.foreign import flatten_observation
from mmrl.settings.documents import fit
from mmrl.settings.effects import Reads, require_effect
from mmrl_agents.evaluation.evaluate import reset_options
from mmrl_agents.machine.device import choose_device
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.shipped import DEFAULT_POLICY
from mmrl_agents.policies.trained import TrainedPolicy, load_policy
from mmrl_agents.records.files import require_place, write_atomically
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.config import Settings
from mmrl_agents.watching.decisions import Decision, Introspection
from mmrl_agents.watching.frames import Caption, Picture, compose, compose_game
from mmrl_agents.watching.panels import HEIGHT, WIDTH, Pixels, Trace
from mmrl_agents.watching.pictures import is_image, is_shown_as_picture, picture_of
from mmrl_agents.watching.traces import DecisionRecorder, TraceRecorder
from mmrl_agents.watching.video import VideoWriter, film_format
from mmrl_agents.worlds.infos import declared_figures
from mmrl_envs.atari.emulators import Game
from mmrl_envs.physics.sound.recording import Sound

SPAN_S = 2.0
# In Pong the ball needs longer than that to come back.
GAME_SPAN_S = 4.0
# Seconds for which the last frame of an episode stands still, so that its outcome can be read.
PAUSE_S = 0.75
ROBOT_EPISODES, GAME_EPISODES = 3, 1
# Points as the game counts them, not only their signs. The policy sees no reward, so it plays no differently.
CHANGES_FOR_WATCHING: Mapping[str, Mapping[str, Any]] = {
    "mmrl/Pong-v0": {"clip_rewards": False},
    "mmrl/Atari-v0": {"clip_rewards": False},
}


@dataclass(frozen=True)
class WatchConfig:
    """Film a trained policy, with what it senses and how it decides beside the scene."""

    run: tyro.conf.Positional[str] = DEFAULT_POLICY
    """Folder of a run, or the name of a pretrained policy."""
    episodes: int | None = None
    """Episodes in the video; unset is 3, of a game 1."""
    max_seconds: float | None = None
    """Cut every episode after this long, in its own time; unset shows it to its end, or 30,000 steps of it."""
    seed: int = 10_000
    """Decides the initial states; those of world 0 of an evaluation with the same seed."""
    output: Path | None = None
    """The film, .mp4, .webm or .gif, a still beside it; unset is video.mp4 in the run folder."""
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
        for name in ("fps", "max_seconds"):
            value = vars(self)[name]
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive, got {value}")


def watch_run(config: WatchConfig, console: Console | None = None) -> Path:
    """Film the policy of a run; returns the path of the video, a still of its end lies beside it.

    Raises CheckpointError or FileNotFoundError where `config.run` holds no usable policy, and
    ValueError for a sense to unplug that does not exist or a network that has no gradient by its pixels.
    """
    console = console or terminal()
    trained = load_policy(config.run, choose_device(config.device), config.checkpoint, config.trust)
    path = config.output or _default_output(config.run)
    require_place(path)
    with closing(_make_env(trained)) as env:
        stage = Stage(env, trained, config)
        fps = config.fps or stage.control_hz
        with VideoWriter(path, fps, (WIDTH, HEIGHT), stage.samples * fps or None) as video:
            for episode in track(range(stage.episodes), "episodes", console=console, disable=not console.is_terminal):
                for _ in stage.play(episode):
                    video.add(stage.frame, stage.heard)
                for _ in range(round(PAUSE_S * stage.control_hz)):
                    video.add(stage.frame, np.zeros(stage.samples, np.float32))
    still = Image.fromarray(stage.frame)
    write_atomically(path.with_suffix(".png"), lambda stream: still.save(stream, format="png"))
    say(console, f"wrote {path}")
    return path


def _shown_where(images: Mapping[str, Modality], actions: spaces.Space[Any]) -> Reads:
    shown = bool(images) and isinstance(actions, spaces.Discrete)
    return Reads(("saliency",), lambda c: shown, "it is shown over images, and of discrete actions")


class Stage:
    """One world, the policy that acts in it, and the memory of what it sensed and decided.

    A single environment is used, because one that restarts itself can no longer show how an episode
    ended.
    """

    def __init__(self, env: gym.Env[Any, Any], trained: TrainedPolicy, config: WatchConfig) -> None:
        self.env, self.config = env, config
        self.frame: Pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self.control_hz = float(env.metadata.get("render_fps") or 30)
        is_game = isinstance(env.unwrapped, Game)
        self.episodes = config.episodes or (GAME_EPISODES if is_game else ROBOT_EPISODES)
        self.actions = actions_of(env)
        self._reward = "points" if is_game else "return"
        self._title = ", ".join([trained.env_id, *(f"without {name}" for name in config.without)])
        self._options = reset_options(trained, config.context, env)
        self._policy = TorchPolicy(
            trained.policy,
            env.action_space,
            deterministic=config.deterministic,
            seed=config.seed,
        )
        self._senses = declared_senses(env)
        self.samples = len(self.heard)
        self._figures = declared_figures(env)
        images = {name: sense for name, sense in self._senses.items() if is_image(sense) and name not in config.without}
        require_effect(config, (_shown_where(images, env.action_space),), WatchConfig())
        self._introspection = Introspection(trained, self._policy, env.action_space, images if config.saliency else {})
        span = GAME_SPAN_S if self.actions else SPAN_S
        self._decisions = DecisionRecorder(self.actions, self.control_hz, span)
        self._recorders = [
            TraceRecorder(sense, self.control_hz, name not in config.without, span)
            for name, sense in self._senses.items()
            if not is_shown_as_picture(sense)
        ]

    def play(self, episode: int) -> Iterator[None]:
        """Run an episode; at every yield `frame` shows the present step, the first and last too."""
        seed = self.config.seed if episode == 0 else None
        raw, info = self.env.reset(seed=seed, options=self._options)
        self._decisions.reset()
        for recorder in self._recorders:
            recorder.reset()
        self._policy.reset(np.zeros(1, np.int64))
        step, total, done = 0, 0.0, False
        while True:
            batch = {name: np.asarray(a)[None] for name, a in flatten_observation(raw).items()}
            observation, present = blank(batch, self.config.without)
            last = done or self._cut(step)
            action = None if last else self._policy.act(observation, present)
            decision = self._introspection.decision(observation, present, action)
            self._record(observation, decision, step / self.control_hz)
            caption = self._caption(info, episode, step, total, over=done)
            arrange = compose_game if self.actions else compose
            self.frame = arrange(caption, self._scene(), self._pictures(observation, decision), self._traces())
            yield
            if action is None:
                return
            raw, reward, terminated, truncated, info = self.env.step(action[0])
            step, total, done = step + 1, total + float(reward), terminated or truncated

    def _cut(self, step: int) -> bool:
        limit = self.config.max_seconds
        return step >= (LONGEST_EPISODE if limit is None else limit * self.control_hz)

    def _record(self, observation: Mapping[str, NDArray[Any]], decision: Decision, now_s: float) -> None:
        self._decisions.add(decision, now_s)
        for recorder in self._recorders:
            recorder.add(observation[recorder.sense.name][0], now_s)

    def _traces(self) -> list[Trace]:
        sensed = (recorder.traces() for recorder in self._recorders)
        return list(chain(self._decisions.traces(), *sensed))

    def _pictures(self, observation: Mapping[str, NDArray[Any]], decision: Decision) -> list[Picture]:
        return [
            picture_of(
                sense,
                observation[name][0],
                name not in self.config.without,
                decision.heat.get(name),
                self._note(decision) if name in decision.heat else "",
            )
            for name, sense in self._senses.items()
            if is_shown_as_picture(sense)
        ]

    def _note(self, decision: Decision) -> str:
        assert decision.action is not None
        return f"heat: pixels that move p({self.actions[decision.action]})"

    def _caption(self, info: Mapping[str, Any], episode: int, step: int, total: float, over: bool) -> Caption:
        words = [f"episode {episode + 1}/{self.episodes}", f"step {step}"]
        words.append(f"{step / self.control_hz:.2f} s")
        if self.actions:
            words.append(f"{self._reward} {total:.6g}")
        success = [bool(info[key]) for key in SUCCESS_KEYS if key in info]
        if success:
            words.append("success" if success[-1] else "no success" if over else "no success yet")
        return Caption(self._title, "    ".join(words), good=any(success[-1:]), below=self._figures_so_far(info))

    def _figures_so_far(self, info: Mapping[str, Any]) -> str:
        """The declared figures of the episode, as far as the environment reports them."""
        known = [(figure, info[figure.name]) for figure in self._figures if info.get(figure.name) is not None]
        figures = (
            f"{figure.words} {value:.{decimals_for([value])}f} {figure.unit}".rstrip() for figure, value in known
        )
        return "    ".join(figures)

    @property
    def heard(self) -> NDArray[np.float32]:
        """The sound of the last control step, (samples,): as many in each, none where nothing hears."""
        sound = self.env.get_wrapper_attr("sound") if self.env.has_wrapper_attr("sound") else None
        return sound.samples[0].copy() if isinstance(sound, Sound) else np.zeros(0, np.float32)

    def _scene(self) -> Pixels:
        pixels = self.env.render()
        if not isinstance(pixels, np.ndarray):
            raise ValueError(f"{self.env} gives no frame of pixels, but {type(pixels).__name__}")
        return pixels


def declared_senses(env: gym.Env[Any, Any]) -> dict[str, Modality]:
    """The senses that an environment of ours declares, or those declared for a foreign one."""
    return dict(env.get_wrapper_attr("modalities"))


def actions_of(env: gym.Env[Any, Any]) -> tuple[str, ...]:
    """The names of discrete actions, numbers unless it is a game of ours; () for continuous ones."""
    if isinstance(env.unwrapped, Game):
        return env.unwrapped.action_labels
    return tuple(map(str, range(int(env.action_space.n)))) if isinstance(env.action_space, spaces.Discrete) else ()


def _make_env(trained: TrainedPolicy) -> gym.Env[Any, Any]:
    changes = CHANGES_FOR_WATCHING.get(trained.worlds.known_as, {})
    return trained.worlds.make_single(render_mode="rgb_array", **changes)


def _default_output(run: str) -> Path:
    """video.mp4 in a run folder; of a policy shipped with the package, or on the hub, its name in this folder."""
    folder = Path(run)
    return folder / "video.mp4" if folder.is_dir() else Path(f"{Path(run.rpartition(':')[2]).name}.mp4")
