"""Two processes of which a random one is killed again and again, under torchrun that starts them anew."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmrl_agents.machine.launching import IDS
from mmrl_agents.records.checkpoint import load_checkpoint
from tests.comparing import assert_same
from tests.trainings import json_lines

pytestmark = pytest.mark.slow

KILLS, STEPS = 20, 40_000
POLE = ("CartPole-v1", "--num-worlds", "5", "--ppo.num-steps", "16", "--ppo.minibatch-size", "40")
OFTEN = ("--evaluate-episodes", "0", "--checkpoint-every-minutes", "0.005", "--device", "cpu", "--threads", "1")
LONGEST_WAIT_S = 1800.0
OF_THE_CLOCK = ("seconds", "steps_per_second", "collect_seconds", "update_seconds", "wall_time_s")


@contextmanager
def torchrun(run: Path, log: Path, ids: Path, restarts: int) -> Iterator[subprocess.Popen[bytes]]:
    """Two processes, which end with the test."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = ["-m", "mmrl_agents", "train", *POLE, *OFTEN, "--total-steps", str(STEPS), "--run-dir", str(run)]
    command = [sys.executable, *launcher, "--max-restarts", str(restarts), *words]
    ids.mkdir()
    with log.open("wb") as stream:
        environment = {**os.environ, IDS: str(ids)}
        with subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment) as process:
            try:
                yield process
            finally:
                process.terminate()


def next_life(ids: Path, run: Path, before: set[int], process: subprocess.Popen[bytes]) -> list[int]:
    """The process ids of two ranks that are not those `before`, once they have trained a little."""
    lines, pids = 0, list[int]()
    end = time.monotonic() + LONGEST_WAIT_S
    while True:
        assert time.monotonic() < end
        assert process.poll() is None
        texts = [path.read_text() for path in sorted(ids.iterdir())]
        if len(texts) == 2 and all(texts) and not before & {int(text) for text in texts}:
            written = len(run.read_bytes().splitlines()) if run.exists() else 0
            lines = lines if pids else written  # as the last life left it
            pids = [int(text) for text in texts]
            if written >= lines + 3:
                return pids
        time.sleep(0.02)


def finished(run: Path) -> dict[str, Any]:
    """The last checkpoint of a run, which must have counted no step twice."""
    steps = [line["step"] for line in json_lines(run / "metrics.jsonl")]
    assert steps == list(range(steps[0], STEPS + 1, 5 * 16))
    return load_checkpoint(run / "checkpoints" / f"step_{STEPS:09d}.pt")


def test_a_training_survives_that_a_random_process_is_killed_again_and_again(tmp_path: Path) -> None:
    run, chance = tmp_path / "killed", random.Random(0)
    log, before = tmp_path / "killed.log", set[int]()
    with torchrun(run, log, tmp_path / "ids", KILLS) as process:
        for _ in range(KILLS):
            pids = next_life(tmp_path / "ids", run / "metrics.jsonl", before, process)
            os.kill(chance.choice(pids), signal.SIGKILL)
            before |= set(pids)
        assert process.wait(timeout=LONGEST_WAIT_S) == 0, log.read_text()[-3000:]
    calm = tmp_path / "calm"
    with torchrun(calm, tmp_path / "calm.log", tmp_path / "calm ids", 0) as undisturbed:
        assert undisturbed.wait(timeout=LONGEST_WAIT_S) == 0
    # All that follows from the worlds, the weights and every random state is the same to the last bit.
    assert_same(finished(run), finished(calm), but=[*OF_THE_CLOCK, "best_score"])
