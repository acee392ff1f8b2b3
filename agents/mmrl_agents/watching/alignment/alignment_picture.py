"""A picture of an alignment: the senses on their own clocks, on one clock, and the way between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmrl.alignment import Alignment, Recording
from mmrl.arrays import FloatArray
from mmrl_agents.records.files import write_atomically
from mmrl_agents.records.line_styles import line_style


def draw(found: Alignment, episode: Sequence[Recording], path: Path) -> None:
    """The first numbers of the first episode's readings before and after, and how late each clock is, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(picture)
    before, after, late = picture.subplots(3, 1, sharex=True)
    for k, recording in enumerate(episode):
        style, values = line_style(k), _from_0_to_1(recording.values[:, 0])
        before.plot(recording.times, k + 0.9 * values, linewidth=1.0, label=recording.name, **style)
        ours, first = found.paths[0][:, k], found.paths[0][:, 0]
        warped = np.interp(ours, recording.times, values)
        after.plot(first, k + 0.9 * warped, linewidth=1.0, **style)
        late.plot(first, 1e3 * (ours - first), linewidth=1.5, **style)
    before.set(title="activity of each sense on its own clock")
    after.set(title=f"on the clock of {episode[0].name}")
    late.set(xlabel="seconds", ylabel="ms", title=f"late beside {episode[0].name}")
    for panel in (before, after):
        panel.set_yticks([k + 0.45 for k in range(len(episode))], [each.name for each in episode])
    for panel in (before, after, late):
        _plain(panel)
    write_atomically(path, lambda stream: picture.savefig(stream, format="png", dpi=110))


def _plain(panel: Any) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.3, linewidth=0.5)


def _from_0_to_1(values: FloatArray) -> FloatArray:
    low, high = values.min(), values.max()
    scaled: FloatArray = (values - low) / max(high - low, 1e-12)
    return scaled
