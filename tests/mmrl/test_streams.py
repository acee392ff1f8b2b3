"""Streams: what a world receives depends on the seed, its index, the name and its own calls."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mmrl.streams import Streams

KINDS = ("normal", "uniform")
# Longer than several blocks, so that refills are part of every invariant.
LONG = 5000


def draw(streams: Streams, kind: str, worlds: list[int], shape: tuple[int, ...]) -> np.ndarray:
    draws = {"normal": streams.normal, "uniform": streams.uniform}
    return draws[kind](np.array(worlds, dtype=np.int64), shape)


@pytest.mark.parametrize("kind", KINDS)
def test_shape_and_type(kind: str) -> None:
    streams = Streams(0, "wrench", 4)
    for worlds, shape in (([0, 3], (5, 6)), ([1], ()), ([], (3,)), ([2], (0,)), ([0, 1], (LONG,))):
        values = draw(streams, kind, worlds, shape)
        assert values.shape == (len(worlds), *shape)
        assert values.dtype == np.float64


@given(
    kind=st.sampled_from(KINDS),
    num_worlds=st.integers(2, 5),
    counts=st.lists(st.sampled_from([1, 7, 300, 1024, 2500]), min_size=1, max_size=6),
    data=st.data(),
)
def test_world_receives_the_same_alone_and_in_company(
    kind: str, num_worlds: int, counts: list[int], data: st.DataObject
) -> None:
    world = data.draw(st.integers(0, num_worlds - 1))
    others = [i for i in range(num_worlds) if i != world]
    together, alone = Streams(3, "wrench", num_worlds), Streams(3, "wrench", world + 1)
    for count in counts:
        # Others draw before, beside and out of step with the world we look at.
        draw(together, kind, data.draw(st.lists(st.sampled_from(others), unique=True)), (11,))
        worlds = data.draw(st.permutations([world, *others[: len(others) // 2]]))
        received = draw(together, kind, worlds, (count,))[worlds.index(world)]
        np.testing.assert_array_equal(received, draw(alone, kind, [world], (count,))[0])


@given(kind=st.sampled_from(KINDS), cuts=st.lists(st.integers(0, LONG), max_size=5))
def test_grouping_into_calls_does_not_matter(kind: str, cuts: list[int]) -> None:
    whole = draw(Streams(1, "camera", 2), kind, [0, 1], (LONG,))
    streams = Streams(1, "camera", 2)
    edges = [0, *sorted(cuts), LONG]
    parts = [draw(streams, kind, [0, 1], (stop - start,)) for start, stop in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_kinds_do_not_shift_each_other() -> None:
    mixed, pure = Streams(0, "wrench", 1), Streams(0, "wrench", 1)
    draw(mixed, "uniform", [0], (17,))
    np.testing.assert_array_equal(draw(mixed, "normal", [0], (5,)), draw(pure, "normal", [0], (5,)))


def test_seed_name_and_world_each_change_the_stream() -> None:
    firsts = [
        draw(Streams(seed, name, 3), "normal", [world], ())[0]
        for seed in (0, 1, 2**80)
        for name in ("wrench", "camera")
        for world in range(3)
    ]
    assert len(set(firsts)) == 3 * 2 * 3


def test_distributions_are_standard() -> None:
    # Kolmogorov-Smirnov on 20,000 values: p below 1e-4 would mean a wrong distribution.
    streams = Streams(0, "wrench", 4)
    normal = draw(streams, "normal", [0, 1, 2, 3], (LONG,)).ravel()
    uniform = draw(streams, "uniform", [0, 1, 2, 3], (LONG,)).ravel()
    assert stats.kstest(normal, "norm").pvalue > 1e-4
    assert stats.kstest(uniform, "uniform").pvalue > 1e-4
    # Different worlds are uncorrelated: r of 5,000 pairs has std 1 / sqrt(5000) = 0.0142.
    correlation = np.corrcoef(normal.reshape(4, LONG)) - np.eye(4)
    assert np.abs(correlation).max() < 5 * 0.0142


def test_restart_repeats() -> None:
    streams = Streams(5, "wrench", 2)
    first = draw(streams, "normal", [0, 1], (30,))
    streams.restart(5)
    np.testing.assert_array_equal(draw(streams, "normal", [0, 1], (30,)), first)


@given(before=st.lists(st.sampled_from([3, 600, 1024, 3000]), max_size=4))
def test_saved_state_continues_exactly(before: list[int]) -> None:
    streams = Streams(7, "wrench", 3)
    for count in before:
        draw(streams, "normal", [0, 2], (count,))
        draw(streams, "uniform", [1], (count,))
    state = json.loads(json.dumps(streams.state_dict()))
    expected = [draw(streams, kind, [2, 0, 1], (2000,)) for kind in KINDS]
    resumed = Streams(0, "wrench", 3)
    resumed.load_state_dict(state)
    for kind, values in zip(KINDS, expected, strict=True):
        np.testing.assert_array_equal(draw(resumed, kind, [2, 0, 1], (2000,)), values)


def test_state_of_another_stream_is_refused() -> None:
    state = Streams(0, "wrench", 3).state_dict()
    with pytest.raises(ValueError, match="name is 'camera', that of the saved state 'wrench'"):
        Streams(0, "camera", 3).load_state_dict(state)
    with pytest.raises(ValueError, match="num_worlds is 4, that of the saved state 3"):
        Streams(0, "wrench", 4).load_state_dict(state)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", None])
def test_seed_must_be_a_natural_number(seed: int) -> None:
    with pytest.raises(ValueError, match=r"'wrench': seed must be an int >= 0, got"):
        Streams(seed, "wrench", 1)


def test_name_and_size_are_checked() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        Streams(0, "", 1)
    with pytest.raises(ValueError, match="num_worlds must be >= 1, got 0"):
        Streams(0, "wrench", 0)


def test_part_of_the_worlds_draw_as_all_do() -> None:
    everyone, part = Streams(3, "wrench", 5), Streams(3, "wrench", 2, first=3)
    expected = everyone.normal(np.arange(5), (4,))[3:]
    np.testing.assert_array_equal(part.normal(np.arange(2), (4,)), expected)
    again = Streams(0, "wrench", 2)
    again.load_state_dict(part.state_dict())
    np.testing.assert_array_equal(again.normal(np.arange(2), (3,)), everyone.normal(np.arange(5), (3,))[3:])
