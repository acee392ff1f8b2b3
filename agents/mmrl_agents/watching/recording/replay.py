"""Playing a recorded episode again: `mmrl replay DIR --episode 3`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from rich.console import Console

from mmrl.settings.documents import fit
from mmrl_agents.records.dataset.features import ACTION, EXECUTED, OBSERVATION, REWARD, VIDEO
from mmrl_agents.records.dataset.folder import Dataset, RecordedEpisode
from mmrl_agents.records.runs import library_versions
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.worlds.spec import WorldSpec
from mmrl_agents.worlds.trust import require_trusted


@dataclass(frozen=True)
class ReplayConfig:
    """Play a recorded episode again in the simulator, and say whether it is the same, bit for bit."""

    data: tyro.conf.Positional[Path]
    """Folder that mmrl record wrote."""
    episode: int = 0
    """Number of the episode."""
    trust: tuple[str, ...] = ()
    """Modules that the data may import, where you did not record them on this machine."""

    def __post_init__(self) -> None:
        fit(self, "")


@dataclass(frozen=True)
class PlayedAgain:
    """The outcome of playing an episode again."""

    steps: int
    """Steps that were the same."""
    difference: str
    """The first difference; "" where there is none."""
    unread: tuple[str, ...]
    """Senses that a video holds, whose pictures are not exact and were not compared."""
    versions: tuple[str, ...]
    """Packages that have another version than at the recording, "mujoco 3.17.0, now 3.18.0"."""


def replay(config: ReplayConfig, console: Console | None = None) -> PlayedAgain:
    """Play an episode again.

    Raises ValueError for a folder that is no data set and an episode that it lacks, Untrusted where it names code that
    this user neither recorded with nor trusts.
    """
    console = console or terminal()
    data = Dataset(config.data)
    episode, ours = data.episode(config.episode), data.ours
    with closing(recorded_worlds(data, config.trust).make_single()) as world:
        filmed = [name for name, feature in data.features.items() if feature.dtype == VIDEO]
        unread = tuple(name for name in data.ours["senses"] if OBSERVATION.format(name) in filmed)
        steps, difference = _played(world, episode, ours["context"], unread)
    now = library_versions()
    versions = tuple(
        f"{name} {version}, now {now.get(name, 'absent')}"
        for name, version in ours["versions"].items()
        if now.get(name) != version
    )
    if difference:
        say(console, f"episode {config.episode} differs after {steps} of {episode.length} steps: {difference}")
        say(
            console, f"other versions: {'; '.join(versions)}" if versions else "all versions are those of the recording"
        )
    else:
        but = f", but for the pictures of {', '.join(unread)}, which a video holds: not compared" if unread else ""
        say(console, f"episode {config.episode} is the same, bit for bit: {steps} steps{but}")
    return PlayedAgain(steps, difference, unread, versions)


def recorded_worlds(data: Dataset, trust: Sequence[str] = ()) -> WorldSpec:
    """The worlds that a data set was recorded in.

    Raises Untrusted where it names code that this user neither recorded with on this machine nor names in `trust`, and
    ValueError where it names no worlds.
    """
    require_trusted(data.ours, str(data.folder), trust)
    try:
        worlds = data.ours["train"]
        return WorldSpec(str(worlds["env"]), dict(worlds["env_kwargs"]), dict(worlds["modalities"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{data.folder} does not say in which worlds it was recorded: {error}") from error


def _played(
    world: gym.Env[Any, Any], episode: RecordedEpisode, context: Mapping[str, Any], unread: Sequence[str]
) -> tuple[int, str]:
    """How many steps are the same, and the first difference in what is not `unread`."""
    taken = episode.frames.get(EXECUTED, episode.frames[ACTION])
    observation, _ = world.reset(seed=episode.seed, options={"context": dict(context)} if context else None)
    for step in range(episode.length):
        for name, reading in observation.items():
            if name in unread:
                continue
            if difference := _difference(name, reading, episode.frames[OBSERVATION.format(name)][step]):
                return step, difference
        action = taken[step]
        observation, reward, terminated, truncated, _ = world.step(
            action if world.action_space.shape else int(action[0])
        )
        if np.float32(reward) != episode.frames[REWARD][step, 0]:
            return step, f"the reward is {float(reward):.9g}, was {episode.frames[REWARD][step, 0]:.9g}"
        if bool(terminated or truncated) != (step == episode.length - 1):
            return step, "it ends at another step"
    return episode.length, ""


def _difference(name: str, now: Any, recorded: Any) -> str:
    now = np.asarray(now)
    if now.shape != recorded.shape:
        return f"{name} has the shape {now.shape}, had {recorded.shape}"
    apart = np.abs(now.astype(np.float64) - recorded.astype(np.float64)).max() if now.size else 0.0
    return f"{name} is {apart:.3g} away" if apart else ""
