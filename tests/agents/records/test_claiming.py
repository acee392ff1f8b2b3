"""One folder, one training: a lock that ends with its process, and the word of another machine."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mmrl_agents.records.claiming import JOB, QUIET_S, TakenForDead, claim
from mmrl_agents.records.files import UnfitFile, write_json
from mmrl_agents.records.lock import FolderInUse, FolderLock
from mmrl_agents.records.run_status import RunStatus, write_status
from mmrl_agents.records.runs import RunFolder

HOLDER = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from mmrl_agents.records.lock import FolderLock\n"
    "FolderLock(Path(sys.argv[1])).acquire()\n"
    "print('taken', flush=True)\n"
    "time.sleep(600)\n"
)


def test_a_lock_keeps_others_out_until_it_is_released(tmp_path: Path) -> None:
    mine, yours = FolderLock(tmp_path), FolderLock(tmp_path)
    mine.acquire()
    mine.acquire()  # it has it already
    with pytest.raises(FolderInUse, match=f"{tmp_path} is being trained by another process"):
        yours.acquire()
    mine.release()
    assert os.listdir(tmp_path) == []
    yours.acquire()
    with pytest.raises(FolderInUse):
        mine.acquire()
    yours.release()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"taken\n"
        with pytest.raises(FolderInUse):
            FolderLock(tmp_path).acquire()
        holder.send_signal(signal.SIGKILL)
    FolderLock(tmp_path).acquire()


def test_a_lock_whose_file_was_removed_while_it_was_taken_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    flock, holder = fcntl.flock, FolderLock(tmp_path)
    holder.acquire()

    def late(descriptor: int, how: int) -> None:  # the holder ends between opening and locking
        monkeypatch.undo()
        holder.release()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    mine = FolderLock(tmp_path)
    mine.acquire()
    with pytest.raises(FolderInUse):
        FolderLock(tmp_path).acquire()
    assert mine.path.exists()


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_what_is_no_file_is_no_lock(kind: str, tmp_path: Path) -> None:
    run, target = tmp_path / "run", tmp_path / "target"
    run.mkdir()
    if kind == "pipe":
        os.mkfifo(run / ".lock")
    elif kind == "folder":
        (run / ".lock").mkdir()
    else:
        (run / ".lock").symlink_to(target)
    if kind == "link":
        target.touch()
    before = target.exists()
    with pytest.raises(UnfitFile, match="not a regular file"):
        FolderLock(run).acquire()
    assert target.exists() == before


def claimed(tmp_path: Path, status: RunStatus | None, quiet: float = 0.0) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir(exist_ok=True)
    if status is not None:
        write_status(run.status_path, status)
        then = run.status_path.stat().st_mtime - quiet
        os.utime(run.status_path, (then, then))
    claim(run)
    return run


def test_a_second_training_learns_who_holds_the_folder(tmp_path: Path) -> None:
    first = claimed(tmp_path, None)
    write_status(first.status_path, RunStatus("running", 0, 1))
    who = f"{os.getpid()} on {socket.gethostname()}"
    with pytest.raises(FolderInUse, match=rf"is being trained by another process \({who}\); stop that one first"):
        claim(RunFolder(first.path))
    first.close()
    claim(RunFolder(first.path))  # that a process says of itself is not believed without the lock


def test_a_process_that_runs_is_believed_without_a_lock(tmp_path: Path) -> None:
    parent = RunStatus("running", 0, 1, pid=os.getppid(), born=_born(os.getppid()))
    with pytest.raises(FolderInUse, match=f"is being trained by process {os.getppid()}; stop that one first"):
        claimed(tmp_path, parent)
    claimed(tmp_path, replace(parent, born=0)).close()  # an earlier process of that number


def _born(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return None


def test_another_machine_is_left_alone_until_it_is_quiet(tmp_path: Path) -> None:
    elsewhere = RunStatus("running", 0, 1, host="elsewhere")
    with pytest.raises(FolderInUse, match=r"is running on elsewhere, where .* 0 s ago; .* quiet for 10 minutes"):
        claimed(tmp_path, elsewhere)
    with pytest.warns(TakenForDead, match="running on elsewhere by its status, but has been quiet for 11 minutes"):
        run = claimed(tmp_path, elsewhere, quiet=QUIET_S + 60)
    run.close()
    run.metrics_path.write_text("{}\n")  # a sign of life
    with pytest.raises(FolderInUse):
        claimed(tmp_path, elsewhere, quiet=QUIET_S + 60)
    run.metrics_path.unlink()
    claimed(tmp_path, RunStatus("interrupted", 0, 1, host="elsewhere")).close()


def test_a_torchrun_job_need_not_wait_for_its_own_lost_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    elsewhere = RunStatus("running", 0, 1, host="elsewhere")
    (tmp_path / "run").mkdir()
    write_json(RunFolder(tmp_path / "run").config_path, {JOB: "night"})
    for job in ("morning", "none"):
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", job)
        with pytest.raises(FolderInUse, match="is running on elsewhere"):
            claimed(tmp_path, elsewhere)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "night")
    claimed(tmp_path, elsewhere).close()


def test_a_folder_that_an_ended_process_locked_is_empty(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / "checkpoints").mkdir()
    RunFolder.create(tmp_path)
