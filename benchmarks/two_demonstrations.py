"""Two demonstrations of different speed on one clock: `python -m benchmarks.two_demonstrations SLOW QUICK`.

Both are data sets whose episodes begin alike. The profile of a wrench is the size of its force and that of its torque;
the distance of two profiles is the root of the mean square between them, at the same instants before, and at the
instants that a warping path joins after.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from mmrl.alignment import Alignment, Recording, align
from mmrl.alignment.encoding import squashed
from mmrl.arrays import FloatArray
from mmrl_agents.records.dataset.folder import Dataset
from mmrl_agents.watching.alignment.alignment_picture import draw
from mmrl_agents.watching.alignment.streams import SenseOnRecord, readings_of

FPS, UNTIL_S = 20.0, 2.5
METHODS: dict[str, tuple[str, dict[str, int]]] = {
    "dtw": ("dtw", {}),
    "dtw, slope 4": ("dtw", {"slope": 4}),
    "ctw": ("ctw", {}),
    "gtw, 8 stretches": ("gtw", {"stretches": 8}),
}
"""Methods and their options by the name in the table."""


def profile(data: Dataset, number: int, name: str) -> Recording:
    """The sizes of force and torque of an episode."""
    sense = SenseOnRecord.of(data.ours["senses"]["force_torque"])
    times, wrench = readings_of(sense, data.episode(number).frames["observation.force_torque"], FPS)
    inside = times < UNTIL_S
    sizes = np.stack([np.linalg.norm(wrench[inside, part], axis=1) for part in (slice(0, 3), slice(3, 6))], axis=1)
    return Recording(name, times[inside], squashed(sizes.astype(np.float64)))


def distance(pair: list[Recording], times: FloatArray) -> float:
    """The distance of two profiles at times (L, 2) of their clocks."""
    first, other = (each.at(times[:, k]) for k, each in enumerate(pair))
    return float(np.sqrt(np.square(first - other).sum(axis=1).mean()))


def compared(pair: list[Recording]) -> tuple[float, dict[str, tuple[float, Alignment]]]:
    """The distance before, and after each method, with its alignment."""
    steps = np.arange(0, UNTIL_S - 0.1, 0.01)
    before, after = distance(pair, np.stack([steps, steps], axis=1)), {}
    for name, (method, options) in METHODS.items():
        found = align(pair, method, most_lag_s=0.8, **options)
        after[name] = (distance(pair, found.paths[0]), found)
    return before, after


def main() -> None:
    """Print a row for each pair of episodes, and draw the first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--picture", type=Path)
    words = parser.parse_args()
    sets = [Dataset(Path(folder)) for folder in (words.first, words.second)]
    table = Table("episode", "before", *(f"after {method}" for method in METHODS))
    rows = []
    for number in range(min(map(len, sets))):
        pair = [profile(data, number, name) for data, name in zip(sets, ("first", "second"), strict=True)]
        before, after = compared(pair)
        rows.append([before, *(value for value, _ in after.values())])
        table.add_row(str(number), *(f"{value:.3f}" for value in rows[-1]))
        if number == 0 and words.picture is not None:
            draw(after["dtw, slope 4"][1], pair, words.picture)
    table.add_row("mean", *(f"{value:.3f}" for value in np.mean(rows, axis=0)))
    Console().print(table)


if __name__ == "__main__":
    main()
