"""The share of each sense in the worth of a policy, from its worth with every subset of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

Subset = frozenset[str]


def subsets(senses: Sequence[str]) -> Iterator[Subset]:
    """All 2^n subsets, the empty one first and all senses last."""
    for size in range(len(senses) + 1):
        yield from map(frozenset, combinations(senses, size))


def shapley_values(senses: Sequence[str], worth: Mapping[Subset, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """The Shapley value of each sense, elementwise over arrays of one shape.

    phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S with i) - v(S)): Shapley 1953, "A Value for n-Person
    Games"; here v(S) = worth[S]. It is what i adds on average when the senses are plugged in one after another,
    all n! orders alike, and the values of all senses sum to v(all) - v(none). ValueError where a subset is missing.
    """
    missing = [sorted(subset) for subset in subsets(senses) if subset not in worth]
    if missing:
        raise ValueError(f"Shapley values need the worth of every subset, got none of {missing[0]}")
    n = len(senses)
    values = {}
    for sense in senses:
        others = [other for other in senses if other != sense]
        values[sense] = sum(
            (
                (np.asarray(worth[subset | {sense}], np.float64) - worth[subset]) / (n * comb(n - 1, len(subset)))
                for subset in subsets(others)
            ),
            np.zeros(()),
        )
    return values
