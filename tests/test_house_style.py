"""House style that no linter checks: the first word of a docstring, the length of a file."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("mmrl", "envs/mmrl_envs", "agents/mmrl_agents", "benchmarks")
MOST_LINES = {**dict.fromkeys(SOURCES, 300), "tests": 400}
"""Lines of a file, by the folder that it is in."""


def files_in(folder: str) -> Iterator[tuple[str, str]]:
    """Path and text of every Python file."""
    return ((str(path.relative_to(ROOT)), path.read_text()) for path in sorted((ROOT / folder).rglob("*.py")))


@pytest.mark.parametrize("folder", SOURCES)
def test_no_docstring_begins_with_what(folder: str) -> None:
    """A docstring says what a thing is: it begins with a noun or a verb."""
    pattern = re.compile(r'^\s*r?"""\s?What\b.*', re.MULTILINE)
    assert [f"{path}: {line}" for path, text in files_in(folder) for line in pattern.findall(text)] == []


@pytest.mark.parametrize(("folder", "most"), MOST_LINES.items())
def test_no_file_is_too_long_to_read(folder: str, most: int) -> None:
    lengths = {path: len(text.splitlines()) for path, text in files_in(folder)}
    assert {path: length for path, length in lengths.items() if length > most} == {}
