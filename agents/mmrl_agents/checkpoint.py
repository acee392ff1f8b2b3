"""Checkpoints: written atomically, loaded without executing code, refused when damaged.

A checkpoint is a plain `torch.save` archive of tensors and plain Python values.
"""

import os
import pickle
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

FORMAT = "mmrl-checkpoint"
VERSION = 1


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and the reason."""


def plain(value: Any) -> Any:
    """The value with NumPy scalars and arrays turned into Python numbers and tensors.

    `weights_only` loading refuses NumPy objects. Raises TypeError on anything else that is neither
    a tensor nor plain Python, so that a bad value fails when it is saved and not when it is needed.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    if value is None or isinstance(value, bool | int | float | str | torch.Tensor):
        return value
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__}: {value!r}")


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state` to `path` so that the file is either the old one or the whole new one."""
    document = {"format": FORMAT, "version": VERSION, "state": plain(state)}
    write_atomically(path, lambda stream: torch.save(document, stream))


def write_atomically(path: Path, write: Any) -> None:
    """Call `write(binary stream)` on a neighbour of `path`, then move it into place, synced."""
    name = path.parent / f".{path.name}.{secrets.token_hex(8)}"
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


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable; only POSIX can open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state saved at `path`, tensors on `device`; raises CheckpointError on any other file."""
    _require_whole(path)
    try:
        document = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{path}: refused, it holds more than weights: {reason}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of mmrl")
    if document["version"] != VERSION:
        raise CheckpointError(f"{path}: written in version {document['version']} of the format, this is {VERSION}")
    state: dict[str, Any] = document["state"]
    return state


def _require_whole(path: Path) -> None:
    """Check that the archive is complete and that the CRC-32 of every record holds."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise CheckpointError(f"{path}: truncated or no checkpoint at all ({error})") from error
    if damaged is not None:
        raise CheckpointError(f"{path}: damaged, the record {damaged} fails its checksum")


def require_same_senses(
    path: Path, saved: Mapping[str, Mapping[str, Any]], present: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise CheckpointError naming every sense that the environment and the checkpoint disagree on.

    Both map a sense to its description, as `Modality.describe()` gives it.
    """
    problems = [
        *(f"{name} is missing in the environment" for name in saved if name not in present),
        *(f"{name} is unknown to the checkpoint" for name in present if name not in saved),
    ]
    for name in saved:
        if name in present and plain(saved[name]) != plain(present[name]):
            keys = sorted({*saved[name], *present[name]})
            differing = [key for key in keys if saved[name].get(key) != present[name].get(key)]
            changes = ", ".join(
                f"{key} {saved[name].get(key)!r} became {present[name].get(key)!r}" for key in differing
            )
            problems.append(f"{name} differs ({changes})")
    if problems:
        raise CheckpointError(f"{path}: the senses do not match: {'; '.join(problems)}")
