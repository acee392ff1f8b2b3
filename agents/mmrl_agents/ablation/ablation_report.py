"""The report of an ablation: tables, a picture of the learning curves, and both as JSON.

Every figure is an interquartile mean over seeds with its 95 % bootstrap interval (`mmrl.evaluation.aggregate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmrl.evaluation.figures import decimals_for
from mmrl_agents.ablation.ablation_picture import draw
from mmrl_agents.ablation.results import AblationReport, Judged, report_of
from mmrl_agents.records.files import write_json
from mmrl_agents.records.terminal import say

RESULTS, PICTURE = "results.json", "curves.png"


def write_report(folder: Path, env_id: str, judged: Sequence[Judged], console: Console) -> AblationReport:
    """Print the table and write results.json and curves.png to the folder."""
    report = report_of(env_id, judged)
    _show(report, console)
    if not any(subset.steps.size for subset in report.subsets):
        text = (
            "no curves: no training logged an episode that ended; train for more --total-steps, or --judge-every STEPS"
        )
        say(console, text, "yellow")
    write_json(folder / RESULTS, report.to_json())
    draw(report, folder / PICTURE)
    for name in (RESULTS, PICTURE):
        say(console, f"wrote {folder / name}")
    return report


def _show(report: AblationReport, console: Console) -> None:
    unit, digits = (100.0, 1) if report.knows_success else (1.0, 2)
    table = _table("success, %" if report.knows_success else "mean return", "by seed")
    for subset in report.subsets:
        seeds = " ".join(f"{unit * value:.{digits}f}" for value in subset.score.by_seed.values())
        table.add_row(Text(", ".join(subset.senses)), subset.score.text(unit, digits), seeds)
    console.print(table)
    console.print(
        "Interquartile means over seeds, in brackets their 95 % bootstrap intervals; the same episodes for all."
    )
    if report.figures:
        console.print(_figures(report))
        about = "Interquartile means over seeds of the medians over episodes, of events of their shares"
        console.print(f"{about}, with intervals as above.")


def _figures(report: AblationReport) -> Table:
    """The values of the declared figures."""
    table = _table(*(figure.heading for figure in report.figures))
    for subset in report.subsets:
        estimates = [subset.figures[figure.name] for figure in report.figures]
        cells = [estimate.text(1.0, decimals_for([estimate.value])) for estimate in estimates]
        table.add_row(Text(", ".join(subset.senses)), *cells)
    return table


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("senses", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    return table
