"""The folder of a training run: its config, curves, checkpoints and evaluation.

Torch and TensorBoard are imported with the first checkpoint and the first curve: `mmrl runs` needs neither.
"""

import importlib.metadata
import json
import math
import os
import platform
import re
import shutil
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

from mmrl_agents.records.files import (
    append_regular,
    leftovers,
    parse_line,
    read_json,
    read_regular,
    require_folder,
    require_regular,
    write_atomically,
    write_json,
)
from mmrl_agents.records.lock import FolderLock

if TYPE_CHECKING:
    from mmrl_agents.records.curves import EventFile

_RECORDED = ("mmrl", "torch", "gymnasium", "mujoco", "numpy")
# Modules that decide a result where they are used, and what installs them.
_WHERE_USED = MappingProxyType(
    {
        "pybullet": "pybullet",
        "mujoco_warp": "mujoco-warp",
        "warp": "warp-lang",
        "ale_py": "ale-py",
        "gymnasium_robotics": "gymnasium-robotics",
        "panda_gym": "panda-gym",
        "stable_baselines3": "stable-baselines3",
        "sb3_contrib": "sb3-contrib",
    }
)


class DamagedCheckpoint(UserWarning):
    """A checkpoint was passed over for an older one."""


class NotLogged(UserWarning):
    """The disk had no room for what was to be logged."""


def run_name(env_id: str, agent: str, seed: int, now: datetime) -> str:
    """`PegInsertion-v0_ppo_20250131-142233_s1`."""
    short = re.sub(r"[^A-Za-z0-9.-]+", "-", env_id.rpartition("/")[2])
    return f"{short}_{agent}_{now:%Y%m%d-%H%M%S}_s{seed}"


def library_versions() -> dict[str, str]:
    """Versions that decide a result: trajectories differ between releases of MuJoCo and of the tasks' own physics."""
    from mmrl_envs.physics.version import PHYSICS_VERSION

    used = [name for module, name in _WHERE_USED.items() if module in sys.modules]
    versions = {name: importlib.metadata.version(name) for name in (*_RECORDED, *used)}
    return {"python": platform.python_version(), **versions, "physics": str(PHYSICS_VERSION)}


