"""A picture of what a curriculum practised: every context over time, by success."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmrl_agents.records.files import parse_line, read_regular, write_atomically
from mmrl_agents.records.line_styles import COLOURS
from mmrl_agents.records.runs import RunFolder

# More points than this hide one another, and take long to draw.
_MOST_POINTS = 20_000
_COLOURS: Mapping[bool | None, tuple[str, str]] = {
    True: (COLOURS[0], "success"),
    False: (COLOURS[4], "failure"),
    None: ("tab:gray", "not reported"),
}


def draw_contexts(run: RunFolder) -> Path | None:
    """Write curriculum.png from contexts.jsonl; returns its path, or None for a run without a curriculum."""
    records = read_contexts(run.contexts_path)
    if not records:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(records[0]["context"])  # as in all of them
    figure = Figure(figsize=(8, 1 + 2 * (len(names) + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(names) + 1, 1, sharex=True)
    for panel, name in zip(panels, ["difficulty", *names], strict=True):
        _scatter(panel, name, records)
    panels[-1].set_xlabel("environment steps")
    panels[0].legend(loc="upper left", markerscale=3)
    path = run.path / "curriculum.png"
    write_atomically(path, lambda stream: figure.savefig(stream, format="png", dpi=120))
    return path


def read_contexts(path: Path) -> list[dict[str, Any]]:
    """The whole records of contexts.jsonl, all of the commonest form, evenly thinned out to 20,000.

    A line that a crash cut short, or in which a bit is no longer what it was, is left out.
    """
    if not os.path.lexists(path):
        return []
    lines = read_regular(path).splitlines()
    chosen = (parse_line(line) for line in lines[:: -(-len(lines) // _MOST_POINTS) or 1])
    forms = [(form, record) for record in chosen if record is not None and (form := _form(record)) is not None]
    if not forms:
        return []
    (commonest, _), *_ = Counter(form for form, _ in forms).most_common(1)
    return [record for form, record in forms if form == commonest]


def _form(record: Mapping[str, Any]) -> tuple[tuple[str, type | None], ...] | None:
    """The parameters of a record by name, and whether each is a number; None where it is damaged."""
    context, success = record.get("context"), record.get("success", "missing")
    if not isinstance(context, dict) or not (success is None or isinstance(success, bool)):
        return None
    kinds = {name: _kind(value) for name, value in context.items()}
    if any(_kind(record.get(name)) is not float for name in ("step", "difficulty")) or None in kinds.values():
        return None
    return tuple(sorted(kinds.items(), key=lambda pair: pair[0]))


def _kind(value: Any) -> type | None:
    """Float for every number, the class of booleans and words, None for what no context holds."""
    if isinstance(value, bool | str):
        return type(value)
    return float if isinstance(value, int | float) else None


def _scatter(panel: Any, name: str, records: Sequence[Mapping[str, Any]]) -> None:
    for success, (colour, label) in _COLOURS.items():
        chosen = [record for record in records if record["success"] is success]
        if chosen:
            values = [record[name] if name == "difficulty" else record["context"][name] for record in chosen]
            panel.scatter([record["step"] for record in chosen], values, s=3, c=colour, label=label, linewidths=0)
    panel.set_ylabel(name)
