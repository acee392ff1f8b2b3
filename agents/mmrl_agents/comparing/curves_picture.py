"""A picture of curves with their bands, one for each group of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmrl_agents.ablation.results import Metric
from mmrl_agents.records.files import write_atomically
from mmrl_agents.records.line_styles import line_style

if TYPE_CHECKING:
    from mmrl_agents.comparing.compare import Compared


def draw_groups(groups: Sequence[Compared], metric: Metric, axis: str, path: Path) -> None:
    """Write the interquartile means over runs, each with the band of its interval where there are several."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    picture = Figure(figsize=(8.0, 4.5), layout="constrained")
    FigureCanvasAgg(picture)
    panel = picture.subplots()
    for index, group in enumerate(groups):
        style = line_style(index)
        value, low, high = metric.unit * group.curve
        panel.plot(group.at, value, linewidth=1.5, label=f"{group.name} ({len(group.last)})", **style)
        panel.fill_between(group.at, low, high, color=style["color"], alpha=0.15, linewidth=0)
    panel.set(xlabel=axis, ylabel=metric.label)
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    if metric.unit == 100.0:
        panel.set_ylim(-2, 102)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.3, linewidth=0.5)
    panel.legend(fontsize=8, frameon=False)
    write_atomically(path, lambda stream: picture.savefig(stream, format="png", dpi=120))
