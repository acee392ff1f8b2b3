"""Styles of curves."""

from itertools import pairwise

from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from mmrl_agents.records.line_styles import line_style


def grey(colour: str) -> float:
    """Its lightness in print, 0 to 1, by Rec. 709."""
    red, green, blue = to_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_curves_differ_in_colour_and_in_stroke() -> None:
    styles = [line_style(index) for index in range(28)]
    assert len({(style["color"], style["linestyle"]) for style in styles}) == 28
    assert all(a["color"] != b["color"] and a["linestyle"] != b["linestyle"] for a, b in pairwise(styles))
    assert line_style(28) == line_style(0)


def test_curves_are_drawn_and_seen_on_white() -> None:
    for index in range(28):
        style = line_style(index)
        assert Line2D([0, 1], [0, 1], **style).get_linestyle() == style["linestyle"]
        assert grey(style["color"]) < 0.7
