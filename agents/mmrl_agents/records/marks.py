"""Marks: how a user's own installation knows again what it wrote.

A mark is a keyed digest (HMAC, RFC 2104) of some content, with a key that lies in the user's own configuration folder
and leaves it never. Nobody else can make one, and a changed content has another. It says who wrote something, not that
it is true, and to anybody else it says nothing.
"""

import hashlib
import hmac
import json
import os
import secrets
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmrl_agents.records.files import UnfitFile, read_regular

EVALUATION = "evaluation"
"""The kind of what `mmrl evaluate` writes."""
FIELD = "mark"
"""Where a JSON document has its mark."""
_KEY_BYTES = 32


class KeyUnusable(UserWarning):
    """The key lies where others can read it."""


def key_path() -> Path:
    """Where the key is, by the XDG Base Directory Specification; it is made when it is first needed."""
    given = os.environ.get("XDG_CONFIG_HOME", "")
    # Relative ones are to be ignored.
    folder = Path(given) if os.path.isabs(given) else Path.home() / ".config"
    return folder / "mmrl" / "key"


def mark(kind: str, *content: bytes) -> str:
    """The mark of some content; `kind` says what it is, so that no content passes for one of another kind."""
    digest = hmac.new(_key(), digestmod=hashlib.sha256)
    for part in (kind.encode(), *content):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def is_ours(given: object, kind: str, *content: bytes) -> bool:
    """Whether `given` is the mark that this user makes of the content."""
    return isinstance(given, str) and hmac.compare_digest(
        given.encode("utf-8", "replace"), mark(kind, *content).encode()
    )


def canonical(value: Any) -> bytes:
    """JSON values as bytes that are the same however they were written."""
    plain = json.loads(json.dumps(value))  # keys are text from here on, and tuples lists
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def marked(kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON document with the mark of all of it."""
    bare = {key: value for key, value in document.items() if key != FIELD}
    return {**bare, FIELD: mark(kind, canonical(bare))}


def is_marked(kind: str, document: Mapping[str, Any]) -> bool:
    """Whether this user wrote the document, and nobody changed it since."""
    bare = {key: value for key, value in document.items() if key != FIELD}
    return is_ours(document.get(FIELD), kind, canonical(bare))


def _key() -> bytes:
    try:
        path = key_path()
    except RuntimeError:  # nobody knows the user's folder
        return _of_this_process()
    return _key_at(path)


@cache
def _key_at(path: Path) -> bytes:
    """The key there, made where there is none; one for this process alone where neither can be."""
    try:
        if not os.path.lexists(path):
            _make(path)
        return _read(path)
    except UnfitFile as error:
        warnings.warn(f"{error}; marks are good for this process alone", KeyUnusable, stacklevel=2)
    except OSError:  # no folder that can be written: what needs a mark is allowed with --trust
        pass
    return _of_this_process()


@cache
def _of_this_process() -> bytes:
    return secrets.token_bytes(_KEY_BYTES)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
        os.link(new, path)  # whole from the start; fails where another process was faster
    except FileExistsError:
        pass
    finally:
        new.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    key = read_regular(path, _KEY_BYTES)
    if len(key) != _KEY_BYTES:
        raise UnfitFile(f"{path} has {len(key)} bytes, not {_KEY_BYTES}: delete it, and another is made")
    if path.stat().st_mode & 0o077:
        raise UnfitFile(f"{path} can be read by others: delete it, and another is made")
    return key
