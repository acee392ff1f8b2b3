"""Which of 26 things is in a hand with a glove that feels: `python -m benchmarks.glove --output docs/results/glove`.

Each thing is grasped again and again, in places and orientations drawn anew; a convolutional network learns from some
recordings and is judged by others. Prints a table by the number of frames that are looked at, and writes PREFIX.json
and, with the success and who is taken for whom, PREFIX.png; `--picture PATH` draws what the things feel like.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmrl.arrays import IntArray
from mmrl.evaluation.rates import Rate
from mmrl_agents.evaluation.glove.probe import (
    CLUSTERS,
    GloveProbe,
    GloveReport,
    probe_recordings,
    recorded,
)
from mmrl_agents.evaluation.glove.recordings import FRAMES_OF_A_GRASP, Recordings
from mmrl_agents.machine.description import machine
from mmrl_agents.records.files import write_json
from mmrl_agents.records.runs import library_versions

_SHOWN = 6
"""Grasps of each thing in the picture."""


def table_of(report: GloveReport) -> Table:
    """A row for each number of frames, then one for each control."""
    table = Table("frames", *report.by_frames, title="things recognised, 95 % Wilson intervals")
    for i, pair in enumerate(zip(*report.by_frames.values(), strict=True)):
        table.add_row(str(i + 1), *map(str, pair))
    most = len(report.by_frames[CLUSTERS])
    for source, rates in report.controls.items():
        best = max(rates, key=lambda name: rates[name].successes)
        table.add_row(f"{most}: {source}, {best}", str(rates[best]), "")
    table.add_row(f"{most}: shuffled", str(report.shuffled), "")
    return table


def document_of(probe: GloveProbe, report: GloveReport, minutes: Mapping[str, float]) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "settings": asdict(probe),
        "success_by_frames": {name: [rate.to_json() for rate in rates] for name, rates in report.by_frames.items()},
        "confusion": report.confusion.tolist(),
        "controls": {
            source: {name: rate.to_json() for name, rate in rates.items()} for source, rates in report.controls.items()
        },
        "shuffled": report.shuffled.to_json(),
        "processor_minutes": dict(minutes),
        "machine": {**machine(torch.device("cpu")), "threads": 1},
        "versions": library_versions(),
    }


def draw_report(probe: GloveProbe, report: GloveReport, path: Path) -> None:
    """Success by the number of frames, and who is taken for whom."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6.6), dpi=90, width_ratios=(1, 1.5), layout="constrained")
    _draw_rates(left, report)
    _draw_confusion(right, report.confusion, probe.things)
    figure.savefig(path)
    plt.close(figure)


def _draw_rates(axes: Axes, report: GloveReport) -> None:
    for (name, rates), marker in zip(report.by_frames.items(), "os", strict=True):
        number = np.arange(len(rates)) + 1
        middle, low, high = 100 * np.array([[each.rate, *_ends(each)] for each in rates]).T
        axes.errorbar(number, middle, (middle - low, high - middle), label=name, marker=marker, capsize=3)
    for (source, by_probe), style in zip(report.controls.items(), ("--", ":"), strict=True):
        best = max(by_probe.values(), key=lambda rate: rate.successes)
        axes.axhline(100 * best.successes / best.trials, color="k", linestyle=style, label=f"control: {source}")
    chance = report.shuffled
    axes.axhline(100 * chance.successes / chance.trials, color="0.6", label="control: shuffled")
    axes.set(xlabel="frames that are looked at", ylabel="things recognised, %", ylim=(0, 100))
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.3)


def _ends(rate: Rate) -> tuple[float, float]:
    assert rate.interval is not None
    return rate.interval


def _draw_confusion(axes: Axes, confusion: IntArray, things: tuple[str, ...]) -> None:
    share = 100 * confusion / confusion.sum(axis=1, keepdims=True)
    axes.imshow(share, cmap="cividis", vmin=0, vmax=100)
    for row, column in zip(*np.nonzero(confusion), strict=True):
        colour = "k" if share[row, column] > 50 else "w"
        axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=6, color=colour)
    axes.set_xticks(range(len(things)), things, rotation=90, fontsize=7)
    axes.set_yticks(range(len(things)), things, fontsize=7)
    axes.set_title("held (row) and taken for (column), %, by the most frames of clusters", fontsize=9)


def draw_frames(probe: GloveProbe, recordings: Recordings, path: Path) -> None:
    """The last frame of the first grasps of a recording of each thing."""
    columns, rows = 2, -(-len(probe.things) // 2)
    figure, grid = plt.subplots(rows, columns * _SHOWN, figsize=(1.05 * columns * _SHOWN, 1.12 * rows), dpi=80)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, name in enumerate(probe.things):
        frames = recordings.frames[
            np.flatnonzero(recordings.things == number)[0], FRAMES_OF_A_GRASP - 1 :: FRAMES_OF_A_GRASP
        ]
        row, first = number % rows, number // rows * _SHOWN
        for axes, frame in zip(grid[row, first : first + _SHOWN], frames, strict=False):
            axes.imshow(frame, vmin=0, vmax=0.4, origin="lower", cmap="cividis")
        grid[row, first].set_title(name, fontsize=8, loc="left", pad=2)
    figure.tight_layout(pad=0.2)
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    """Grasps, learns, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="PREFIX", help="of PREFIX.json and PREFIX.png")
    parser.add_argument("--picture", type=Path, help="file to draw frames into")
    parser.add_argument("--learned", type=int, default=GloveProbe.learned, help="recordings of a thing to learn from")
    parser.add_argument("--judged", type=int, default=GloveProbe.judged, help="recordings of a thing to judge by")
    parser.add_argument("--epochs", type=int, default=GloveProbe().learning.epochs)
    parser.add_argument("--width", type=int, default=GloveProbe().learning.width, help="64 is the paper's")
    parser.add_argument("--seed", type=int, default=GloveProbe.seed)
    options = parser.parse_args()
    torch.set_num_threads(1)
    how = replace(GloveProbe().learning, epochs=options.epochs, width=options.width)
    probe = GloveProbe(learned=options.learned, judged=options.judged, seed=options.seed, learning=how)
    minutes, start = {}, time.process_time()
    with Progress(transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        learned, judged = recorded(probe, show)
        minutes["grasping"] = (time.process_time() - start) / 60
        report = probe_recordings(probe, learned, judged, show)
    minutes["all"] = (time.process_time() - start) / 60
    Console().print(table_of(report))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.output.with_suffix(".json"), document_of(probe, report, minutes))
    draw_report(probe, report, options.output.with_suffix(".png"))
    if options.picture:
        draw_frames(probe, judged, options.picture)


if __name__ == "__main__":
    main()
