"""A picture of an ablation: learning curves, what the policies came to, and the figures of their episodes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmrl_agents.ablation.results import AblationReport, OverSeeds
from mmrl_agents.records.files import write_atomically
from mmrl_agents.records.line_styles import line_style

_WIDTH, _WIDTH_OF_A_FIGURE = 10.0, 2.0  # inches, of curves and scores together and of each figure


def draw(report: AblationReport, path: Path) -> None:
    """Learning curves on the left, then scores and declared figures with their intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(report.figures)
    size = (_WIDTH + _WIDTH_OF_A_FIGURE * count, max(3.6, 0.34 * len(report.subsets) + 1.4))
    picture = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(picture)
    curves, scores, *figures = picture.subplots(1, 2 + count, width_ratios=(3, 2, *[1] * count))
    _draw_curves(curves, report)
    _draw_scores(scores, report)
    for panel, figure in zip(figures, report.figures, strict=True):
        _draw_estimates(panel, [subset.figures[figure.name] for subset in report.subsets], 1.0)
        panel.tick_params(labelleft=False)
        panel.set(xlabel=f"{figure.heading}\n{figure.which_way}")
    for panel in (curves, scores, *figures):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.3, linewidth=0.5)
    write_atomically(path, lambda stream: picture.savefig(stream, format="png", dpi=120))


def _draw_curves(panel: Any, report: AblationReport) -> None:
    from matplotlib.ticker import EngFormatter

    for index, subset in enumerate(report.subsets):
        style = line_style(index)
        value, low, high = report.metric.unit * subset.curve
        panel.plot(subset.steps, value, linewidth=1.5, **style)
        panel.fill_between(subset.steps, low, high, color=style["color"], alpha=0.15, linewidth=0)
    panel.set(xlabel="environment steps", ylabel=report.metric.label, title=report.env_id)
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    if report.metric.unit == 100.0:
        panel.set_ylim(-2, 102)


def _draw_scores(panel: Any, report: AblationReport) -> None:
    _draw_estimates(panel, [subset.score for subset in report.subsets], 100.0 if report.knows_success else 1.0)
    panel.set_yticks(range(len(report.subsets)), [", ".join(s.senses) for s in report.subsets], fontsize=8)
    panel.set(xlabel="success at the end, %" if report.knows_success else "mean return", title="judged after training")
    if report.knows_success:
        panel.set_xlim(-2, 102)


def _draw_estimates(panel: Any, estimates: Sequence[OverSeeds], unit: float) -> None:
    """A dot with its interval for each subset, from the top down, in the colours of the curves."""
    for index, estimate in enumerate(estimates):
        colour, ends = line_style(index)["color"], _bars(estimate, unit)
        panel.errorbar(unit * estimate.value, index, xerr=ends, fmt="o", color=colour, capsize=3)
    panel.set_yticks(range(len(estimates)))
    panel.invert_yaxis()


def _bars(score: OverSeeds, unit: float) -> list[list[float]] | None:
    """Lengths of the error bar to the left and to the right."""
    if score.low is None or score.high is None:
        return None
    # A percentile interval need not hold the estimate itself.
    return [[unit * max(score.value - score.low, 0.0)], [unit * max(score.high - score.value, 0.0)]]
