"""Trainings of a benchmark: each in a process of its own, a few side by side, continued where they stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mmrl_agents.records.run_status import FINISHED, read_status
from mmrl_agents.records.runs import RunFolder
from mmrl_envs.physics.version import PHYSICS_VERSION


@dataclass(frozen=True)
class Training:
    """One `mmrl train`."""

    env: str
    """Id of the environment."""
    folder: Path
    """Of the run."""
    arguments: tuple[str, ...]
    """Further arguments."""


def finish_all(trainings: Sequence[Training], jobs: int) -> None:
    """Train what is not finished, `jobs` at a time on one thread each, with a bar over all of them.

    Raises RuntimeError naming the log of a training that failed; the others go on to their ends first.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress, ThreadPoolExecutor(jobs) as pool:
        bar = progress.add_task("trainings", total=len(trainings))
        futures = [pool.submit(finish, training) for training in trainings]
        for future in futures:
            future.add_done_callback(lambda _: progress.advance(bar))
    for future in futures:
        future.result()


def finish(training: Training) -> None:
    """Train a run to its end: from the start, from its last checkpoint, or not at all if it is there already.

    Raises ValueError where it was begun with other arguments or on other physics.
    """
    run = RunFolder(training.folder)
    begun_with = run.path.parent / f"{run.path.name}.arguments.json"
    asked = [training.env, *training.arguments, f"physics {PHYSICS_VERSION}"]
    if run.path.exists() and begun_with.exists() and json.loads(begun_with.read_text()) != asked:
        raise ValueError(
            f"{run.path} was begun with other arguments or on other physics, see {begun_with}: take another --runs"
        )
    run.path.parent.mkdir(parents=True, exist_ok=True)
    if not run.path.exists():
        begun_with.write_text(json.dumps(asked) + "\n")
    if is_finished(run):
        return
    command = [sys.executable, "-m", "mmrl_agents", "train"]
    if run.has_checkpoint:
        command += ["--resume", str(run.path)]
    else:
        command += [training.env, "--run-dir", str(run.path), *training.arguments]
    log = run.path.parent / f"{run.path.name}.log"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with open(log, "a") as stream:
        code = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, env=environment).returncode
    if code or not is_finished(run):
        raise RuntimeError(f"the training of {run.path} ended with {code} before it was finished: see {log}")


def is_finished(run: RunFolder) -> bool:
    """Whether the run came to an end of its own."""
    try:
        return read_status(run.status_path).state == FINISHED
    except FileNotFoundError:
        return False


def lines_with(run: Path, metric: str) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl in which a figure was logged."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if metric in line]


def metric_over_steps(run: Path, metric: str) -> tuple[list[int], list[float]]:
    """Environment steps and a figure, wherever it was logged."""
    lines = lines_with(run, metric)
    return [line["step"] for line in lines], [line[metric] for line in lines]


def first_step_at(run: Path, metric: str, level: float) -> int | None:
    """Environment steps at which a figure first reached a level; None where it never did."""
    return next((step for step, value in zip(*metric_over_steps(run, metric), strict=True) if value >= level), None)
