"""All probes on all sources and targets, with controls on targets that are not those of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.evaluation.probes.base import Probe, ReadOff
from mmrl.evaluation.probes.rows import ProbeRows, ProbeTarget, targets_of
from mmrl.evaluation.probes.scores import Scored, balanced_accuracy, r_squared

SHUFFLED, OTHER_EPISODE = "shuffled", "other episode"
"""Controls in place of a source: targets of rows exchanged at will, and targets of an episode taken for another's."""


@dataclass(frozen=True)
class Answer:
    """How well a probe reads a target off a source."""

    source: str
    """Where the features are from, or `SHUFFLED` or `OTHER_EPISODE`."""
    probe: str
    """Name of the probe."""
    target: ProbeTarget
    """The number or class to be read off."""
    score: Scored
    """On episodes that it has not seen."""
    chosen: Mapping[str, Any]
    """Settings that cross-validation chose."""
    weights: Mapping[str, float]
    """Weights of the parts, of multiple kernels."""


def probe_all(
    train: ProbeRows,
    test: ProbeRows,
    probes: Mapping[str, Probe],
    control: str,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """Every target that varies, read off every source by every probe; `progress` is called after each.

    Twice more from the source `control`: learned with the targets of all rows shuffled, where nothing is to be learned
    and all that is read is chance; and with those of other episodes as far along, where what is read is how far along
    an episode is. A probe that weighs parts is left out of sources with one part.
    """
    answers = []
    targets, _ = targets_of(train, test)
    shuffled = np.random.default_rng(seed).permutation(len(train.episodes))
    controls = {SHUFFLED: shuffled, OTHER_EPISODE: exchanged_rows(train.episodes, seed)}
    for name, probe in probes.items():
        for source in train.sources:
            if probe.weighs_parts and len(train.sources[source]) < 2:
                continue
            prepared = probe.prepare(train.sources[source], test.sources[source], train.episodes)
            for target in targets:
                values = train.targets[target.name]
                answers.append(_judged(source, name, target, prepared.read(values, target.is_class), test, seed))
                for kind, rows in controls.items() if source == control else ():
                    chance = prepared.read(values[rows], target.is_class)
                    answers.append(_judged(kind, name, target, chance, test, seed))
                progress()
    return answers


def exchanged_rows(episodes: IntArray, seed: int) -> IntArray:
    """For each row (n,) a row of another episode, as far along in it; the order within an episode stays."""
    numbers = np.unique(episodes)
    turned = np.random.default_rng(seed).permutation(len(numbers))
    partner = dict(zip(numbers[turned], numbers[np.roll(turned, 1)], strict=True))
    rows = {number: np.flatnonzero(episodes == number) for number in numbers}
    taken = np.empty(len(episodes), np.intp)
    for number in numbers:
        own, other = rows[number], rows[partner[number]]
        taken[own] = other[np.minimum(np.arange(len(own)) * len(other) // len(own), len(other) - 1)]
    return taken


def _judged(source: str, probe: str, target: ProbeTarget, reading: ReadOff, test: ProbeRows, seed: int) -> Answer:
    truth: FloatArray = test.targets[target.name]
    score = balanced_accuracy if target.is_class else r_squared
    scored = score(truth, reading.values, test.episodes, seed)
    return Answer(source, probe, target, scored, reading.chosen, reading.weights)
