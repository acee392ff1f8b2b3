"""Dynamic time warping against a search through all paths."""

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.alignment import path_cost, warping_path

Cell = tuple[int, int]


def all_paths(n: int, length: int, window: int, slope: int, slack: int) -> Iterator[list[Cell]]:
    """Every path through n and `length` readings that keeps the bounds, by the words of their definition."""
    begins = {(i, 0) for i in range(slack + 1)} | {(0, j) for j in range(slack + 1)}
    ends = {(n - 1 - i, length - 1) for i in range(slack + 1)} | {(n - 1, length - 1 - j) for j in range(slack + 1)}

    def inside(cell: Cell) -> bool:
        ahead = cell[1] - cell[0]
        return cell[0] < n and cell[1] < length and min(0, length - n) - window <= ahead <= max(0, length - n) + window

    def extended(path: list[Cell], kind: str, run: int) -> Iterator[list[Cell]]:
        if path[-1] in ends:
            yield path
        i, j = path[-1]
        for new, cell in {"both": (i + 1, j + 1), "x": (i + 1, j), "y": (i, j + 1)}.items():
            steps = 1 if new != kind else run + 1
            # With a slope limit, steps in one series alone follow a step in both or their own like.
            steep = kind not in ("both", new) or steps > slope
            if inside(cell) and (new == "both" or slope > 99 or not steep):
                yield from extended([*path, cell], new, steps)

    for begin in filter(inside, begins):
        yield from extended([begin], "both", 0)


@settings(deadline=None, max_examples=80)
@given(
    st.integers(3, 5), st.integers(3, 5), st.sampled_from([None, 0, 1, 2]), st.sampled_from([None, 1, 2]),
    st.integers(0, 1), st.integers(0, 1000),
)  # fmt: skip
def test_the_path_is_the_best_of_all(
    n: int, length: int, window: int | None, slope: int | None, slack: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    width = 1 + seed % 2
    x, y = rng.normal(size=(n, width)), rng.normal(size=(length, width))
    least = min(
        (
            path_cost(x, y, np.array(path))
            for path in all_paths(n, length, 99 if window is None else window, 100 if slope is None else slope, slack)
        ),
        default=None,
    )
    if least is None:
        with pytest.raises(ValueError, match="no path through"):
            warping_path(x, y, window=window, slope=slope, slack=slack)
        return
    path = warping_path(x, y, window=window, slope=slope, slack=slack)
    assert path_cost(x, y, path) == pytest.approx(least, abs=1e-9)
    assert set(map(tuple, np.diff(path, axis=0).tolist())) <= {(1, 0), (0, 1), (1, 1)}


def test_a_stretched_series_is_found_again() -> None:
    x = np.sin(np.linspace(0, 6, 40))[:, None]
    y = np.repeat(x, 2, axis=0)
    path = warping_path(x, y)
    assert path_cost(x, y, path) == 0
    assert np.array_equal(path[:, 0], np.arange(80) // 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": -1}, "window must not be negative, got -1"),
        ({"slope": 0}, "slope must be at least 1, got 0"),
        ({"slack": 5}, "slack must lie in 0 to 2, so that something is left, got 5"),
        ({"slope": 1, "y": np.zeros((30, 1))}, "no path through 5 and 30 readings keeps window None, slope 1"),
        ({"y": np.zeros((5, 2))}, r"readings of one width, \(n, d\) and \(l, d\), got \(5, 1\) and \(5, 2\)"),
        ({"y": np.zeros(5)}, "two series need readings of one width"),
        ({"y": np.zeros((0, 1))}, "two series need readings of one width"),
    ],
)
def test_bad_input_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        warping_path(**{"x": np.zeros((5, 1)), "y": np.zeros((5, 1)), **change})  # type: ignore[arg-type]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dtaidistance", None)
    monkeypatch.delitem(sys.modules, "dtaidistance.dtw", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'mmrl\[align\]'"):
        warping_path(np.zeros((5, 1)), np.zeros((5, 1)))
