"""The contract of a probe: learn to read targets off frozen features of some rows, and read them off others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.evaluation.probes.rows import FeatureSource

FOLDS = 3


@dataclass(frozen=True, eq=False)
class ReadOff:
    """The answers of a probe."""

    values: FloatArray
    """One for each row that it was to read, (n,); classes by their value."""
    chosen: Mapping[str, Any]
    """Settings that cross-validation chose."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """The weight of each part on the simplex, of probes that weigh parts."""


class Prepared(ABC):
    """A probe with the features of the rows to learn from and of those to read."""

    @abstractmethod
    def read(self, targets: FloatArray, is_class: bool) -> ReadOff:
        """Learn from targets (n_train,), and read the other rows."""


class Probe(ABC):
    """A way to read targets off features; settings are chosen by cross-validation over episodes."""

    weighs_parts: bool = False
    """Whether it is for sources of several parts, and gives each a weight."""

    @abstractmethod
    def prepare(self, train: FeatureSource, test: FeatureSource, episodes: IntArray) -> Prepared:
        """Take the features of the rows to learn from, of the episodes (n_train,), and of those to read."""


def side_by_side(train: FeatureSource, test: FeatureSource) -> tuple[FloatArray, FloatArray]:
    """The parts of a source next to each other, each column with mean 0 and deviation 1 over the rows to learn from."""
    columns = np.concatenate(list(train.values()), axis=1)
    mean, deviation = columns.mean(axis=0), columns.std(axis=0)
    scale = np.where(deviation > 1e-9, deviation, np.inf)
    return (columns - mean) / scale, (np.concatenate(list(test.values()), axis=1) - mean) / scale


def folds(episodes: IntArray) -> list[tuple[IntArray, IntArray]]:
    """Rows to learn from and to try on, of different episodes, `FOLDS` times or as often as there are episodes."""
    numbers = np.unique(episodes)
    count = min(FOLDS, len(numbers))
    tried = [np.isin(episodes, numbers[fold::count]) for fold in range(count)]
    return [(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in tried]


def loss(truth: FloatArray, guess: FloatArray, is_class: bool) -> float:
    """Mean squared error of numbers; 1 - balanced accuracy of classes."""
    if not is_class:
        return float(np.square(truth - guess).mean())
    return 1.0 - float(np.mean([(guess[truth == each] == each).mean() for each in np.unique(truth)]))


def learning_library(module: str) -> Any:
    """A module of scikit-learn; raises ImportError with the name of the extra where it is not installed."""
    try:
        return import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ImportError("probes need scikit-learn: pip install 'mmrl[probe]'") from error
