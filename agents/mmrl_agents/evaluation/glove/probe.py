"""How surely a few frames of the glove say which thing is held, and what simpler readings of them say.

Letters: R = recordings, F = frames of a recording, n = frames that are looked at, T = things, k = taxels to a side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from torch import Tensor

from mmrl.arrays import FloatArray, IntArray
from mmrl.evaluation.probes import PROBES
from mmrl.evaluation.probes.base import learning_library
from mmrl.evaluation.rates import Rate
from mmrl_agents.evaluation.glove.choosing import AnyFrames, FrameChoice, FramesOfClusters
from mmrl_agents.evaluation.glove.learning import (
    GloveLearning,
    answers_of,
    learn_head,
    learn_trunk,
    maps_of,
    trunk_steps,
)
from mmrl_agents.evaluation.glove.recordings import Recordings, record
from mmrl_envs.tasks.glove.objects import THINGS

CLUSTERS, ANY = "frames of clusters", "any frames"
"""Ways to choose frames."""
FORCE_AND_AREA, RAW = "force and area", "raw readings"
"""Controls: two numbers of a frame, and the frames without any network."""
TOUCHED_N = 0.03
"""Force from which a taxel counts as touched, newtons: the least that the real glove feels."""
COMPONENTS = 64
"""Principal components of the raw readings."""
_CONTROL_PROBES = ("neighbours", "linear", "kernel_svm")


@dataclass(frozen=True)
class GloveProbe:
    """Settings of the probe."""

    learned: int = 100
    """Recordings of each thing that are learned from."""
    judged: int = 30
    """Recordings of each thing that are judged by, of which nothing is learned."""
    grasps: int = 8
    """Grasps of a recording, three frames each."""
    most_frames: int = 7
    """Frames that are looked at: one, two, up to so many."""
    seed: int = 0
    """Of everything."""
    things: tuple[str, ...] = tuple(THINGS)
    """Names of the things."""
    learning: GloveLearning = field(default_factory=GloveLearning)
    """How the network learns."""

    def __post_init__(self) -> None:
        """Raises ValueError for numbers below 1, more frames to look at than grasps, and fewer than two things."""
        for name in ("learned", "judged", "grasps", "most_frames"):
            if vars(self)[name] < 1:
                raise ValueError(f"{name} must be at least 1, got {vars(self)[name]}")
        if self.most_frames > self.grasps:
            raise ValueError(f"most_frames must be at most the number of grasps, {self.grasps}: {self.most_frames}")
        if len(set(self.things)) < max(2, len(self.things)):
            raise ValueError(f"things must be at least two that differ, got {self.things}")


@dataclass(frozen=True, eq=False)
class GloveReport:
    """The share of recordings whose thing is recognised."""

    by_frames: Mapping[str, tuple[Rate, ...]]
    """By one, two, ... frames, for each way to choose them."""
    confusion: IntArray
    """How often a thing (row) was taken for another (column), by the most frames of clusters, (T, T)."""
    controls: Mapping[str, Mapping[str, Rate]]
    """By the same frames, of each control and each probe."""
    shuffled: Rate
    """By the same frames, of a head that has learned with the things of other recordings."""


Progress = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and how much there is."""


def _silent(stage: str, done: int, total: int) -> None:
    """Says nothing."""


def recorded(probe: GloveProbe, progress: Progress = _silent) -> tuple[Recordings, Recordings]:
    """Recordings to learn from, and to judge by."""
    count, done = probe.learned + probe.judged, iter(range(1, len(probe.things) + 1))
    both = record(
        probe.things,
        count,
        probe.grasps,
        probe.seed,
        lambda: progress("grasping", next(done), len(probe.things)),
    )
    to_judge = np.tile(np.arange(count) >= probe.learned, len(probe.things))
    return both.of(np.flatnonzero(~to_judge)), both.of(np.flatnonzero(to_judge))


