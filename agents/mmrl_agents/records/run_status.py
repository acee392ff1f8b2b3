"""The state of a run, in a small file of its folder that outlives the process."""

import dataclasses
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmrl_agents.records.files import overwrite_regular, read_json, write_atomically

RUNNING, FINISHED, INTERRUPTED, FAILED = "running", "finished", "interrupted", "failed"
STATES = (RUNNING, FINISHED, INTERRUPTED, FAILED)


@dataclass(frozen=True)
class RunStatus:
    """The last word of a training process."""

    state: str
    """One of `STATES`."""
    step: int
    """Environment steps at the last checkpoint."""
    total_steps: int
    """Environment steps that were asked for."""
    success_rate: float | None = None
    """Of the last episodes; None where it is not known."""
    reason: str = ""
    """Why it stopped."""
    pid: int = dataclasses.field(default_factory=os.getpid)
    """The process."""
    host: str = dataclasses.field(default_factory=socket.gethostname)
    """The machine it runs on."""
    born: int | None = dataclasses.field(default_factory=lambda: _born(os.getpid()))
    """When the process began, in ticks since the machine did: a process of the same number begins later."""
    written: str = dataclasses.field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    """When this was written, in UTC."""

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"unknown state of a run {self.state!r}; there are {', '.join(STATES)}")

    def present_state(self) -> str:
        """The state now: a run whose process is gone without a word was interrupted."""
        if self.state != RUNNING:
            return self.state
        if self.host != socket.gethostname():
            return f"{RUNNING} on {self.host}"
        return RUNNING if _alive(self.pid) and _born(self.pid) == self.born else INTERRUPTED


def write_status(path: Path, status: RunStatus) -> None:
    """Write the file, atomically as long as the disk has room for a second one."""
    content = (json.dumps(dataclasses.asdict(status), indent=2, allow_nan=False) + "\n").encode()
    try:
        write_atomically(path, lambda stream: stream.write(content))
    except OSError:
        if not os.path.lexists(path):
            raise
        overwrite_regular(path, content)


def read_status(path: Path) -> RunStatus:
    """Read the file; raises ValueError where it is damaged, FileNotFoundError where there is none."""
    try:
        return _checked(read_json(path))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: no status of a run ({error})") from error


_KINDS: Mapping[str, tuple[type, ...]] = {
    "state": (str,),
    "step": (int,),
    "total_steps": (int,),
    "success_rate": (int, float, type(None)),
    "reason": (str,),
    "pid": (int,),
    "host": (str,),
    "born": (int, type(None)),
    "written": (str,),
}


def _checked(document: Mapping[str, Any]) -> RunStatus:
    for name, kinds in _KINDS.items():
        if name not in document or not isinstance(document[name], kinds) or isinstance(document[name], bool):
            raise ValueError(f"{name} is {document.get(name, 'missing')!r}")
    if document["pid"] < 1:  # a group of processes, to the system
        raise ValueError(f"pid is {document['pid']}")
    return RunStatus(**{name: document[name] for name in _KINDS})


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _born(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, where there is such a file."""
    try:
        # The name of the program stands in brackets and may hold anything; field 3 follows the last of them.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
