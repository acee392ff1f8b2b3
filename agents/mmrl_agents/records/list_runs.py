"""`mmrl runs`: which runs there are, how far they came and what became of them."""

import dataclasses
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.cells import cell_len
from rich.console import Console

from mmrl_agents.records.files import UnfitFile, in_one_line, parse_line, read_end, read_json
from mmrl_agents.records.run_status import read_status
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.records.terminal import say, terminal

# Enough for the last line of a log, however many metrics it has.
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class RunsConfig:
    """List the runs in a folder and in all folders of it: status, steps, success."""

    root: tyro.conf.Positional[Path] = Path("runs")
    """A folder of runs, an ablation, or one run."""
    sort: Literal["run", "environment", "recipe", "seed", "status", "steps", "result", "evaluation"] = "run"
    """The column that orders the runs; of steps, result and evaluation the largest come first."""
    json: bool = False
    """Print a JSON array of objects instead of a table."""


@dataclass(frozen=True)
class Summary:
    """One line of the list."""

    name: str
    """Folder of the run, from the folder that was named; that one's own name if it is the run."""
    env_id: str
    """Environment that is learned."""
    recipe: str
    """Name of the recipe that the settings began with; empty where there was none."""
    seed: int | None
    """Seed of the training."""
    state: str
    """Running, finished, interrupted, failed or exported; or what is wrong with the folder."""
    step: int | None
    """Environment steps."""
    total_steps: int | None
    """Environment steps that were asked for."""
    success_rate: float | None
    """Share of the last episodes of the training that succeeded, in [0, 1]."""
    mean_return: float | None
    """Mean return of the last episodes of the training."""
    evaluated_success: float | None
    """Share of the episodes of evaluation.json that succeeded in the end, in [0, 1]."""
    evaluated_return: float | None
    """Mean return of the episodes of evaluation.json."""
    evaluated_episodes: int | None
    """Number of those episodes."""


def list_runs(config: RunsConfig, console: Console | None = None) -> list[Summary]:
    """Print and return a line per run; raises FileNotFoundError where `root` is no folder."""
    console = console or terminal()
    if not config.root.is_dir():
        raise FileNotFoundError(f"{config.root} is no folder; name one that holds runs")
    found = sorted((summary(folder, config.root) for folder in run_folders(config.root)), key=_ORDERS[config.sort])
    if config.json:
        say(console, json.dumps([dataclasses.asdict(run) for run in found], indent=2))
    elif found:
        _show(found, console)
    else:
        say(console, f"no runs in {config.root}")
    return found


def run_folders(root: Path) -> Iterator[Path]:
    """Folders with a config.json, by name: `root` itself, else those in it at any depth, none within another.

    Links to runs are found, links to folders of runs are not followed, and hidden folders are left out.
    """
    if _is_run(root):
        yield root
        return
    for folder, names, _ in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        runs = [name for name in names if _is_run(Path(folder, name))]
        yield from (Path(folder, name) for name in runs)
        names[:] = [name for name in names if name not in runs]


def _is_run(folder: Path) -> bool:
    return os.path.lexists(folder / "config.json")


def summary(folder: Path, root: Path | None = None) -> Summary:
    """A run as its files describe it; damaged files are named instead of raised."""
    run, problems = RunFolder(folder), list[str]()
    document: Mapping[str, Any] = {}
    try:
        document = run.read_config()
    except UnfitFile as error:
        problems.append(str(error).removeprefix(f"{folder}{os.sep}"))
    except OSError as error:
        problems.append(f"config.json: {error.strerror}")
    log, train = _last_metrics(run.metrics_path), _mapping(document.get("train"))
    step, rate = _whole(log.get("step")), _number(log.get("success_rate"))
    state = "exported" if run.is_exported else "no status"
    try:
        status = read_status(run.status_path)
        state = status.present_state()
        step = status.step if step is None else step
        rate = _number(status.success_rate) if rate is None else rate
    except FileNotFoundError:
        step = _whole(document.get("step")) if step is None else step
    except (ValueError, OSError):
        problems.append("status.json damaged")
    return Summary(
        name=folder.name if root is None or folder == root else str(folder.relative_to(root)),
        env_id=str(document.get("env_id", "?")),
        recipe=str(train.get("recipe") or ""),
        seed=_whole(train.get("seed")),
        state="; ".join(problems) or state,
        step=step,
        total_steps=_whole(train.get("total_steps")),
        success_rate=rate,
        mean_return=_number(log.get("mean_return")),
        **_evaluation(run.evaluation_path),
    )


def _evaluation(path: Path) -> dict[str, Any]:
    """The first row of evaluation.json, which is of all senses; None for each figure that it lacks."""
    row: Mapping[str, Any] = {}
    report: Mapping[str, Any] = {}
    try:
        report = read_json(path)
        row = _mapping(report["rows"][0])
    except (OSError, ValueError, LookupError, TypeError):  # there is none, or one that was edited
        pass
    return {
        "evaluated_success": _number(_mapping(row.get("success_at_end")).get("rate")),
        "evaluated_return": _number(row.get("mean_return")),
        "evaluated_episodes": _whole(report.get("episodes")),
    }


def _last_metrics(path: Path) -> Mapping[str, Any]:
    """The last whole line of metrics.jsonl, {} without any."""
    try:
        lines = read_end(path, _TAIL_BYTES).splitlines()
    except (OSError, UnfitFile):
        return {}
    whole = (parse_line(line) for line in reversed(lines))  # the last may be cut short by a crash
    return next((record for record in whole if record is not None), {})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


_Order = Callable[[Summary], tuple[Any, ...]]


def _descending(value: float | None) -> tuple[bool, float]:
    return value is None, -(value or 0.0)


_ORDERS: Mapping[str, _Order] = {
    "run": lambda run: (run.name,),
    "environment": lambda run: (run.env_id, run.name),
    "recipe": lambda run: (run.recipe, run.name),
    "seed": lambda run: (run.seed is None, run.seed, run.name),
    "status": lambda run: (run.state, run.name),
    "steps": lambda run: (*_descending(run.step), run.name),
    "result": lambda run: (*_descending(run.success_rate), *_descending(run.mean_return), run.name),
    "evaluation": lambda run: (*_descending(run.evaluated_success), *_descending(run.evaluated_return), run.name),
}


def _show(found: list[Summary], console: Console) -> None:
    """One line a run however wide the terminal is, so that other programs can read it; a dash is nothing."""
    rows = [tuple(_ORDERS), *(_cells(run) for run in found)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for index, row in enumerate(rows):
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        say(console, "  ".join(padded).rstrip(), "" if index else "bold")


def _cells(run: Summary) -> tuple[str, ...]:
    """The cells under the headings, which are the names of `_ORDERS`."""
    judged = _result(run.evaluated_success, run.evaluated_return)
    cells = (
        run.name,
        run.env_id,
        run.recipe,
        "" if run.seed is None else str(run.seed),
        run.state,
        _steps(run),
        _result(run.success_rate, run.mean_return),
        f"{judged} of {run.evaluated_episodes}" if judged and run.evaluated_episodes is not None else judged,
    )
    return tuple(in_one_line(cell) or "-" for cell in cells)


def _result(success: float | None, mean_return: float | None) -> str:
    if success is not None:
        return f"success {success:.1%}"
    return "" if mean_return is None else f"return {mean_return:.1f}"


def _steps(run: Summary) -> str:
    known = [f"{count:,}" for count in (run.step, run.total_steps) if count is not None]
    return "/".join(known) if run.step is not None else "0" if known else "?"
