"""Drawings of a page: axes, bars and lines as SVG."""

import re

import numpy as np
import pytest

from mmrl.worth import Estimate
from mmrl_agents.watching.report.drawing import HEIGHT, MOST_POINTS, WIDTH, DrawnAxis, axis_over, bar, lines, path


def points(d: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", d)]


def test_an_axis_goes_up() -> None:
    with pytest.raises(ValueError, match=r"an axis goes up, got 1\.0 to 1\.0"):
        DrawnAxis(1.0, 1.0)


def test_ticks_are_round_numbers_on_the_axis() -> None:
    assert DrawnAxis(0.0, 100.0).ticks() == [0, 25, 50, 75, 100]
    assert DrawnAxis(-0.3, 0.9).ticks(3) == pytest.approx([0.0, 0.5])
    assert DrawnAxis(0.0, 120_832.0).ticks() == [0, 50_000, 100_000]


def test_an_axis_holds_what_is_finite() -> None:
    assert axis_over([3.0, np.nan, 5.0]) == DrawnAxis(3.0, 5.0)
    assert axis_over([3.0, 5.0], 0.0) == DrawnAxis(0.0, 5.0)
    assert axis_over([2.0, 2.0]) == DrawnAxis(1.5, 2.5)
    assert axis_over([]) == DrawnAxis(0.0, 1.0)


def test_a_bar_reaches_from_zero_to_the_value_and_its_line_over_the_interval() -> None:
    drawn = bar(Estimate(-0.5, -1.0, 0.5), DrawnAxis(-1.0, 1.0))
    # Zero is in the middle, the value a quarter of the width from the left.
    assert f'x="{WIDTH / 4:.1f}"' in drawn
    assert f'width="{WIDTH / 4:.1f}"' in drawn
    assert f"M0.0 10H{0.75 * WIDTH:.1f}" in drawn


def test_a_line_is_interrupted_where_nothing_is_known() -> None:
    d = path(np.arange(4.0), np.array([0.0, np.nan, 1.0, 2.0]), DrawnAxis(0.0, 3.0), DrawnAxis(0.0, 2.0))
    assert d.count("M") == 2
    assert points(d)[0] == (0.0, HEIGHT)
    assert points(d)[-1] == (WIDTH, 0.0)


def test_a_long_line_keeps_its_peaks() -> None:
    values = np.zeros(100_000)
    values[77_777], values[5] = 1.0, -1.0
    d = path(np.arange(100_000.0), values, DrawnAxis(0.0, 99_999.0), DrawnAxis(-1.0, 1.0))
    assert len(points(d)) <= 2 * MOST_POINTS
    heights = [y for _, y in points(d)]
    assert (min(heights), max(heights)) == (0.0, HEIGHT)
    assert [x for x, _ in points(d)] == sorted(x for x, _ in points(d))


def test_nothing_that_is_drawn_can_end_its_element() -> None:
    drawn = lines(['"/><script>'], DrawnAxis(0.0, 1.0), DrawnAxis(-1.0, 1.0), [0.5], [0.0])
    assert "<script>" not in drawn
