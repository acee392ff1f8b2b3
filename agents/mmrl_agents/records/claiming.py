"""Taking a run folder for one training alone."""

import os
import time
import warnings

from mmrl_agents.machine.launching import torchrun_job
from mmrl_agents.records.files import UnfitFile, read_json
from mmrl_agents.records.lock import FolderInUse
from mmrl_agents.records.run_status import RUNNING, RunStatus, read_status
from mmrl_agents.records.runs import RunFolder

JOB = "torchrun_job"
"""The entry of config.json that names the torchrun job in which a training last began or went on."""
QUIET_S = 600.0
"""Seconds without a line of metrics after which a training on another machine is taken for dead."""


class TakenForDead(UserWarning):
    """A run goes on whose status says that it is running on another machine."""


def claim(run: RunFolder) -> None:
    """Keep other trainings out of the folder until it is closed.

    Raises FolderInUse where one is in, or may well be: a lock need not reach from one machine to another.
    """
    status = _status(run)
    try:
        run.claim()
    except FolderInUse as error:
        by = f" ({status.pid} on {status.host})" if status is not None and status.state == RUNNING else ""
        raise FolderInUse(f"{error}{by}; stop that one first") from None
    try:
        if status is not None:
            _require_ended(run, status)
    except BaseException:
        run.close()
        raise


def _status(run: RunFolder) -> RunStatus | None:
    try:
        return read_status(run.status_path)
    except (ValueError, OSError):  # without a word from it there is nothing to respect
        return None


def _require_ended(run: RunFolder, status: RunStatus) -> None:
    state = status.present_state()
    if state == RUNNING and status.pid != os.getpid():  # there may be no locks here; in one process they suffice
        raise FolderInUse(f"{run.path} is being trained by process {status.pid}; stop that one first")
    if state != f"{RUNNING} on {status.host}":
        return
    if began_in_this_job(run):
        return  # which lost that machine and started this process in its place
    quiet = _quiet_s(run)
    if quiet < QUIET_S:
        raise FolderInUse(
            f"{run.path} is {state}, where something was written {quiet:.0f} s ago; stop that one first, or wait until "
            f"it has been quiet for {QUIET_S / 60:.0f} minutes"
        )
    text = f"{run.path} is {state} by its status, but has been quiet for {quiet / 60:.0f} minutes: taken for dead"
    warnings.warn(text, TakenForDead, stacklevel=2)


def began_in_this_job(run: RunFolder) -> bool:
    """Whether the torchrun job of this process, which then starts it anew, began the training in a folder."""
    job = torchrun_job()
    if job is None:
        return False
    try:
        return read_json(run.config_path).get(JOB) == job
    except (FileNotFoundError, NotADirectoryError, UnfitFile):  # nothing was begun, or it is refused elsewhere
        return False


def _quiet_s(run: RunFolder) -> float:
    """Seconds since the training wrote anything."""
    written = [path.stat().st_mtime for path in (run.status_path, run.metrics_path) if path.exists()]
    return time.time() - max(written, default=0.0)
