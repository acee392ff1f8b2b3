"""Linear probes and support vector machines of scikit-learn, their strengths chosen over episodes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.evaluation.probes.base import Prepared, Probe, ReadOff, folds, learning_library, loss, side_by_side
from mmrl.evaluation.probes.rows import FeatureSource


@dataclass(frozen=True)
class Estimator:
    """An estimator of scikit-learn and the strengths to try."""

    make: Callable[[float], Any]
    """Makes one of a strength."""
    strengths: tuple[float, ...]
    """Values of `setting`."""
    setting: str
    """Its name in scikit-learn."""


class LinearProbe(Probe):
    """Ridge regression of numbers, logistic regression of classes."""

    def prepare(self, train: FeatureSource, test: FeatureSource, episodes: IntArray) -> Prepared:
        models = learning_library("linear_model")
        numbers = Estimator(lambda alpha: models.Ridge(alpha=alpha), (1.0, 30.0, 1000.0), "alpha")
        classes = Estimator(
            lambda c: models.LogisticRegression(C=c, class_weight="balanced", max_iter=300), (0.003, 0.1, 3.0), "C"
        )
        return _Searched(*side_by_side(train, test), episodes, numbers, classes)


class LinearSVM(Probe):
    """Support vector machines with a linear kernel, by their margin (Cortes and Vapnik 1995)."""

    def prepare(self, train: FeatureSource, test: FeatureSource, episodes: IntArray) -> Prepared:
        svm, strengths = learning_library("svm"), (0.001, 0.03)
        numbers = Estimator(lambda c: svm.LinearSVR(C=c, epsilon=0.1, dual="auto", random_state=0), strengths, "C")
        classes = Estimator(
            lambda c: svm.LinearSVC(C=c, class_weight="balanced", dual="auto", random_state=0), strengths, "C"
        )
        return _Searched(*side_by_side(train, test), episodes, numbers, classes)


class KernelSVM(Probe):
    """Support vector machines with a Gaussian kernel of the width 1 / (d var x)."""

    def prepare(self, train: FeatureSource, test: FeatureSource, episodes: IntArray) -> Prepared:
        svm, strengths = learning_library("svm"), (1.0, 10.0)
        numbers = Estimator(lambda c: svm.SVR(C=c, epsilon=0.1), strengths, "C")
        classes = Estimator(lambda c: svm.SVC(C=c, class_weight="balanced"), strengths, "C")
        return _Searched(*side_by_side(train, test), episodes, numbers, classes)


class _Searched(Prepared):
    """The strength that cross-validation finds best, then all rows."""

    def __init__(
        self, train: FloatArray, test: FloatArray, episodes: IntArray, numbers: Estimator, classes: Estimator
    ) -> None:
        self._train, self._test, self._folds = train, test, folds(episodes)
        self._of_numbers, self._of_classes = numbers, classes

    def read(self, targets: FloatArray, is_class: bool) -> ReadOff:
        if is_class:
            # The library takes classes by number.
            classes, numbered = np.unique(targets, return_inverse=True)
            answer, chosen = self._read(self._of_classes, numbered.astype(np.float64), is_class)
            return ReadOff(classes[answer.astype(np.intp)], chosen)
        # Its strengths and tolerances are for numbers about 1.
        centre, scale = float(targets.mean()), float(targets.std()) or 1.0
        answer, chosen = self._read(self._of_numbers, (targets - centre) / scale, is_class)
        return ReadOff(answer * scale + centre, chosen)

    def _read(self, estimator: Estimator, wanted: FloatArray, is_class: bool) -> tuple[FloatArray, dict[str, float]]:
        """The answers of the best strength, and that."""

        def tried(strength: float) -> float:
            answers = [(rows, self._answer(estimator, strength, wanted, kept, rows)) for kept, rows in self._folds]
            return sum(loss(wanted[rows], answer, is_class) for rows, answer in answers)

        best = min(estimator.strengths, key=tried)
        return _fitted(estimator, best, self._train, wanted, self._test), {estimator.setting: best}

    def _answer(
        self, estimator: Estimator, strength: float, wanted: FloatArray, kept: IntArray, rows: IntArray
    ) -> FloatArray:
        return _fitted(estimator, strength, self._train[kept], wanted[kept], self._train[rows])


def _fitted(
    estimator: Estimator, strength: float, train: FloatArray, targets: FloatArray, rows: FloatArray
) -> FloatArray:
    """The answers for rows (n,); the only value there is where targets never vary."""
    if len(np.unique(targets)) < 2:
        return np.full(len(rows), targets[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped before the last digit is no matter for a probe
        answer: FloatArray = np.asarray(estimator.make(strength).fit(train, targets).predict(rows), np.float64)
    return answer
