"""A picture of what the senses of a policy know: a map of scores, targets down and sources across."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmrl.evaluation.probes import OTHER_EPISODE, SHUFFLED
from mmrl_agents.records.files import write_atomically

if TYPE_CHECKING:
    from mmrl_agents.evaluation.probes.probe import ProbeReport

_CELL = 0.34  # inches


def draw(report: ProbeReport, sources: Sequence[str], path: Path) -> None:
    """The scores of the best probes as numbers on colours from 0 to 1 of cividis, written as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    targets = list(dict.fromkeys(answer.target for answer in report.answers))
    columns = [*sources, OTHER_EPISODE, SHUFFLED]
    found = [[report.best(source, target.name) for source in columns] for target in targets]
    scores = np.array([[np.nan if answer is None else answer.score.value for answer in row] for row in found])
    picture = Figure(figsize=(3.2 + 1.1 * len(columns), 2.2 + _CELL * len(targets)), layout="constrained")
    FigureCanvasAgg(picture)
    panel = picture.subplots()
    image = panel.imshow(np.clip(scores, 0, 1), vmin=0, vmax=1, cmap="cividis", aspect="auto")
    for row, column in np.ndindex(scores.shape):
        colour = "k" if scores[row, column] > 0.5 else "w"
        panel.text(column, row, f"{scores[row, column]:.2f}", ha="center", va="center", fontsize=7, color=colour)
    panel.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    names = [f"{target.name}, accuracy" if target.is_class else f"{target.name}, R²" for target in targets]
    panel.set_yticks(range(len(targets)), names, fontsize=8)
    panel.set_title("read off by the best probe, on other episodes", fontsize=9)
    picture.colorbar(image, shrink=0.6)
    write_atomically(path, lambda stream: picture.savefig(stream, format="png", dpi=110))
