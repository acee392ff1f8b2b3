"""Lines that everybody can tell apart, in colour and without."""

from typing import TypedDict

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
"""Told apart by people who do not see all colours: Okabe & Ito 2008, "Color Universal Design"."""
STROKES = ("-", "--", "-.", ":")
"""Told apart where there is no colour at all."""


class LineStyle(TypedDict):
    """Arguments of matplotlib's `plot`."""

    color: str
    linestyle: str


def line_style(index: int) -> LineStyle:
    """The style of the curve of that number: the next one differs in colour and stroke, and 28 are all different."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": STROKES[index % len(STROKES)]}
