"""The streams of each sense in recorded episodes: every reading once, with the time at which it was taken.

F frames of an episode, T readings of a window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.alignment.encoding import encoded
from mmrl.alignment.recording import Recording
from mmrl.arrays import FloatArray
from mmrl_agents.records.dataset.features import OBSERVATION
from mmrl_agents.records.dataset.folder import INFO, Dataset, RecordedEpisode
from mmrl_agents.records.files import read_json
from mmrl_agents.watching.recording.actors import make_actor, worlds_of
from mmrl_agents.watching.recording.record import play

_ROUNDING = 1e-6


@dataclass(frozen=True)
class SenseOnRecord:
    """A sense as a data set describes it."""

    name: str
    """Its key in the observation."""
    rate_hz: float
    """Readings per second."""
    history: int | None
    """T, or None for the newest reading alone."""
    dtype: str
    """Of the numbers."""
    shape: tuple[int, ...]
    """Of a reading."""
    units: tuple[str, ...]
    """Of the numbers of a reading; () where they have none."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> SenseOnRecord:
        """From `Modality.describe()`; raises ValueError where it lacks something."""
        try:
            unit, shape = document["unit"], tuple(int(size) for size in document["shape"])
            units = tuple(unit) if isinstance(unit, list | tuple) else (unit,) * (shape[-1] if shape else 0)
            name, rate, dtype = str(document["name"]), float(document["rate_hz"]), str(document["dtype"])
            history = document["history"]
            return cls(name, rate, None if history is None else int(history), dtype, shape, units)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"a sense on record lacks something: {type(error).__name__}: {error}") from error

    @property
    def can_be_aligned(self) -> bool:
        """Whether readings are pictures of bytes or numbers in a row."""
        return len(self.shape) == (3 if self.dtype == "uint8" else 1)


@dataclass(frozen=True, eq=False)
class SenseStreams:
    """The recorded episodes of some worlds."""

    name: str
    """Of the source, for messages."""
    fps: float
    """Frames per second."""
    senses: Mapping[str, SenseOnRecord]
    """By name."""
    episodes: Sequence[RecordedEpisode]
    """With the columns `OBSERVATION` of each sense."""

    def chosen(self, names: Sequence[str]) -> tuple[str, ...]:
        """The senses of these names, all that can be aligned without any; raises ValueError for others."""
        able = [name for name, sense in self.senses.items() if sense.can_be_aligned]
        chosen = tuple(dict.fromkeys(names)) or tuple(able)
        if wrong := [name for name in chosen if name not in able]:
            raise ValueError(f"{self.name} has no {', '.join(wrong)} to align; it has {', '.join(able) or 'nothing'}")
        if len(chosen) < 2:
            raise ValueError(f"two senses at least are aligned, got {', '.join(chosen) or 'none'}: name them --between")
        return chosen

    def recordings(self, names: Sequence[str]) -> list[list[Recording]]:
        """The encoded streams of some senses, for each episode in the order of `names`."""
        return [[self._recording(name, episode) for name in names] for episode in self.episodes]

    def _recording(self, name: str, episode: RecordedEpisode) -> Recording:
        sense = self.senses[name]
        times, readings = readings_of(sense, episode.frames[OBSERVATION.format(name)], self.fps)
        return encoded(name, times, readings, sense.units)


def readings_of(sense: SenseOnRecord, entries: NDArray[Any], fps: float) -> tuple[FloatArray, NDArray[Any]]:
    """Times (n,) in seconds and readings (n, *shape) of a sense from its entries in F frames.

    Each reading counts once, though a slow sense is held for several frames and windows may overlap; what a window
    holds from before the episode does not count.
    """
    frames = np.arange(len(entries)) / fps
    if sense.rate_hz <= fps or sense.history is None:
        newest = entries if sense.history is None else entries[:, -1]
        due = np.floor(frames * sense.rate_hz + _ROUNDING)
        fresh = np.diff(due, prepend=-1) > 0
        return frames[fresh], newest[fresh]
    new = min(sense.history, round(sense.rate_hz / fps))
    times = (frames[:, None] - np.arange(new - 1, -1, -1) / sense.rate_hz).ravel()
    inside = times > -_ROUNDING
    return times[inside], entries[:, -new:].reshape(-1, *sense.shape)[inside]


def is_a_data_set(source: str) -> bool:
    """Whether it is a folder that `mmrl record` wrote."""
    return (Path(source) / INFO).is_file()


def streams_of(source: str, episodes: int, seed: int, checkpoint: str, trust: Sequence[str] = ()) -> SenseStreams:
    """The first episodes of a data set, or so many of a policy in its worlds.

    Raises ValueError for a data set with fewer, FileNotFoundError and Untrusted as a recording does.
    """
    if is_a_data_set(source):
        return _of_a_data_set(Dataset(Path(source)), episodes)
    spec, trained = worlds_of(source, None, checkpoint, trust)
    with closing(spec.make_single()) as world:
        senses = world.get_wrapper_attr("modalities")
        actor, context = make_actor(source, spec, world, trained), trained.config.target_context if trained else {}
        played = [play(world, actor, senses, seed + number, context) for number in range(episodes)]
        fps = float(world.metadata.get("render_fps") or 30)
    return SenseStreams(source, fps, {name: SenseOnRecord.of(each.describe()) for name, each in senses.items()}, played)


def _of_a_data_set(data: Dataset, episodes: int) -> SenseStreams:
    if episodes > len(data):
        raise ValueError(f"{data.folder} has {len(data)} episodes, not {episodes}: --episodes {len(data)}")
    senses = {name: SenseOnRecord.of(document) for name, document in _documents(data)}
    fps = float(read_json(data.folder / INFO)["fps"])
    return SenseStreams(str(data.folder), fps, senses, [data.episode(number) for number in range(episodes)])


def _documents(data: Dataset) -> Iterator[tuple[str, Mapping[str, Any]]]:
    senses = data.ours.get("senses")
    if not isinstance(senses, Mapping):
        raise ValueError(f"{data.folder} does not say which senses it has")
    yield from senses.items()