class RunFolder:
    """A folder of one run. `create` makes one, `open` continues one."""

    def __init__(self, path: Path) -> None:
        """Name the parts of the folder; nothing is read or written."""
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.config_path = path / "config.json"
        self.metrics_path = path / "metrics.jsonl"
        self.evaluation_path = path / "evaluation.json"
        self.status_path = path / "status.json"
        self.contexts_path = path / "contexts.jsonl"
        self.best_path = self.checkpoints / "best.pt"
        self.weights_path = path / "model.safetensors"
        self._lock = FolderLock(path)
        self._starved = False  # the disk was full when something was logged last

    @cached_property
    def _events(self) -> "EventFile":
        from mmrl_agents.records.curves import EventFile

        return EventFile(self.path)

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """Make the folder; raises FileExistsError where it would overwrite something.

        What a process left that was killed before it had written anything is nothing.
        """
        run = cls(path)
        known = {run.checkpoints, run._lock.path, *leftovers(path)}
        if path.exists() and (not path.is_dir() or _holds_more_than(path, known)):
            raise FileExistsError(
                f"{path} exists and is not empty; continue it with --resume {path}, or choose another --run-dir"
            )
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        return run

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run; raises FileNotFoundError where there is none, UnfitFile where a part of it is a link."""
        run = cls(path)
        if not os.path.lexists(run.config_path):
            raise FileNotFoundError(f"{path} is no run folder: it has no config.json")
        require_regular(run.config_path)
        require_folder(run.checkpoints)
        return run

    def claim(self) -> None:
        """Keep other trainings out until `close`, or the end of the process; raises FolderInUse where one is in."""
        self._lock.acquire()

    def close(self) -> None:
        """Let other trainings in."""
        self._lock.release()

    def write_config(self, document: Mapping[str, Any]) -> None:
        """Write config.json."""
        write_json(self.config_path, document)

    def read_config(self) -> dict[str, Any]:
        """Read config.json; raises UnfitFile where it holds no JSON object."""
        return read_json(self.config_path)

    def log(self, step: int, metrics: Mapping[str, float], of_episodes: Collection[str] = ()) -> None:
        """Append one line to metrics.jsonl and the same scalars to TensorBoard, those `of_episodes` under that heading.

        What the disk has no room for is left out, with a `NotLogged` warning where it begins.
        """
        finite = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
        line = json.dumps({"step": step, **finite}, allow_nan=False) + "\n"
        with self._as_far_as_there_is_room():
            append_regular(self.metrics_path, line.encode())
            self._events.log(step, metrics, of_episodes)

    def log_contexts(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Append the episodes of a curriculum to contexts.jsonl, as far as there is room."""
        lines = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
        with self._as_far_as_there_is_room():
            append_regular(self.contexts_path, lines.encode())

    @contextmanager
    def _as_far_as_there_is_room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._starve(error)
        else:
            self._starved = False

    def _starve(self, error: OSError) -> None:
        if not self._starved:
            message = f"{self.path}: {error}; the curves will lack what comes until there is room, training goes on"
            warnings.warn(message, NotLogged, stacklevel=3)
        self._starved = True

    def forget_metrics_after(self, step: int) -> None:
        """Drop the lines of updates that a resumed run does again."""
        for path in (self.metrics_path, self.contexts_path):
            if os.path.lexists(path):
                lines = read_regular(path).splitlines(keepends=True)
                kept = b"".join(line for line in lines if _step_of(line) <= step)
                write_atomically(path, partial(_write, kept))

    def discard_unused(self) -> None:
        """Remove the folder of a run that failed before its first update."""
        if self.metrics_path.exists() or self.list_checkpoints():
            return
        for path in (self.config_path, self.status_path, self.contexts_path, *leftovers(self.path)):
            path.unlink(missing_ok=True)
        self.close()
        with suppress(OSError):  # somebody put something there
            self.checkpoints.rmdir()
            self.path.rmdir()

    def save(self, step: int, state: Mapping[str, Any], *, best: bool, keep: int) -> Path:
        """Write the checkpoint of `step`, copy it to best.pt if asked, drop all but `keep`.

        Nothing is dropped before the new one is in place.
        """
        from mmrl_agents.records.checkpoint import save_checkpoint

        path = self.checkpoints / f"step_{step:09d}.pt"
        save_checkpoint(path, state)
        if best:
            with path.open("rb") as source:
                write_atomically(self.best_path, lambda out: shutil.copyfileobj(source, out))
        for old in self.list_checkpoints()[:-keep]:
            old.unlink()
        return path

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is any, usable or not."""
        return bool(self.list_checkpoints()) or self.best_path.exists()

    @property
    def is_exported(self) -> bool:
        """Whether this is what `mmrl export` writes: weights to act with, and no checkpoint to go on from."""
        return os.path.lexists(self.weights_path) and not self.has_checkpoint

    def list_checkpoints(self) -> list[Path]:
        """Numbered checkpoints, oldest first."""
        return sorted(
            (path for path in self.checkpoints.glob("step_*.pt") if _NUMBERED.match(path.name)), key=_number_of
        )

    def checkpoint(self, which: str | Path) -> Path:
        """The path of "last", "best" or of a file; "best" is "last" until one was chosen."""
        from mmrl_agents.records.checkpoint import CheckpointError

        numbered = self.list_checkpoints()
        if which not in ("last", "best"):
            return Path(which)
        if self.best_path.exists() and (which == "best" or not numbered):
            return self.best_path
        if not numbered:
            raise CheckpointError(f"{self.path}: no checkpoint yet")
        return numbered[-1]

    def load(self, which: str | Path = "last") -> tuple[Path, dict[str, Any]]:
        """The state of "last", "best" or of a file, and where it was found.

        A damaged "last" or "best" is passed over, with a `DamagedCheckpoint` warning, for the newest one that is
        whole. Raises CheckpointError, naming all that were tried, where none is.
        """
        from mmrl_agents.records.checkpoint import CheckpointError, load_checkpoint

        first = self.checkpoint(which)
        if which not in ("last", "best"):
            return first, load_checkpoint(first.resolve())  # which whoever named it may have made a link
        others = [*reversed(self.list_checkpoints()), *([self.best_path] if self.best_path.exists() else [])]
        refused: list[str] = []
        for path in dict.fromkeys([first, *others]):
            try:
                state = load_checkpoint(path)
            except CheckpointError as error:
                refused.append(str(error))
                continue
            if refused:
                message = f"{'; '.join(refused)}. Taking {path} in its place."
                warnings.warn(message, DamagedCheckpoint, stacklevel=2)
            return path, state
        raise CheckpointError(f"{self.path}: no usable checkpoint: {'; '.join(refused)}")

    def tidy(self, resumed_from: Path) -> None:
        """Before a run goes on: remove files half written, and set aside the checkpoints that `load` passed over."""
        for path in (*leftovers(self.path), *leftovers(self.checkpoints)):
            path.unlink(missing_ok=True)
        for path in self.list_checkpoints():
            if resumed_from == self.best_path or _number_of(path) > _number_of(resumed_from):
                path.replace(path.with_suffix(".damaged"))


_NUMBERED = re.compile(r"step_[0-9]{1,18}\.pt\Z")


def _holds_more_than(folder: Path, known: set[Path]) -> bool:
    """Whether there is anything else in the folder, or anything in a folder of it that is known."""
    return any(path not in known or (path.is_dir() and any(path.iterdir())) for path in folder.iterdir())


def _number_of(checkpoint: Path) -> int:
    """The step of a numbered checkpoint; names are not in its order from a billion steps on."""
    return int(checkpoint.stem.removeprefix("step_"))


def _write(content: bytes, stream: IO[bytes]) -> None:
    stream.write(content)


def _step_of(line: bytes) -> float:
    """The step of a line of metrics.jsonl; a line that is damaged or was cut short by a crash sorts behind all."""
    record = parse_line(line) or {}
    try:
        return float(record["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
