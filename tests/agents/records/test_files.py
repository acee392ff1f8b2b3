"""Files that somebody else made: what is not regular, small and of the standard is refused with its name, at once."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mmrl_agents.records.files import (
    MOST_JSON_BYTES,
    UnfitFile,
    append_regular,
    in_one_line,
    parse_line,
    printable,
    read_end,
    read_json,
    read_json_lines,
    read_regular,
)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


ODD: dict[str, Callable[[Path], object]] = {
    "a named pipe": lambda path: os.mkfifo(path),
    "a symbolic link": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "a socket": _socket,
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize(
    "use", [read_regular, read_json, lambda path: read_end(path, 9), lambda path: append_regular(path, b"x")]
)
def test_what_is_no_regular_file_is_named(
    use: Callable[[Path], object], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    ODD[kind](path := Path("it.json"))
    with pytest.raises(UnfitFile, match=rf"it\.json is {kind}, not a regular file"):
        use(path)


def test_a_device_is_never_opened() -> None:
    with pytest.raises(UnfitFile, match="/dev/zero is a device"):
        read_regular(Path("/dev/zero"))


def test_nothing_is_made_behind_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnfitFile, match="log is a symbolic link"):
        append_regular(tmp_path / "log", b"line\n")
    assert not (tmp_path / "elsewhere").exists()


def test_a_log_is_made_and_grows(tmp_path: Path) -> None:
    for line in (b'{"a": 1}\n', b"\xff\n", b'{"a": 2}\n', b'{"a'):
        append_regular(tmp_path / "log", line)
    assert list(read_json_lines(tmp_path / "log")) == [{"a": 1}, {"a": 2}]
    assert read_end(tmp_path / "log", 4) == b'\n{"a'
    assert read_end(tmp_path / "log", 1000) == read_regular(tmp_path / "log")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 64"),
        (b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}", "nested deeper than 64"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested deeper than 64"),
        (b'{"a": NaN}', "not JSON .NaN is no number of JSON"),
        (b'{"a": [-Infinity]}', "-Infinity is no number of JSON"),
        (b'{"a": 1e999}', r"a number is larger than 1\.798e\+308"),
        (b'{"a": 9223372036854775808}', "an integer needs more than 64 bits"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "not JSON"),
        (b'{"a": "\\ud800"}', r"half a character, '\\ud800'"),
        (b'{"\\udfff": 1}', "half a character"),
        ('{"a": 1}'.encode("utf-16"), "not JSON"),
        (b"[]", "not a JSON object but list"),
        (b"", "not JSON"),
    ],
)  # fmt: skip
def test_json_beyond_the_standard_or_the_bounds_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(UnfitFile, match=rf"config\.json: .*{reason}"):
        read_json(path)
    assert parse_line(content) is None


def test_a_document_is_not_read_beyond_its_bound(tmp_path: Path) -> None:
    with (tmp_path / "config.json").open("wb") as stream:
        stream.truncate(MOST_JSON_BYTES + 1)  # which takes no room on the disk
    with pytest.raises(UnfitFile, match=r"config\.json has 16,777,217 bytes, at most 16,777,216 are read"):
        read_json(tmp_path / "config.json")


def test_what_json_may_hold_comes_back(tmp_path: Path) -> None:
    deepest = b"[" * 63 + b"]" * 63
    (tmp_path / "a.json").write_bytes(b'{"n": -9223372036854775808, "x": 1e308, "p": "\\udcff", "d": ' + deepest + b"}")
    document = read_json(tmp_path / "a.json")
    assert document["n"] == -(2**63)
    assert document["p"] == "\udcff"  # a byte in the name of a file, as Python has it


def test_what_a_terminal_would_obey_is_spelled() -> None:
    assert printable("a\x1b]0;mine\x07\n\tb\u202e\ud800ü") == "a\\x1b]0;mine\\x07\n\tb\\u202e\\ud800ü"
    assert in_one_line("a\nb") == "a\\nb"
