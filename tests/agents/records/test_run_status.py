"""The word that a training process leaves, and what it means once the process is gone."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl_agents.records.run_status import STATES, RunStatus, read_status, write_status


@contextmanager
def suppress_refusal() -> Iterator[list[str]]:
    """Collects the message of a ValueError, of which there may be none."""
    said: list[str] = []
    try:
        yield said
    except ValueError as error:
        said.append(str(error))


def test_it_comes_back(tmp_path: Path) -> None:
    status = RunStatus("finished", 64, 128, 0.5, "all steps done")
    write_status(tmp_path / "status.json", status)
    assert read_status(tmp_path / "status.json") == status
    assert os.listdir(tmp_path) == ["status.json"]


def test_a_full_disk_keeps_no_status_from_being_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, write: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path, failed = tmp_path / "status.json", RunStatus("failed", 64, 128)
    write_status(path, RunStatus("running", 64, 128, None, "a word longer than any other"))
    monkeypatch.setattr("mmrl_agents.records.run_status.write_atomically", full)
    write_status(path, failed)
    assert read_status(path) == failed
    with pytest.raises(OSError, match="No space"):
        write_status(tmp_path / "other.json", failed)


def test_a_running_process_is_running() -> None:
    assert RunStatus("running", 0, 1).present_state() == "running"


def test_a_process_that_is_gone_was_interrupted() -> None:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    assert RunStatus("running", 0, 1, pid=int(child.stdout), born=None).present_state() == "interrupted"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to tell when a process began")
def test_another_process_of_the_same_number_is_another() -> None:
    status = RunStatus("running", 0, 1)
    assert status.born is not None
    assert replace(status, born=status.born - 1).present_state() == "interrupted"


def test_a_run_of_another_machine_is_taken_at_its_word() -> None:
    assert RunStatus("running", 0, 1, host="elsewhere").present_state() == "running on elsewhere"


@pytest.mark.parametrize("state", [state for state in STATES if state != "running"])
def test_what_ended_stays_ended(state: str) -> None:
    assert RunStatus(state, 0, 1, pid=1).present_state() == state


def test_an_unknown_state_is_named() -> None:
    with pytest.raises(ValueError, match="unknown state of a run 'lost'; there are running, finished"):
        RunStatus("lost", 0, 1)


@given(
    change=st.dictionaries(
        st.sampled_from(["state", "step", "total_steps", "success_rate", "reason", "pid", "host", "born", "written"]),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just([]),
        max_size=3,
    ),
    gone=st.sampled_from(["", "state", "pid", "born", "step"]),
)
def test_a_damaged_file_is_named_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, change: dict[str, object], gone: str
) -> None:
    path = tmp_path_factory.mktemp("status") / "status.json"
    document = {key: value for key, value in asdict(RunStatus("running", 0, 1)).items() if key != gone} | change
    path.write_text(json.dumps(document))
    with suppress_refusal() as refusal:
        assert isinstance(read_status(path).present_state(), str)
    assert not refusal or "status.json: no status of a run" in refusal[0]


@given(content=st.binary(max_size=60))
def test_bytes_at_random_are_named(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("status") / "status.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"status\.json: no status of a run"):
        read_status(path)
