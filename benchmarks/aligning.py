"""Lags and drifts put into recorded episodes, and how near each method comes: `python -m benchmarks.aligning DATASET`.

A trial draws episodes and a sense, whose clock it makes late by 0 to 200 ms and 1 % too fast or too slow. Each method
then estimates the clocks of all senses; what it finds in episodes of their own with right clocks is taken off. The
error of a pair of senses is the mean over an episode of the distance between the estimated and the true lag.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from time import process_time

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmrl.alignment import ALIGNERS, Aligner, Recording, make_aligner
from mmrl.alignment.base import ClockOffset
from mmrl.arrays import FloatArray
from mmrl.evaluation.rates import Rate
from mmrl_agents.watching.alignment.streams import SenseStreams, streams_of

SENSES = ("camera", "force_torque", "proprioception")
MOST_LAG_S, DRIFT, SECONDS = 0.2, 0.01, 5.0
WITHIN_MS = (1.0, 5.0, 50.0)
OPTIONS: dict[str, dict[str, float]] = {
    "information": {"rate_hz": 50.0},
    "ctw": {"rounds": 5},
    "dctw": {"rounds": 2, "rate_hz": 50.0},
}
"""Less than the defaults, where trials would take hours."""


def clocks_of(method: Aligner, episodes: Sequence[Sequence[Recording]]) -> FloatArray:
    """The estimated lags and drifts of all senses, (m, 2)."""
    if method.compares_numbers:
        episodes = [[each.only(slice(0, 1)) for each in episode] for episode in episodes]
    return np.array([(clock.lag_s, clock.drift) for clock in method.align(episodes).clocks])


def injected(episodes: Sequence[Sequence[Recording]], which: int, clock: ClockOffset) -> list[list[Recording]]:
    """Episodes in which one sense has another clock."""
    return [
        [Recording(each.name, clock.at(each.times), each.values) if k == which else each for k, each in enumerate(row)]
        for row in episodes
    ]


def errors_ms(found: FloatArray, truth: FloatArray) -> FloatArray:
    """Mean error over an episode of the lag of each pair of senses, from clocks (m, 2)."""
    times = np.linspace(0, SECONDS, 51)
    wrong = found - truth
    late = 1e3 * (wrong[:, :1] + wrong[:, 1:] * times)  # (m, 51)
    return np.array([np.abs(late[j] - late[i]).mean() for i, j in combinations(range(len(wrong)), 2)])


def trials(
    method: Aligner, reference: list[list[Recording]], rest: list[list[Recording]], drawn: int, count: int
) -> tuple[FloatArray, float]:
    """Errors in ms of each pair of senses in each trial, (trials, pairs), and seconds of work of a trial."""
    base = clocks_of(method, reference)
    errors, began = [], process_time()
    for trial in track(range(count), type(method).__name__):
        rng = np.random.default_rng(trial)
        chosen = [rest[number] for number in rng.choice(len(rest), drawn, replace=False)]
        which, clock = trial % 3, ClockOffset(rng.uniform(0, MOST_LAG_S), rng.choice([-DRIFT, DRIFT]))
        truth = np.zeros((3, 2))
        if which:
            truth[which] = clock.lag_s, clock.drift
        else:  # the others go backwards beside the first
            truth[1:] = -clock.lag_s / (1 + clock.drift), 1 / (1 + clock.drift) - 1
        errors.append(errors_ms(clocks_of(method, injected(chosen, which, clock)) - base, truth))
    return np.array(errors), (process_time() - began) / count


def main() -> None:
    """Print the table of all methods, and write the errors as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--methods", nargs="+", default=list(ALIGNERS))
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--calibration", type=int, default=20)
    parser.add_argument("--same", action="store_true", help="the reference is of the episodes that trials draw from")
    parser.add_argument("--drawn", type=int, default=20)
    parser.add_argument("--output", type=Path)
    words = parser.parse_args()
    streams: SenseStreams = streams_of(words.data, words.episodes, 0, "best")
    recordings = streams.recordings(SENSES)
    rest = recordings[words.calibration :]
    reference = rest if words.same else recordings[: words.calibration]
    pairs = [f"{a} and {b}" for a, b in combinations(SENSES, 2)]
    table = Table(
        "method", "senses", "median error", "95 % below", *(f"within {w:g} ms" for w in WITHIN_MS), "s a trial"
    )
    results = {}
    for name in words.methods:
        method = make_aligner(name, {"most_lag_s": 0.3, **OPTIONS.get(name, {})})
        errors, seconds = trials(method, reference, rest, words.drawn, words.trials)
        results[name] = {"errors_ms": errors.tolist(), "seconds": seconds}
        for pair, column in zip(pairs, errors.T, strict=True):
            shares = [str(Rate(int((column <= within).sum()), len(column))) for within in WITHIN_MS]
            median, most = np.quantile(column, (0.5, 0.95))
            table.add_row(name, pair, f"{median:.2f} ms", f"{most:.2f} ms", *shares, f"{seconds:.2f}")
    Console(width=180).print(table)
    if words.output is not None:
        words.output.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
