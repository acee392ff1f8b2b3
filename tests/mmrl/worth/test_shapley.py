"""Shapley values against the definition by permutations, and the axioms that single them out."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl.worth.shapley import shapley_values, subsets


@st.composite
def games(draw: st.DrawFn) -> tuple[str, dict[frozenset[str], np.ndarray]]:
    senses = "abcde"[: draw(st.integers(1, 5))]
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return senses, {subset: rng.normal(size=3) for subset in subsets(senses)}


def by_permutations(senses: str, worth: dict[frozenset[str], np.ndarray], sense: str) -> np.ndarray:
    """The mean, over all orders of plugging in, of what `sense` adds when its turn comes."""
    added = []
    for order in permutations(senses):
        before = frozenset(order[: order.index(sense)])
        added.append(worth[before | {sense}] - worth[before])
    return np.mean(added, axis=0)


@given(games())
def test_they_are_means_over_all_orders(game: tuple[str, dict[frozenset[str], np.ndarray]]) -> None:
    senses, worth = game
    values = shapley_values(senses, worth)
    assert list(values) == list(senses)
    for sense, value in values.items():
        np.testing.assert_allclose(value, by_permutations(senses, worth, sense), atol=1e-12)


@given(games())
def test_they_share_out_exactly_what_all_senses_add(game: tuple[str, dict[frozenset[str], np.ndarray]]) -> None:
    senses, worth = game
    total = np.sum(list(shapley_values(senses, worth).values()), axis=0)
    np.testing.assert_allclose(total, worth[frozenset(senses)] - worth[frozenset()], atol=1e-12)


def test_equal_senses_get_equal_shares_and_useless_ones_nothing() -> None:
    # Either of a and b does the whole task, c never helps: 1 is shared by a and b.
    worth = {subset: np.array(float(bool(subset & {"a", "b"}))) for subset in subsets("abc")}
    assert {name: float(value) for name, value in shapley_values("abc", worth).items()} == {"a": 0.5, "b": 0.5, "c": 0}


def test_every_subset_is_needed() -> None:
    worth = {subset: np.zeros(()) for subset in subsets("ab") if subset != {"b"}}
    with pytest.raises(ValueError, match=r"need the worth of every subset, got none of \['b'\]"):
        shapley_values("ab", worth)
