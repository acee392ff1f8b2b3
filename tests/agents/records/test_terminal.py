"""Texts are printed as they were meant, and no output that fails ends anything."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from mmrl_agents.__main__ import start
from mmrl_agents.cli import main
from mmrl_agents.records.terminal import LastingStream, NotPrinted, say
from mmrl_agents.training.interruption import interrupted_once, listening_for_stop

POLE = [
    *("train", "CartPole-v1", "--num-worlds", "2", "--threads", "1", "--device", "cpu", "--total-steps"),
]
SMALL = ["--ppo.num-steps", "16", "--ppo.minibatch-size", "16", "--ppo.epochs", "1"]


class Full(StringIO):
    """A stream on a disk without room."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


class Closed(StringIO):
    """A pipe that nobody reads."""

    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize("name", ["sweep[lr=0.1]", "x[/y]", "[bold]:smile:"])
def test_a_folder_is_printed_to_the_letter(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / name
    assert main([*POLE, "64", *SMALL, "--evaluate-episodes", "2", "--run-dir", str(run)]) == 0
    said = capsys.readouterr().out
    assert f"run folder {run}\n" in said
    assert f"wrote {run}/evaluation.json\n" in said
    assert main(["export", str(run), str(tmp_path / f"given {run.name}")]) == 0
    assert main(["runs", str(run.parent)]) == 0
    printed = capsys.readouterr().out
    assert f"wrote {tmp_path}/given {run.name}\n" in printed
    assert f"\n{run.name} " in printed


def test_markup_of_any_console_is_left_alone() -> None:
    text = StringIO()
    say(Console(file=text, width=20), "x[/red]y [bold]1 :smile: " + 40 * "long ")
    assert text.getvalue() == "x[/red]y [bold]1 :smile: " + 40 * "long " + "\n"


def test_a_terminal_is_given_no_orders() -> None:
    text = StringIO()
    say(Console(file=text), "run \x1b]0;title\x07")
    assert text.getvalue() == "run \\x1b]0;title\\x07\n"


def test_a_stream_that_takes_nothing_is_reported_once_and_ends_nothing() -> None:
    console = Console(file=LastingStream(Full()))
    with pytest.warns(
        NotPrinted, match=r"the output cannot be written \(\[Errno 28\] No space left on device\)"
    ) as warned:
        say(console, "one")
    say(console, "two")  # a warning would be an error here
    assert len(warned) == 1


@pytest.mark.filterwarnings("default::mmrl_agents.records.terminal.NotPrinted")
@pytest.mark.parametrize("command", ["runs", "list"])
def test_a_command_that_only_prints_fails_where_that_is_lost(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [command, str(tmp_path) if command == "runs" else "fusions"]
    assert main(arguments) == 0
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(arguments) == 2
    assert "the output cannot be written" in capsys.readouterr().err


def test_a_reader_that_is_gone_needs_no_word() -> None:
    say(Console(file=LastingStream(Closed())), "one")
    gone = StringIO()
    gone.close()
    say(Console(file=LastingStream(gone)), "one")
    say(Console(file=LastingStream(None)), "one")


def test_what_cannot_be_encoded_is_spelled_out() -> None:
    raw = BytesIO()
    console = Console(file=LastingStream(TextIOWrapper(raw, encoding="ascii")), width=80)
    say(console, "run folder läuf \udcff")
    assert raw.getvalue() == b"run folder l\\xe4uf \\udcff\n"


@contextmanager
def training(tmp_path: Path, stdout: int, stderr: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    run, options = tmp_path / "run", ["--evaluate-episodes", "0", *SMALL]
    command = [sys.executable, "-m", "mmrl_agents", *POLE, "1000000", *options, "--run-dir", str(run)]
    with subprocess.Popen(command, stdout=stdout, stderr=stderr, start_new_session=True) as process:
        try:
            wait_for_updates(run, 3)
            yield process
        finally:
            process.kill()


def wait_for_updates(run: Path, count: int) -> None:
    log, deadline = run / "metrics.jsonl", time.monotonic() + 120
    while not log.exists() or log.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status(tmp_path: Path) -> tuple[str, str]:
    document = json.loads((tmp_path / "run" / "status.json").read_text())
    return document["state"], document["reason"]


@pytest.mark.slow
def test_a_training_outlives_its_terminal_and_ends_by_sighup_saved(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    with training(tmp_path, theirs, theirs) as process:
        os.close(theirs)
        os.close(ours)  # the terminal is gone: writing fails with EIO from here on
        wait_for_updates(tmp_path / "run", (tmp_path / "run" / "metrics.jsonl").read_bytes().count(b"\n") + 20)
        assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 130
    assert status(tmp_path) == ("interrupted", "somebody asked")
    assert list((tmp_path / "run" / "checkpoints").glob("step_*.pt"))


@pytest.mark.slow
def test_a_training_goes_on_where_its_pipe_closes(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with training(tmp_path, writing, subprocess.PIPE) as process:
        os.close(writing)
        os.close(reading)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert status(tmp_path) == ("interrupted", "somebody asked")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_training_goes_on_where_its_log_has_no_room(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full, training(tmp_path, full.fileno(), subprocess.PIPE) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr is not None
        assert process.stderr.read().decode().splitlines() == [
            "warning: the output cannot be written ([Errno 28] No space left on device); going on without"
        ]
    assert status(tmp_path) == ("interrupted", "somebody asked")


def test_sighup_asks_to_stop_unless_it_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever started the tests may ignore it
    try:
        with listening_for_stop() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert stop.asked
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with listening_for_stop() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_only_the_first_interrupt_is_an_exception() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupted_once(for_good=False):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == before


def test_an_interrupt_while_the_command_line_loads_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> None:  # loading it is when ^C comes
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setitem(sys.modules, "mmrl_agents.cli", Interrupted("mmrl_agents.cli"))
    before = signal.getsignal(signal.SIGINT)
    try:
        assert start() == 130
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL  # nothing follows that could be interrupted politely
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == ""


def test_interrupts_during_the_start_leave_no_traceback(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, threading, time\n"
        "from mmrl_agents.cli import main\n"
        "def twice():\n"
        "    for _ in range(3):\n"
        "        time.sleep(0.05); os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=twice).start()\n"
        "sys.exit(main())\n"
    )
    command = [sys.executable, "-c", program, *POLE, "64", "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode in (130, -signal.SIGINT)
