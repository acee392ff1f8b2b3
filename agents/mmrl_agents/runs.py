"""The folder of a training run: its config, curves, checkpoints and evaluation."""

import importlib.metadata
import json
import math
import platform
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from mmrl_agents.checkpoint import CheckpointError, save_checkpoint, write_atomically

_RECORDED = ("mmrl", "torch", "gymnasium", "mujoco", "numpy")


def run_name(env_id: str, agent: str, seed: int, now: datetime) -> str:
    """`PegInsertion-v0_ppo_20250131-142233_s1`."""
    short = re.sub(r"[^A-Za-z0-9.-]+", "-", env_id.rpartition("/")[2])
    return f"{short}_{agent}_{now:%Y%m%d-%H%M%S}_s{seed}"


def library_versions() -> dict[str, str]:
    """Versions that decide a result: contact trajectories differ between releases of MuJoCo."""
    versions = {name: importlib.metadata.version(name) for name in _RECORDED}
    return {"python": platform.python_version(), **versions}


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file atomically."""
    text = json.dumps(document, indent=2) + "\n"
    write_atomically(path, lambda stream: stream.write(text.encode()))


class RunFolder:
    """A folder of one run. `create` makes one, `open` continues one."""

    def __init__(self, path: Path) -> None:
        """Name the parts of the folder; nothing is read or written."""
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.config_path = path / "config.json"
        self.metrics_path = path / "metrics.jsonl"
        self.evaluation_path = path / "evaluation.json"
        self.best_path = self.checkpoints / "best.pt"
        self._writer: SummaryWriter | None = None

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """Make the folder; raises FileExistsError where it would overwrite something."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FileExistsError(
                f"{path} exists and is not empty; continue it with --resume {path}, or choose another --run-dir"
            )
        run = cls(path)
        run.checkpoints.mkdir(parents=True)
        return run

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run; raises FileNotFoundError where there is none."""
        run = cls(path)
        if not run.config_path.is_file():
            raise FileNotFoundError(f"{path} is no run folder: it has no config.json")
        return run

    def write_config(self, document: Mapping[str, Any]) -> None:
        """Write config.json."""
        write_json(self.config_path, document)

    def read_config(self) -> dict[str, Any]:
        """Read config.json."""
        try:
            document: dict[str, Any] = json.loads(self.config_path.read_text())
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.config_path}: not JSON ({error})") from error
        return document

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one line to metrics.jsonl and the same scalars to TensorBoard."""
        if self._writer is None:
            self._writer = SummaryWriter(str(self.path), purge_step=step)
        finite = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
        with self.metrics_path.open("a") as stream:
            stream.write(json.dumps({"step": step, **finite}) + "\n")
        for key, value in metrics.items():
            self._writer.add_scalar(key, value, step)

    def forget_metrics_after(self, step: int) -> None:
        """Drop the lines of updates that a resumed run does again."""
        if not self.metrics_path.exists():
            return
        lines = self.metrics_path.read_text().splitlines(keepends=True)
        kept = "".join(line for line in lines if _step_of(line) <= step)
        write_atomically(self.metrics_path, lambda stream: stream.write(kept.encode()))

    def discard_unused(self) -> None:
        """Remove the folder of a run that failed before its first update."""
        if self.metrics_path.exists() or self.list_checkpoints():
            return
        self.config_path.unlink(missing_ok=True)
        self.checkpoints.rmdir()
        self.path.rmdir()

    def close(self) -> None:
        """Flush and close the TensorBoard file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def save(self, step: int, state: Mapping[str, Any], *, best: bool, keep: int) -> Path:
        """Write the checkpoint of `step`, copy it to best.pt if asked, drop all but `keep`."""
        path = self.checkpoints / f"step_{step:09d}.pt"
        save_checkpoint(path, state)
        if best:
            with path.open("rb") as source:
                write_atomically(self.best_path, lambda out: shutil.copyfileobj(source, out))
        for old in self.list_checkpoints()[:-keep]:
            old.unlink()
        return path

    def list_checkpoints(self) -> list[Path]:
        """Numbered checkpoints, oldest first."""
        return sorted(self.checkpoints.glob("step_*.pt"))

    def checkpoint(self, which: str | Path) -> Path:
        """The path of "last", "best" or of a file; "best" is "last" until one was chosen."""
        numbered = self.list_checkpoints()
        if which not in ("last", "best"):
            return Path(which)
        if which == "best" and self.best_path.exists():
            return self.best_path
        if not numbered:
            raise CheckpointError(f"{self.path}: no checkpoint yet")
        return numbered[-1]


def _step_of(line: str) -> float:
    """The step of a line of metrics.jsonl; a line cut short by a crash sorts behind all."""
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError):
        return math.inf
