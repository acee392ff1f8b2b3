"""Files of a folder that anybody may have made: read where they are regular and small enough, never written through.

A link, a pipe or a device under the name of a file is refused before it is opened, so that nothing hangs, nothing
outside the folder is read or written, and no memory is filled. JSON is read as its standard has it.
"""

import io
import json
import math
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

MOST_BYTES = 1 << 34
"""Largest file that is read at all; a larger one does not fit into the memory of most machines."""
MOST_JSON_BYTES = 1 << 24
"""Largest JSON document; a config has thousands of bytes, an evaluation tens of thousands."""
MOST_LINE_BYTES = 1 << 20
"""Longest line of a log of JSON lines."""
MOST_DEPTH = 64
"""Deepest nesting of lists and objects."""
MOST_INTEGER = 1 << 63
"""Integers of JSON lie below it, and not below its negative: those that arrays can hold."""

# Surrogates without their other half, but for those that stand for the bytes of a file's name.
_HALF_A_CHARACTER = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


_UNFINISHED = ".unfinished-"


class UnfitFile(ValueError):
    """A file that is not read or written to; the message names it and says why."""


def require_regular(path: Path) -> None:
    """Raise UnfitFile where `path` is a link, a pipe or a device; FileNotFoundError where it is nothing."""
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind != stat.S_IFREG:
        raise UnfitFile(f"{path} is {_KINDS.get(kind, 'no file')}, not a regular file; put the file itself there")


def require_folder(folder: Path) -> None:
    """Raise UnfitFile where `folder` is there and is none, a link among them: what is written there lands elsewhere."""
    kind = stat.S_IFMT(folder.lstat().st_mode) if os.path.lexists(folder) else stat.S_IFDIR
    if kind != stat.S_IFDIR:
        raise UnfitFile(f"{folder} is {_KINDS.get(kind, 'a file')}, not a folder; put the folder itself there")


def read_regular(path: Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file of at most `most`; raises UnfitFile on anything else, OSError as the system does."""
    with _opened(path, os.O_RDONLY, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > most:
            raise UnfitFile(f"{path} has {size:,} bytes, at most {most:,} are read")
        content: bytes = stream.read(size)
        return content


def read_end(path: Path, most: int) -> bytes:
    """The last bytes of a regular file, `most` or all of them; raises as `read_regular`."""
    with _opened(path, os.O_RDONLY, "rb") as stream:
        stream.seek(max(stream.seek(0, os.SEEK_END) - most, 0))
        content: bytes = stream.read(most)
        return content


def append_regular(path: Path, content: bytes) -> None:
    """Add all of `content` to the end of a regular file, or make it, or nothing at all.

    Raises UnfitFile on a link, a pipe or a device, OSError as the system does.
    """
    made = not os.path.lexists(path)
    with _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, "ab") as stream:
        length = os.fstat(stream.fileno()).st_size
        try:
            _write_all(stream.fileno(), content)
        except OSError:
            os.ftruncate(stream.fileno(), length)
            if made:
                path.unlink()
            raise


def overwrite_regular(path: Path, content: bytes) -> None:
    """Put `content` into a regular file that there is, without asking the disk for more room than a block has.

    Not atomic: for the last word on a full disk. Raises UnfitFile on a link, a pipe or a device.
    """
    with _opened(path, os.O_WRONLY, "r+b") as stream:
        _write_all(stream.fileno(), content)
        os.ftruncate(stream.fileno(), len(content))


def _write_all(descriptor: int, content: bytes) -> None:
    """Write past Python's buffer, which would keep what a full disk refused and try again when it is closed."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _opened(path: Path, flags: int, mode: str) -> IO[Any]:
    """The file, which is still regular once it is open: nobody can put a link there in between."""
    if not flags & os.O_CREAT or os.path.lexists(path):
        require_regular(path)
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnfitFile(f"{path} is not a regular file; put the file itself there")
    return os.fdopen(descriptor, mode)


def write_atomically(path: Path, write: Any) -> None:
    """Call `write(binary stream)` on a neighbour of `path`, then move it into place, synced.

    Whatever goes wrong, a full disk among it, `path` keeps what it held and the neighbour is gone; only a killed
    process leaves one, named as `leftovers` finds it.
    """
    name = unfinished(path)
    try:
        # Not through tempfile, whose files only their owner may read.
        with name.open("xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def unfinished(path: Path) -> Path:
    """A new name beside `path` for what is to become it, which nobody can have put a link under."""
    return path.with_name(f".{path.name}{_UNFINISHED}{secrets.token_hex(8)}")


def require_place(path: Path) -> None:
    """Make the folder of a file that is to be written later; raises OSError now where none can be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = unfinished(path)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; choose another place with --output", str(path)) from error


def leftovers(folder: Path) -> list[Path]:
    """Files that a process was killed over while it wrote them."""
    return sorted(folder.glob(f".*{_UNFINISHED}*"))


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable; only POSIX can open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file atomically; ValueError for numbers that are not finite, and all else that is not read again."""
    try:
        text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    except ValueError as error:
        raise ValueError(f"{path} cannot be written, a number in it is not finite: {error}") from error
    parse_json(text.encode(), f"{path} cannot be written")
    write_atomically(path, lambda stream: stream.write(text.encode()))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raises UnfitFile where the file holds none, or one beyond the bounds of this module."""
    document = parse_json(read_regular(path, MOST_JSON_BYTES), str(path))
    if not isinstance(document, dict):
        raise UnfitFile(f"{path}: not a JSON object but {type(document).__name__}")
    return document


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects in a log, one a line; lines cut short by a crash or damaged are left out."""
    for line in io.BytesIO(read_regular(path)):
        record = parse_line(line)
        if record is not None:
            yield record


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None where it holds none."""
    if len(line) > MOST_LINE_BYTES:
        return None
    try:
        record = parse_json(line, "line")
    except UnfitFile:
        return None
    return record if isinstance(record, dict) else None


def parse_json(content: bytes, name: str) -> Any:
    """The value of a JSON text; raises UnfitFile, beginning with `name`, on what the standard or the bounds forbid."""
    try:
        value = json.loads(content.decode(), parse_constant=_refuse_constant)
        _require_bounded(value)
    except RecursionError:
        raise UnfitFile(f"{name}: nested deeper than {MOST_DEPTH} lists or objects") from None
    except ValueError as error:  # no JSON, or no text at all
        raise UnfitFile(f"{name}: not JSON ({error})") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _require_bounded(value: Any) -> None:
    """Walk through all of it, without recursion of our own."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise RecursionError
        if isinstance(item, dict):
            waiting.extend((part, depth + 1) for pair in item.items() for part in pair)
        elif isinstance(item, list):
            waiting.extend((part, depth + 1) for part in item)
        else:
            _require_plain(item)


def _require_plain(item: Any) -> None:
    if isinstance(item, float) and not math.isfinite(item):
        raise ValueError(f"a number is larger than {sys.float_info.max:.4g}")
    if isinstance(item, int) and not -MOST_INTEGER <= item < MOST_INTEGER:
        raise ValueError("an integer needs more than 64 bits")
    if isinstance(item, str) and _HALF_A_CHARACTER.search(item):
        raise ValueError(f"half a character, {item!r}")


_LINES = ("\n", "\t")


def printable(text: str) -> str:
    """The text with what a terminal would obey, or cannot show, as Python spells it in a string.

    Lines and tabs stay, so that messages keep their form; use `in_one_line` for names.
    """
    return "".join(letter if letter in _LINES else in_one_line(letter) for letter in text)


def in_one_line(text: str) -> str:
    """As `printable`, line ends and tabs among what is spelled."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
