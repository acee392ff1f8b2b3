"""`mmrl train --processes` and torchrun from outside: one output, one ^C, one word on what went wrong."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mmrl_agents.machine.launching import IDS
from tests.trainings import json_lines

pytestmark = pytest.mark.slow

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
POLE = ("--num-worlds", "5", "--ppo.num-steps", "16", "--ppo.minibatch-size", "40", "--evaluate-episodes", "0")


def started(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def training(run: Path, *words: str) -> tuple[str, ...]:
    return ("-m", "mmrl_agents", "train", "CartPole-v1", *POLE, "--run-dir", str(run), *words)


def wait_for(holds: Callable[[], bool], seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_two_processes_are_interrupted_and_resumed_as_one(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = started(*training(run, "--processes", "2", "--total-steps", "10000000"))
    wait_for(lambda: (run / "metrics.jsonl").exists())
    second = subprocess.run(
        [sys.executable, "-m", "mmrl_agents", "train", "--resume", str(run), "--processes", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert "is being trained by another process" in second.stderr
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert output.count("resume with:") == output.count("stopped: interrupted") == 1
    assert "Traceback" not in output
    before = json_lines(run / "metrics.jsonl")[-1]["step"]
    resume = ("-m", "mmrl_agents", "train", "--resume", str(run), "--total-steps")
    for count, more in ((1, 400), (2, 800)):
        went_on = started(*resume, str(before + more), "--processes", str(count))
        output, _ = went_on.communicate(timeout=300)
        assert went_on.returncode == 0, output
        assert "new episodes begin" not in output
    steps = [line["step"] for line in json_lines(run / "metrics.jsonl")]
    assert steps == sorted(set(steps))
    assert steps[-1] == before + 800


def test_a_process_that_is_killed_is_named(tmp_path: Path) -> None:
    run, ids = tmp_path / "run", tmp_path / "ids"
    ids.mkdir()
    words = training(run, "--total-steps", "10000000")
    process = started(*TORCHRUN, *words, **{IDS: str(ids)})
    wait_for(lambda: (run / "metrics.jsonl").exists())
    os.kill(int((ids / "1").read_text()), signal.SIGKILL)
    output, _ = process.communicate(timeout=300)
    assert process.returncode
    assert "process 1 of 2 is silent" in output
    assert output.count("resume with:") == 1


def test_what_is_wrong_is_said_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for words, message in (
        (("--num-worlds", "1"), "num_worlds is 1, and each of 2 processes needs one or more"),
        (("--device", "cuda"), "torch sees no CUDA device"),
        (("--ppo.num-steps", "4", "--ppo.minibatch-size", "1"), "leave process 0 of 2 without a part in one of them"),
        (("--agent", "fitted-q"), "trains in one process, and there are 2"),
    ):
        command = (*words, "--processes", "2", "--run-dir", str(run), "--evaluate-episodes", "0")
        process = started("-m", "mmrl_agents", "train", "CartPole-v1", *command)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 2, output
        assert output.count(message) == 1, output
        assert "Traceback" not in output
        assert not run.exists()


def test_processes_that_cannot_meet_say_so_in_a_sentence() -> None:
    place = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "no-such-host.invalid", "MASTER_PORT": "29400"}
    output, _ = started("-m", "mmrl_agents", "train", "CartPole-v1", "--rank-timeout-s", "2", **place).communicate()
    assert output.startswith("error: process 1 of 2 did not meet the others at no-such-host.invalid:29400: ")
    assert "with one --rdzv-endpoint that each can reach" in output.replace("\n", " ")
