"""Recording episodes: `mmrl record SOURCE --episodes 100 --output DIR`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import tyro
from gymnasium import spaces
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmrl.evaluation.episodes import SUCCESS_KEYS
from mmrl.evaluation.rates import Rate
from mmrl.modality import Modality
from mmrl.settings.documents import fit
from mmrl_agents.records.dataset.features import ACTION, DONE, EXECUTED, REWARD, SUCCESS, features_of, frame_of
from mmrl_agents.records.dataset.folder import DatasetWriter, RecordedEpisode
from mmrl_agents.records.runs import library_versions
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.config import Settings
from mmrl_agents.watching.recording.actors import Actor, make_actor, worlds_of
from mmrl_agents.worlds.making import require_context_known
from mmrl_agents.worlds.spec import WorldSpec
from mmrl_agents.worlds.trust import marked_config

IN_A_FILE = 10
"""Episodes of one file, which are lost together where a recording breaks off."""


@dataclass(frozen=True)
class RecordConfig:
    """Record episodes as a LeRobotDataset: all senses, actions, rewards, success, seeds."""

    source: tyro.conf.Positional[str]
    """Who acts: a run folder, an exported policy, a name of mmrl list pretrained, expert (the script of the task) or
    random."""
    output: Path
    """Where to write; a new or empty folder."""
    episodes: int = 100
    """Episodes to record."""
    env: str | None = None
    """The environment, for expert and random."""
    seed: int = 20_000
    """Episode number i begins as a world reset with seed + i does."""
    context: Settings = field(default_factory=dict)
    """Values of the task's context, such as clearance_mm, in place of those of the training."""
    noise: float = 0.0
    """Deviation of Gaussian noise that actions are carried out with, within their bounds. What is meant stays the
    action to imitate, so that an imitator sees how to come back to the path."""
    pictures: Literal["image", "video"] = "image"
    """image: a PNG in each frame, exact. video: an MP4 of each camera of three channels, not exact."""
    checkpoint: str = "best"
    """best, last or a checkpoint file, of a run."""
    trust: tuple[str, ...] = ()
    """Modules that the run may import, where it was not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self, "")
        if self.episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {self.episodes}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if not 0 <= self.noise < math.inf:
            raise ValueError(f"noise must be at least 0 and finite, got {self.noise}")


def record(config: RecordConfig, console: Console | None = None) -> Rate:
    """Record episodes into a folder; returns their success.

    Whatever breaks it off, a full disk or Ctrl-C among it, all files of `IN_A_FILE` episodes that are there stay whole
    and are described.
    """
    console = console or terminal()
    spec, trained = worlds_of(config.source, config.env, config.checkpoint, config.trust)
    with closing(spec.make_single()) as world:
        context = {**(trained.config.target_context if trained else {}), **config.context}
        require_context_known(spec.env, config.context, world)
        senses = _senses_of(world)
        actions = _actions_of(world)
        if config.noise and not isinstance(actions, spaces.Box):
            raise ValueError(
                f"noise is added to numbers, {spec.env} takes one of {actions.n} actions: leave out --noise"
            )
        actor = make_actor(config.source, spec, world, trained)
        writer = DatasetWriter(
            config.output,
            features_of(senses, actions, config.pictures, noisy=config.noise > 0),
            _rate_of(world),
            spec.env,
            _ours(config, spec, context, senses),
        )
        won, waiting = 0, []
        numbers = range(config.seed, config.seed + config.episodes)
        for seed in track(numbers, f"recording {spec.env}", console=console, transient=True):
            waiting.append(play(world, actor, senses, seed, context, config.noise))
            won += bool(waiting[-1].frames[SUCCESS][-1])
            if len(waiting) == IN_A_FILE or seed == numbers[-1]:
                _append(writer, waiting)
                waiting = []
    rate = Rate(won, config.episodes)
    say(console, f"wrote {config.output}: {writer.episodes} episodes, success {rate}")
    say(console, f"play one again with: mmrl replay {config.output} --episode 0")
    return rate


def _append(writer: DatasetWriter, episodes: list[RecordedEpisode]) -> None:
    """Raises OSError, of a full disk say, that tells what is kept."""
    try:
        writer.append(episodes)
    except OSError as error:
        kept = f"the {writer.episodes} episodes that are in {writer.folder} stay, {len(episodes)} are lost"
        raise OSError(f"{error}; {kept}") from error


def play(
    world: gym.Env[Any, Any],
    actor: Actor,
    senses: Mapping[str, Modality],
    seed: int,
    context: Mapping[str, Any],
    noise: float = 0.0,
) -> RecordedEpisode:
    """One episode from the reset with `seed` to its end, with noise of this deviation on what is carried out."""
    options = {"context": dict(context)} if context else None
    observation, _ = world.reset(seed=seed, options=options)
    actor.begin(seed)
    disturb = np.random.default_rng(seed)
    frames: dict[str, list[Any]] = {}
    over = False
    while not over:
        action = actor.act(observation)
        frame = frame_of(senses, observation)
        executed = _disturbed(action, world.action_space, noise, disturb) if noise else action
        if noise:
            frame[EXECUTED] = executed
        observation, reward, terminated, truncated, info = world.step(executed)
        over = bool(terminated or truncated)
        success = next((bool(info[key]) for key in SUCCESS_KEYS if key in info), False)
        for name, entry in {**frame, ACTION: action, REWARD: reward, SUCCESS: success, DONE: over}.items():
            frames.setdefault(name, []).append(entry)
    return RecordedEpisode({name: _stacked(name, entries) for name, entries in frames.items()}, seed)


def _disturbed(action: Any, space: Any, noise: float, rng: np.random.Generator) -> NDArray[Any]:
    """The action carried out.

    As in Laskey et al. 2017, "DART: Noise Injection for Robust Imitation Learning", but with noise of one size.
    """
    meant = np.asarray(action, space.dtype)
    return np.clip(meant + rng.normal(0.0, noise, meant.shape), space.low, space.high).astype(space.dtype)


def _stacked(name: str, entries: list[Any]) -> Any:
    array = np.stack([np.asarray(entry) for entry in entries])
    if name == REWARD:
        array = array.astype(np.float32)
    return array[:, None] if array.ndim == 1 else array


def _senses_of(world: gym.Env[Any, Any]) -> Mapping[str, Modality]:
    senses: Mapping[str, Modality] = world.get_wrapper_attr("modalities")
    return senses


def _actions_of(world: gym.Env[Any, Any]) -> spaces.Box | spaces.Discrete:
    space = world.action_space
    if not isinstance(space, spaces.Box | spaces.Discrete):
        raise ValueError(f"actions are recorded of a Box or a Discrete space, not of {space}")
    return space


def _rate_of(world: gym.Env[Any, Any]) -> float:
    """Frames per second: the control rate, or 30 where the environment does not say."""
    return float(world.metadata.get("render_fps") or 30)


def _ours(
    config: RecordConfig, spec: WorldSpec, context: Mapping[str, Any], senses: Mapping[str, Modality]
) -> dict[str, Any]:
    """The document of meta/mmrl.json, with the worlds as config.json has them and the mark of who recorded in them."""
    worlds = {"env": spec.env, "env_kwargs": dict(spec.kwargs), "modalities": dict(spec.modalities)}
    return marked_config(
        {
            "source": config.source,
            "train": worlds,
            "context": dict(context),
            "noise": config.noise,
            "senses": {name: sense.describe() for name, sense in senses.items()},
            "versions": library_versions(),
        }
    )
