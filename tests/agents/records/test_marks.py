"""Marks: made by this user's key, and by no other."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmrl_agents.records import marks
from mmrl_agents.records.marks import KeyUnusable, is_marked, is_ours, key_path, mark, marked


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


def test_the_key_is_made_once_for_its_owner_alone(home: Path) -> None:
    first = mark("a kind", b"content")
    path = home / "mmrl" / "key"
    assert key_path() == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert mark("a kind", b"content") == first
    assert os.listdir(path.parent) == ["key"]


def test_another_key_kind_content_or_division_makes_another_mark(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = mark("a kind", b"content")
    assert is_ours(mine, "a kind", b"content")
    assert not is_ours(mine, "other", b"content")
    assert not is_ours(mine, "a kind", b"contents")
    assert not is_ours(mine, "a kind", b"con", b"tent")
    for other in (None, 3, "", mine[:-1], mine.upper(), "\ud800", [mine]):
        assert not is_ours(other, "a kind", b"content")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "other"))
    assert not is_ours(mine, "a kind", b"content")


def test_processes_that_begin_together_have_one_key(home: Path) -> None:
    def fresh(_: int) -> bytes:
        return marks._key_at.__wrapped__(home / "mmrl" / "key")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(fresh, range(32)))) == 1


def test_a_key_that_others_can_read_is_none(home: Path) -> None:
    mine = mark("a kind", b"content")
    (home / "mmrl" / "key").chmod(0o644)
    marks._key_at.cache_clear()
    with pytest.warns(KeyUnusable, match="can be read by others: delete it"):
        assert not is_ours(mine, "a kind", b"content")
    assert is_ours(mark("a kind", b"content"), "a kind", b"content")  # within this process
    marks._key_at.cache_clear()


def test_without_a_place_for_the_key_marks_hold_within_the_process(home: Path) -> None:
    home.write_text("no folder")
    assert is_ours(mark("a kind", b"content"), "a kind", b"content")


def test_a_relative_place_is_ignored_as_the_standard_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert key_path() == tmp_path / ".config" / "mmrl" / "key"


def test_a_document_is_marked_as_a_whole(home: Path) -> None:
    document = marked("a kind", {"b": 1, "a": [0.1, None]})
    assert is_marked("a kind", dict(reversed(document.items())))
    assert not is_marked("a kind", document | {"b": 2})
    assert marked("a kind", document) == document
