"""The parts of a page, and the page that they make: tables that can be sorted, pictures with their legends.

Texts may come from anybody's files: the template escapes them all, and nothing here is marked as safe but drawings.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from mmrl_agents.records.files import in_one_line

MOST_BYTES = 10_000_000
"""Largest page."""
FOR_FILMS = 0.9
"""Share of it that films may take, as text."""


@dataclass(frozen=True)
class PageCell:
    """An entry of a table."""

    text: str
    """To read."""
    key: float | None = None
    """To sort by, in place of the text."""
    drawing: Markup = field(default_factory=Markup)
    """A bar above the text."""


@dataclass(frozen=True)
class PageTable:
    """A table."""

    title: str
    """Above it."""
    columns: Sequence[str]
    """Headings."""
    rows: Sequence[Sequence[PageCell]]
    """Entries under them."""
    note: str = ""
    """Below it."""
    folded: bool = False
    """Whether only those see it who ask for it."""


@dataclass(frozen=True)
class Chart:
    """Lines over an axis with text beside them."""

    title: str
    """Above it."""
    labels: Sequence[str]
    """Of the lines, in the order of the colours; () where one needs no name."""
    drawing: Markup
    """The lines."""
    beside: Sequence[tuple[float, str]]
    """Numbers on the axis that goes up, and how far up each stands, 0 to 1."""
    below: Sequence[tuple[float, str]] = ()
    """Numbers on the axis that goes across, and how far to the right each stands."""


@dataclass(frozen=True)
class EpisodeView:
    """An episode with everything under one cursor."""

    title: str
    """Which it is."""
    facts: str
    """How it went."""
    film: bytes | None
    """The video; None where none is shown."""
    first: bytes
    """Its first frame as JPEG."""
    still: bytes
    """Its last frame as JPEG."""
    panes: Sequence[Chart]
    """Traces over its time."""
    control_hz: float
    """Instants per second."""
    values: Sequence[Sequence[Sequence[float | None]]]
    """For each pane, for each instant, a number for each line."""

    @property
    def instants(self) -> int:
        """How many there are."""
        return len(self.values[0]) if self.values else 0

    def as_json(self) -> Markup:
        """The numbers that the page's script reads."""
        return as_json({"hz": self.control_hz, "panes": self.values})


@dataclass(frozen=True)
class PageSection:
    """A run, or all of them together."""

    title: str
    """Heading."""
    anchor: str
    """To jump to."""
    facts: Sequence[tuple[str, str]] = ()
    """Short entries with their names."""
    notes: Sequence[str] = ()
    """Sentences that the reader must not miss."""
    tables: Sequence[PageTable] = ()
    """Results."""
    charts: Sequence[Chart] = ()
    """Curves."""
    more_charts: Sequence[Chart] = ()
    """Curves that few want to see."""
    episodes: Sequence[EpisodeView] = ()
    """To look at."""
    closing: Sequence[PageTable] = ()
    """Incidents and where everything comes from."""


@dataclass(frozen=True)
class ReportPage:
    """The whole page."""

    title: str
    """Of the document."""
    made: str
    """When, by what."""
    command: str
    """That makes it again."""
    sections: Sequence[PageSection] = field(default_factory=tuple)
    """From the top down."""

    def html(self) -> str:
        """One file that needs no other."""
        here = files(__package__)
        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        environment.filters |= {"data": data_url, "line": in_one_line}
        environment.globals |= {
            "style": Markup(here.joinpath("page.css").read_text()),
            "script": Markup(here.joinpath("page.js").read_text()),
        }
        return environment.from_string(here.joinpath("page.html.j2").read_text()).render(page=self)


def data_url(content: bytes, kind: str) -> str:
    """A file within the page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def as_json(value: Any) -> Markup:
    """JSON that may stand in a script element: no text in it can end that."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
