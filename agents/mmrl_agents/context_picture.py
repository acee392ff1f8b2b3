"""A picture of what a curriculum practised: every context over time, by success."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmrl_agents.records.runs import RunFolder

# More points than this hide one another, and take long to draw.
_MOST_POINTS = 20_000
_COLOURS: Mapping[bool | None, tuple[str, str]] = {
    True: ("tab:green", "success"),
    False: ("tab:red", "failure"),
    None: ("tab:gray", "not told"),
}


def draw_contexts(run: RunFolder) -> Path | None:
    """Write curriculum.png from contexts.jsonl; returns its path, or None for a run without a curriculum."""
    records = read_contexts(run.contexts_path)
    if not records:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(records[0]["context"])
    figure = Figure(figsize=(8, 1 + 2 * (len(names) + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(names) + 1, 1, sharex=True)
    for panel, name in zip(panels, ["difficulty", *names], strict=True):
        _scatter(panel, name, records)
    panels[-1].set_xlabel("environment steps")
    panels[0].legend(loc="upper left", markerscale=3)
    path = run.path / "curriculum.png"
    figure.savefig(path, dpi=120)
    return path


def read_contexts(path: Path) -> list[dict[str, Any]]:
    """The whole lines of contexts.jsonl, evenly thinned out to 20,000."""
    if not path.exists():
        return []
    lines = path.read_text(errors="replace").splitlines()
    records = []
    for line in lines[:: -(-len(lines) // _MOST_POINTS) or 1]:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue  # cut short by a crash
    return records


def _scatter(panel: Any, name: str, records: Sequence[Mapping[str, Any]]) -> None:
    for success, (colour, label) in _COLOURS.items():
        chosen = [record for record in records if record["success"] is success]
        if chosen:
            values = [record[name] if name == "difficulty" else record["context"][name] for record in chosen]
            panel.scatter([record["step"] for record in chosen], values, s=3, c=colour, label=label, linewidths=0)
    panel.set_ylabel(name)
