"""A picture of what each sense is worth, for a paper: bars with intervals."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmrl.worth import SenseRow, SensesReport
from mmrl_agents.records.files import write_atomically
from mmrl_agents.records.line_styles import COLOURS

_NEUTRAL = "#4D4D4D"
_HATCHES = {"only": "///", "broken": "..."}
_GAP = 0.6  # between groups of bars, in bars
_INCHES_PER_BAR, _WIDTH, _MARGIN = 0.2, 7.0, 1.6


def draw_senses(report: SensesReport, path: Path, title: str) -> tuple[Path, Path]:
    """Write the picture beside `path`, as .png and as .pdf whose text stays text; returns both paths."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    senses = list(report.worth.lost_without)
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(senses)}
    places = _places(report.rows)
    bars = (places[-1] + 1, 2 * len(senses))
    height = _MARGIN + _INCHES_PER_BAR * sum(bars)
    with mpl.rc_context(
        {
            "font.size": 8,
            "pdf.fonttype": 42,
            "hatch.linewidth": 0.4,
            "axes.spines.right": False,
            "axes.spines.top": False,
        }
    ):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=9)
        forces = any(np.isfinite(row.row.episodes.peak_force_n).any() for row in report.rows)
        grid = figure.add_gridspec(2, 2, height_ratios=bars, width_ratios=(3, 1))
        rows = figure.add_subplot(grid[0, 0] if forces else grid[0, :])
        _draw_rows(rows, places, report, colours)
        if forces:
            _draw_forces(figure.add_subplot(grid[0, 1], sharey=rows), places, report.rows, colours)
        _draw_worth(figure.add_subplot(grid[1, 0] if forces else grid[1, :]), report, colours)
        pictures = path.with_suffix(".png"), path.with_suffix(".pdf")
        write_atomically(pictures[0], lambda stream: figure.savefig(stream, format="png", dpi=200))
        without_date = {"CreationDate": None}
        write_atomically(pictures[1], lambda stream: figure.savefig(stream, format="pdf", metadata=without_date))
    return pictures


def _places(rows: Sequence[SenseRow]) -> list[float]:
    """Where the bars stand, from the top down, with a gap between groups and between broken senses."""
    groups = [(row.condition.group, row.condition.group == "broken" and row.condition.sense) for row in rows]
    gaps = [0.0, *(_GAP * (one != other) for one, other in itertools.pairwise(groups))]
    return [index + gap for index, gap in enumerate(itertools.accumulate(gaps))]


def _draw_rows(panel: Any, places: Sequence[float], report: SensesReport, colours: dict[str, str]) -> None:
    """Success rates with Wilson intervals, or mean returns with bootstrap ones, from the top down."""
    for place, row in zip(places, report.rows, strict=True):
        value, low, high = _value(row, report.judged)
        _bar(panel, place, (value, low, high), _colour(row, colours), _HATCHES.get(row.condition.group, ""))
    panel.set_yticks(places, [row.condition.label for row in report.rows])
    panel.set_ylim(places[-1] + 0.6, -0.6)
    panel.axvline(_value(report.rows[0], report.judged)[0], color=_NEUTRAL, linewidth=0.6, linestyle=":")
    panel.set_xlabel("success at end" if report.judged else "mean return")
    if report.judged:
        panel.set_xlim(0, 1)
        panel.xaxis.set_major_formatter("{x:.0%}")


def _draw_forces(panel: Any, places: Sequence[float], rows: Sequence[SenseRow], colours: dict[str, str]) -> None:
    """Median peak contact force of an episode, with its quartiles."""
    for place, row in zip(places, rows, strict=True):
        peaks = row.row.episodes.peak_force_n[np.isfinite(row.row.episodes.peak_force_n)]
        if peaks.size:
            low, median, high = np.quantile(peaks, (0.25, 0.5, 0.75))
            panel.plot([low, high], [place, place], color=_colour(row, colours), linewidth=1)
            panel.plot(median, place, "o", color=_colour(row, colours), markersize=3)
    panel.tick_params(labelleft=False)
    panel.set_xlim(left=0)
    panel.set_xlabel("peak contact force in N")


def _draw_worth(panel: Any, report: SensesReport, colours: dict[str, str]) -> None:
    """For each sense its Shapley value, and what is lost without it."""
    labels: list[str] = []
    for name, lost in report.worth.lost_without.items():
        shapley = report.worth.shapley and report.worth.shapley[name]
        for label, estimate, hatch in ((f"{name}: Shapley value", shapley, ""), (f"{name}: lost without", lost, "///")):
            if estimate:
                _bar(panel, len(labels), (estimate.value, estimate.low, estimate.high), colours[name], hatch)
                labels.append(label)
    panel.set_yticks(range(len(labels)), labels)
    panel.set_ylim(len(labels) - 0.4, -0.6)
    panel.axvline(0, color="black", linewidth=0.6)
    panel.set_xlabel("worth in success rate" if report.judged else "worth in mean return")
    if report.judged:
        panel.xaxis.set_major_formatter("{x:+.0%}")


def _bar(panel: Any, place: float, numbers: tuple[float, float, float], colour: str, hatch: str) -> None:
    value, low, high = numbers
    panel.barh(place, value, height=0.7, color=colour, alpha=0.75, hatch=hatch, edgecolor="white", linewidth=0)
    panel.plot([low, high], [place, place], color="black", linewidth=1, solid_capstyle="butt")


def _value(row: SenseRow, judged: bool) -> tuple[float, float, float]:
    rate = row.row.success_at_end
    if not judged or rate.rate is None or rate.interval is None:
        return row.row.mean_return
    return rate.rate, *rate.interval


def _colour(row: SenseRow, colours: dict[str, str]) -> str:
    return _NEUTRAL if row.condition.sense is None else colours[row.condition.sense]
