"""Pages read back, for tests of what a report says."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
from rich.console import Console

from mmrl_agents.watching.report.report import ReportConfig, report
from tests.toys.pictures import Traffic

ENV_ID = "test-report/Traffic-v0"


def registered() -> str:
    """The id of the traffic light: 4 steps of an eighth of a second, of which the last is a success."""
    if ENV_ID not in gym.registry:
        gym.register(ENV_ID, entry_point=Traffic)
    return ENV_ID


class PageReader(HTMLParser):
    """The elements of a page with their attributes, the rows of its tables, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words = ""
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:  # elements such as img have no end
            pass

    def handle_data(self, data: str) -> None:
        if {"script", "style"} & set(self._inside):
            return
        self.words += data
        if {"td", "th"} & set(self._inside):
            self.rows[-1][-1] += data.strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(*runs: Path | str, output: Path, **settings: Any) -> PageReader:
    """The page that `mmrl report` writes."""
    config = ReportConfig(tuple(map(str, runs)), output=output, **settings)
    return PageReader(report(config, Console(file=StringIO())).read_text())


def episodes_in(path: Path) -> list[dict[str, Any]]:
    """The numbers under the cursor of every episode of a page."""
    found = re.findall(r'<script type="application/json">(.*?)</script>', path.read_text(), re.DOTALL)
    return [json.loads(text) for text in found]