def probe_recordings(
    probe: GloveProbe, learned: Recordings, judged: Recordings, progress: Progress = _silent
) -> GloveReport:
    """Learn from some recordings, be judged by the others.

    Raises ImportError without scikit-learn.
    """
    learning_library("svm")
    steps = iter(range(1, 1 + (total := trunk_steps(learned, probe.learning))))
    trunk = learn_trunk(
        learned, len(probe.things), probe.learning, probe.seed, lambda: progress("trunk", next(steps), total)
    )
    maps = maps_of(trunk, learned.frames), maps_of(trunk, judged.frames)
    choices: Mapping[str, FrameChoice] = MappingProxyType(
        {CLUSTERS: FramesOfClusters(judged.frames), ANY: AnyFrames(judged.frames)}
    )
    rates: dict[str, list[Rate]] = {name: [] for name in choices}
    answers: IntArray = np.zeros(0, np.int64)
    for number in range(probe.most_frames, 0, -1):
        head = learn_head(
            maps[0], learned.things, AnyFrames(learned.frames), number, probe.learning, probe.seed + number
        )
        for name, choice in choices.items():
            given = answers_of(head, maps[1], choice.choose(number, np.random.default_rng(probe.seed + number)))
            rates[name].insert(0, _rate(given, judged.things))
            if (number, name) == (probe.most_frames, CLUSTERS):
                answers = given
        progress("heads", probe.most_frames - number + 1, probe.most_frames)
    confusion = np.zeros((len(probe.things),) * 2, np.int64)
    np.add.at(confusion, (judged.things, answers), 1)
    return GloveReport(
        {name: tuple(found) for name, found in rates.items()},
        confusion,
        _controls(probe, learned, judged),
        _shuffled(probe, maps, learned, judged),
    )


def _rate(answers: IntArray, things: IntArray) -> Rate:
    return Rate(int((answers == things).sum()), len(things))


def _shuffled(probe: GloveProbe, maps: tuple[Tensor, Tensor], learned: Recordings, judged: Recordings) -> Rate:
    """Of a head whose recordings have the things of others."""
    rng = np.random.default_rng(probe.seed)
    things = rng.permutation(learned.things)
    head = learn_head(maps[0], things, AnyFrames(learned.frames), probe.most_frames, probe.learning, probe.seed)
    chosen = FramesOfClusters(judged.frames).choose(probe.most_frames, rng)
    return _rate(answers_of(head, maps[1], chosen), judged.things)


def _controls(probe: GloveProbe, learned: Recordings, judged: Recordings) -> Mapping[str, Mapping[str, Rate]]:
    """Of probes that learn from frames without the network."""
    rng = np.random.default_rng(probe.seed)
    seen = [_looked_at(each, probe.most_frames, rng) for each in (learned, judged)]
    episodes = np.arange(len(learned.things))
    targets = learned.things.astype(np.float64)
    analysis = (
        learning_library("decomposition")
        .PCA(min(COMPONENTS, *_pixels(seen[0]).shape), svd_solver="full")
        .fit(_pixels(seen[0]))
    )
    sources = {
        FORCE_AND_AREA: [force_and_area(frames) for frames in seen],
        RAW: [analysis.transform(_pixels(frames)) for frames in seen],
    }
    found: dict[str, dict[str, Rate]] = {}
    for source, (known, asked) in sources.items():
        found[source] = {}
        for name in _CONTROL_PROBES:
            prepared = PROBES[name]().prepare({source: known}, {source: asked}, episodes)
            found[source][name] = _rate(prepared.read(targets, is_class=True).values.astype(np.int64), judged.things)
    return found


def _looked_at(recordings: Recordings, number: int, rng: np.random.Generator) -> FloatArray:
    """Frames of clusters, (R, n, k, k)."""
    chosen = FramesOfClusters(recordings.frames).choose(number, rng)
    looked_at: FloatArray = np.take_along_axis(recordings.frames, chosen[:, :, None, None], axis=1)
    return looked_at


def force_and_area(frames: FloatArray) -> FloatArray:
    """Forces and numbers of touched taxels of frames (R, n, k, k), each in ascending order, (R, 2 n)."""
    force, area = frames.sum(axis=(2, 3), dtype=np.float64), (frames > TOUCHED_N).sum(axis=(2, 3))
    columns: FloatArray = np.concatenate([np.sort(force, axis=1), np.sort(area, axis=1)], axis=1).astype(np.float64)
    return columns


def _pixels(frames: FloatArray) -> FloatArray:
    """Mean and maximum over the frames (R, n, k, k) of each taxel, (R, 2 k k)."""
    both = np.concatenate([frames.mean(axis=1), frames.max(axis=1)], axis=1)
    flat: FloatArray = both.reshape(len(frames), -1).astype(np.float64)
    return flat
