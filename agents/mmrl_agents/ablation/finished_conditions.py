"""Conditions of an evaluation that are finished, kept in a folder until all of them are."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl_agents.records.checkpoint import leftovers, write_atomically

# An array may have any name, also that of a parameter of numpy.savez.
_PREFIX = "array."


class FinishedConditions:
    """A `mmrl.senses.table.Store` in a folder, of one evaluation: what another one left there is thrown away."""

    def __init__(self, folder: Path, evaluation: Mapping[str, Any]) -> None:
        """`evaluation` is all that the episodes depend on, in plain values."""
        self._folder = folder
        told = json.dumps(evaluation, sort_keys=True, default=str)
        identity = folder / "evaluation.json"
        if not identity.is_file() or identity.read_text() != told:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_atomically(identity, lambda stream: stream.write(told.encode()))
        for path in leftovers(folder):
            path.unlink(missing_ok=True)

    @property
    def count(self) -> int:
        """How many things are kept."""
        return len(list(self._folder.glob("*.npz")))

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Arrays by name; None for what was never put or cannot be read any more."""
        try:
            with np.load(self._path(key), allow_pickle=False) as archive:
                return {name.removeprefix(_PREFIX): archive[name] for name in archive.files}
        except Exception:  # whatever is wrong with the file, the episodes can be played again
            return None

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays by name."""
        named: dict[str, Any] = {f"{_PREFIX}{name}": array for name, array in arrays.items()}
        write_atomically(self._path(key), lambda stream: np.savez(stream, **named))

    def discard(self) -> None:
        """Everything is finished: remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
