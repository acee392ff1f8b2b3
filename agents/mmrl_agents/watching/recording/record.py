"""Recording episodes: `mmrl record SOURCE --episodes 100 --output DIR`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import tyro
from gymnasium import spaces
from rich.console import Console
from rich.progress import track

from mmrl.evaluation.episodes import SUCCESS_KEYS
from mmrl.evaluation.rates import Rate
from mmrl.modality import Modality
from mmrl.settings.documents import fit
from mmrl_agents.records.dataset.features import ACTION, DONE, REWARD, SUCCESS, features_of, frame_of
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
        actor = make_actor(config.source, spec, world, trained)
        writer = DatasetWriter(
            config.output,
            features_of(senses, _actions_of(world), config.pictures),
            _rate_of(world),
            spec.env,
            _ours(config, spec, context, senses),
        )
        won, waiting = 0, []
        numbers = range(config.seed, config.seed + config.episodes)
        for seed in track(numbers, f"recording {spec.env}", console=console, transient=True):
            waiting.append(play(world, actor, senses, seed, context))
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
    world: gym.Env[Any, Any], actor: Actor, senses: Mapping[str, Modality], seed: int, context: Mapping[str, Any]
) -> RecordedEpisode:
    """One episode from the reset with `seed` to its end."""
    options = {"context": dict(context)} if context else None
    observation, _ = world.reset(seed=seed, options=options)
    actor.begin(seed)
    frames: dict[str, list[Any]] = {}
    over = False
    while not over:
        action = actor.act(observation)
        frame = frame_of(senses, observation)
        observation, reward, terminated, truncated, info = world.step(action)
        over = bool(terminated or truncated)
        success = next((bool(info[key]) for key in SUCCESS_KEYS if key in info), False)
        for name, entry in {**frame, ACTION: action, REWARD: reward, SUCCESS: success, DONE: over}.items():
            frames.setdefault(name, []).append(entry)
    return RecordedEpisode({name: _stacked(name, entries) for name, entries in frames.items()}, seed)


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
            "senses": {name: sense.describe() for name, sense in senses.items()},
            "versions": library_versions(),
        }
    )
