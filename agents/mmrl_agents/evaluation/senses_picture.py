"""A picture of what each sense is worth, for a paper: bars with intervals."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmrl.evaluation.figures import Figure as DeclaredFigure
from mmrl.worth import SenseRow, SensesReport
from mmrl_agents.records.files import write_atomically
from mmrl_agents.records.line_styles import COLOURS

_NEUTRAL = "#4D4D4D"
_HATCHES = {"only": "///", "broken": "..."}
_GAP = 0.6  # between groups of bars, in bars
_INCHES_PER_BAR, _MARGIN = 0.2, 1.6
_WIDTH, _WIDTH_OF_A_FIGURE = 5.6, 1.4  # inches, of the bars and of each panel beside them


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
        declared = [one for one in report.rows[0].row.episodes.declared if _is_reported(one, report.rows)]
        width = _WIDTH + _WIDTH_OF_A_FIGURE * max(1, len(declared))
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=9)
        grid = figure.add_gridspec(2, 1 + len(declared), height_ratios=bars, width_ratios=(3, *[1] * len(declared)))
        rows = figure.add_subplot(grid[0, 0])
        _draw_rows(rows, places, report, colours)
        for column, one in enumerate(declared, start=1):
            _draw_figure(figure.add_subplot(grid[0, column], sharey=rows), one, places, report.rows, colours)
        _draw_worth(figure.add_subplot(grid[1, 0]), report, colours)
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


def _is_reported(figure: DeclaredFigure, rows: Sequence[SenseRow]) -> bool:
    return any(row.row.quartiles(figure) for row in rows)


def _draw_figure(
    panel: Any, figure: DeclaredFigure, places: Sequence[float], rows: Sequence[SenseRow], colours: dict[str, str]
) -> None:
    """Median of a declared figure over the episodes, with its quartiles."""
    lowest = 0.0
    for place, row in zip(places, rows, strict=True):
        quartiles = row.row.quartiles(figure)
        if quartiles is not None:
            panel.plot([quartiles.low, quartiles.high], [place, place], color=_colour(row, colours), linewidth=1)
            panel.plot(quartiles.median, place, "o", color=_colour(row, colours), markersize=3)
            lowest = min(lowest, quartiles.low)
    panel.tick_params(labelleft=False)
    if lowest == 0:
        panel.set_xlim(left=0)
    panel.set_xlabel(f"{figure.heading}\n{figure.which_way}")


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
