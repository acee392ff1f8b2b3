"""Checkpoints: written atomically, loaded without executing code, refused when damaged.

A checkpoint is a plain `torch.save` archive of tensors and plain Python values. The comment at the end of the archive
holds the SHA-256 of all that stands before it, so that no changed byte goes unnoticed; other readers skip it.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmrl_agents.records.files import MOST_DEPTH, UnfitFile, read_regular, write_atomically

FORMAT = "mmrl-checkpoint"
VERSION = 2
# Version 1 had no digest, only the checksums of the archive's records.
_READABLE = (1, VERSION)
# Of one state, tensors among them: up to some forty a world, and there may be 65,536 worlds.
_MOST_VALUES = 3_000_000

_MARK = b"mmrl sha256 "
# A zip archive ends with the length of its comment, in two bytes, and the comment.
_NO_COMMENT = b"\0\0"
_COMMENT_SIZE = len(_MARK) + 2 * hashlib.sha256().digest_size


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


def load_moments(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the moments that an optimiser has of the gradients, but not its settings: a run may go on with others."""
    today = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, settings in zip(optimizer.param_groups, today, strict=True):
        group.update(settings)


def numpy_tree(value: Any) -> Any:
    """The value with tensors turned into NumPy arrays: what environments saved, as they take it back."""
    if isinstance(value, torch.Tensor):
        return value.cpu().numpy()
    if isinstance(value, Mapping):
        return {key: numpy_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(numpy_tree(item) for item in value)
    return value


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state` to `path` so that the file is either the old one or the whole new one."""
    archive = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, "state": plain(state)}, archive)
    content = _sealed(archive.getvalue())
    write_atomically(path, lambda stream: stream.write(content))


def _sealed(archive: bytes) -> bytes:
    """A zip archive with its digest as comment."""
    if not archive.endswith(_NO_COMMENT):
        raise ValueError("torch.save wrote an archive that has a comment already")
    body = archive[: -len(_NO_COMMENT)] + _COMMENT_SIZE.to_bytes(2, "little")
    return body + _MARK + hashlib.sha256(body).hexdigest().encode()


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state saved at `path`, tensors on `device`; raises CheckpointError on any other file."""
    content = _read(path)
    sealed = _require_whole(path, content)
    try:
        document = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as error:  # what a forged file makes the unpickler stumble over is up to its author
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path}: refused, it holds more than weights: {reason}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of mmrl")
    version, state = document.get("version"), document.get("state")
    if version not in _READABLE or not isinstance(state, dict):
        raise CheckpointError(f"{path}: written in version {version} of the format, this is {VERSION}")
    if version == VERSION and not sealed:
        raise CheckpointError(f"{path}: truncated, its checksum is missing")
    _require_plain(path, state)
    return state


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except UnfitFile as error:
        raise CheckpointError(str(error)) from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error


def _require_whole(path: Path, content: bytes) -> bool:
    """Check the digest, which foreign files lack, and that the archive is complete; says whether there was one."""
    body, comment = content[:-_COMMENT_SIZE], content[-_COMMENT_SIZE:]
    sealed = comment.startswith(_MARK)
    if sealed and comment != _MARK + hashlib.sha256(body).hexdigest().encode():
        raise CheckpointError(f"{path}: damaged, it fails its checksum")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _require_as_large_as_it_looks(path, archive.infolist(), len(content))
            damaged = archive.testzip()
    except CheckpointError:
        raise
    except Exception as error:  # the archive's own numbers may say anything
        raise CheckpointError(f"{path}: truncated or no checkpoint at all ({error})") from error
    if damaged is not None:
        raise CheckpointError(f"{path}: damaged, the record {damaged} fails its checksum")
    return sealed


def _require_as_large_as_it_looks(path: Path, records: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Raise CheckpointError where an archive would unpack to more than its file has; torch compresses nothing."""
    if packed := [record.filename for record in records if record.compress_type != zipfile.ZIP_STORED]:
        raise CheckpointError(f"{path}: refused, its record {packed[0]} is compressed, which torch.save does not do")
    total = sum(record.file_size for record in records)
    if total > size:
        raise CheckpointError(f"{path}: refused, its records have {total:,} bytes in a file of {size:,}")


def _require_plain(path: Path, state: Any) -> None:
    """Walk through a state as often as its readers would, shared parts again and again, and bound that."""
    waiting, count = [(state, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        count += 1
        if depth > MOST_DEPTH or count > _MOST_VALUES:
            raise CheckpointError(
                f"{path}: refused, it is nested deeper than {MOST_DEPTH} or holds more than {_MOST_VALUES:,} values"
            )
        if isinstance(item, Tensor):
            _require_dense(path, item)
        elif isinstance(item, Mapping):
            waiting.extend((part, depth + 1) for pair in item.items() for part in pair)
        elif isinstance(item, list | tuple | set):
            waiting.extend((part, depth + 1) for part in item)


def _require_dense(path: Path, tensor: Tensor) -> None:
    """Raise CheckpointError on a tensor that is not an array of numbers in memory, each of its own."""
    kind = (tensor.is_sparse or tensor.layout != torch.strided) and "sparse"
    kind = kind or (tensor.is_quantized and "quantised") or (tensor.is_complex() and "complex")
    kind = kind or (tensor.is_meta and "empty")
    if kind:
        raise CheckpointError(f"{path}: refused, it holds a {kind} tensor {tuple(tensor.shape)}")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise CheckpointError(f"{path}: refused, a tensor {tuple(tensor.shape)} repeats the numbers it is stored as")


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of weights by name, whichever file and device they are on."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """Turns what a state of unforeseen content makes its reader stumble over into a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise CheckpointError(f"{path}: it does not hold what belongs there ({kind}: {error})") from error


def require_same_senses(
    path: Path, saved: Mapping[str, Mapping[str, Any]], present: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise CheckpointError naming every sense that the environment and the checkpoint disagree on.

    Both map a sense to its description, as `Modality.describe()` gives it. Units and labels count where both have them:
    older checkpoints have none.
    """
    problems = [
        *(f"{name} is missing in the environment" for name in saved if name not in present),
        *(f"{name} is unknown to the checkpoint" for name in present if name not in saved),
    ]
    for name in saved:
        if name in present and (differing := _differing(saved[name], present[name])):
            changes = ", ".join(
                f"{key} {saved[name].get(key)!r} became {present[name].get(key)!r}" for key in differing
            )
            problems.append(f"{name} differs ({changes})")
    if problems:
        raise CheckpointError(f"{path}: the senses do not match: {'; '.join(problems)}")


def _differing(saved: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """Keys of two descriptions of a sense whose values do not agree."""
    unknown = {key for key in ("unit", "labels") if not (saved.get(key) and present.get(key))}
    keys = sorted({*saved, *present} - unknown)
    return [key for key in keys if plain(saved.get(key)) != plain(present.get(key))]
