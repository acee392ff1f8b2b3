"""Conditions of an evaluation that are finished, kept in a folder until all of them are."""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl_agents.records.files import UnfitFile, leftovers, read_regular, require_folder, write_atomically
from mmrl_agents.records.marks import is_ours, mark

# An array may have any name, also that of a parameter of numpy.savez.
_PREFIX = "array."
_KIND = "finished condition"
_MARK_BYTES = 64


class FinishedConditions:
    """A `mmrl.worth.table.Store` in a folder, of one evaluation: what another one left there is thrown away.

    Every file begins with a mark, so that only what this user played himself is taken for played.
    """

    def __init__(self, folder: Path, evaluation: Mapping[str, Any]) -> None:
        """`evaluation` is all that the episodes depend on, in plain values; a `folder` that is a link is refused."""
        require_folder(folder)
        self._folder = folder
        self._identity = json.dumps(evaluation, sort_keys=True, default=str).encode()
        identity = folder / "evaluation.json"
        if _content(identity) != self._identity:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_atomically(identity, lambda stream: stream.write(self._identity))
        for path in leftovers(folder):
            path.unlink(missing_ok=True)

    @property
    def count(self) -> int:
        """How many things are kept."""
        return sum(self._archive(path) is not None for path in self._folder.glob("*.npz"))

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Arrays by name; None for what was never put, was put by somebody else or cannot be read any more."""
        archive = self._archive(self._path(key))
        if archive is None:
            return None
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return {name.removeprefix(_PREFIX): arrays[name] for name in arrays.files}

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        named: dict[str, Any] = {f"{_PREFIX}{name}": array for name, array in arrays.items()}
        archive, path = io.BytesIO(), self._path(key)
        np.savez(archive, **named)
        content = mark(_KIND, self._identity, path.name.encode(), archive.getvalue()).encode() + archive.getvalue()
        write_atomically(path, lambda stream: stream.write(content))

    def discard(self) -> None:
        """Everything is finished: remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _archive(self, path: Path) -> bytes | None:
        content = _content(path) or b""
        given, archive = content[:_MARK_BYTES].decode(errors="replace"), content[_MARK_BYTES:]
        return archive if is_ours(given, _KIND, self._identity, path.name.encode(), archive) else None

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


def _content(path: Path) -> bytes | None:
    """The bytes of a regular file; None where there is none, for the episodes can be played again."""
    try:
        return read_regular(path) if os.path.lexists(path) else None
    except (OSError, UnfitFile):
        return None
