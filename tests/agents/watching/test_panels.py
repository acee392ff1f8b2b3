"""Panels of curves: axes, legends and numbers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageColor

from mmrl_agents.watching.panels import COLOURS, FRAME, HEIGHT, LABEL, PAPER, WIDTH, Trace, draw_panels, nice_bounds


def test_nice_bounds_by_hand() -> None:
    assert nice_bounds(-3, 17) == (-5, 20)
    assert nice_bounds(2, 6) == (0, 10)
    assert nice_bounds(-0.02, -0.01) == (-0.02, 0)
    assert nice_bounds(0, 0) == (0, 0)
    assert nice_bounds(-5e-324, 5e-324) == (-5e-324, 5e-324)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_nice_bounds_hold_the_values_and_waste_little(one: float, two: float) -> None:
    low, high = min(one, two), max(one, two)
    nice_low, nice_high = nice_bounds(low, high)
    slack = 1e-6 * max(abs(low), abs(high))
    assert nice_low <= low + slack
    assert high <= nice_high + slack
    # Neighbours in 1, 2, 5, 10 are at most 2.5 times apart.
    assert nice_high <= 2.5 * max(high, 0) * (1 + 1e-6)


def panel(labels: tuple[str, ...], bounds: tuple[float, float], now: float = 0.0, **options: Any) -> NDArray[np.uint8]:
    """The panel of a trace beside its legend, in a canvas of 240 pixels by all that is below the top."""
    trace = Trace("p", labels, np.array([-1.0, 0.0]), np.full((2, max(1, len(labels))), now), bounds, 2.0, **options)
    canvas = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw_panels(canvas, [trace], (WIDTH - 240, 0), columns=1, aside=True)
    return np.asarray(canvas)


def ink(pixels: NDArray[np.uint8], colour: str) -> int:
    return int((pixels == ImageColor.getrgb(colour)).all(axis=2).sum())


def test_a_legend_beside_the_plot_marks_the_component_chosen() -> None:
    none, second = panel(("a", "b"), (0, 1)), panel(("a", "b"), (0, 1), chosen=1)
    assert ink(second, COLOURS[0]) == ink(none, COLOURS[0])
    assert ink(second, COLOURS[1]) == ink(none, COLOURS[1]) + 36  # a square of 6 pixels


def test_the_plot_stays_where_it_is_whatever_the_numbers() -> None:
    frames = [np.argwhere((panel(("a",), (-20, 5), now) == ImageColor.getrgb(FRAME)).all(axis=2)) for now in (-17, 3.5)]
    np.testing.assert_array_equal(*frames)


def test_a_number_is_shown_only_of_what_was_read() -> None:
    shown, absent, unread = (
        panel((), (0, 1), 0.5),
        panel((), (0, 1), 0.5, plugged=False),
        panel((), (0, 1), float("nan")),
    )
    right = slice(WIDTH - 60, None)
    assert (shown[:, right] != 255).any(axis=2).sum() > (absent[:, right] != 255).any(axis=2).sum()
    assert ink(absent, COLOURS[0]) == ink(unread, COLOURS[0]) == 0


@pytest.mark.parametrize(("traces", "above"), [(8, True), (1, False)])
def test_a_legend_too_tall_for_its_panel_stands_above(traces: int, above: bool) -> None:
    # Eight rows of 15 pixels need 120; of eight panels each has 540 // 8 - 16 = 51.
    canvases = []
    for labels in ("EFHIKLMN", "NMLKIHFE"):
        trace = Trace("p", tuple(labels), np.array([-1.0, 0.0]), np.zeros((2, 8)), (0, 1), 2.0)
        canvas = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        draw_panels(canvas, [trace] * traces, (WIDTH - 240, 0), columns=1, aside=True)
        canvases.append(np.asarray(canvas))
    changed = np.argwhere((canvases[0] != canvases[1]).any(axis=2))[:, 0]
    on_title_line = changed % (HEIGHT // traces) < LABEL
    assert on_title_line.all() if above else not on_title_line.any()
    assert changed.size > 0
