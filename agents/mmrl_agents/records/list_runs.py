"""`mmrl runs`: which runs there are, how far they came and what became of them."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmrl_agents.records.files import UnfitFile, in_one_line, parse_line, read_end
from mmrl_agents.records.run_status import read_status
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.terminal import say, terminal

# Enough for the last line of a log, however many metrics it has.
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class RunsConfig:
    """List the runs of a folder: status, steps, success."""

    root: tyro.conf.Positional[Path] = Path("runs")
    """A folder of runs, or one run."""


@dataclass(frozen=True)
class Summary:
    """One line of the list."""

    name: str
    """Folder of the run."""
    env_id: str
    """What is learned."""
    state: str
    """Running, finished, interrupted or failed; or what is wrong with the folder."""
    step: int | None
    """Environment steps."""
    total_steps: int | None
    """Environment steps that were asked for."""
    result: str
    """Success or return of the last episodes."""


def list_runs(config: RunsConfig, console: Console | None = None) -> list[Summary]:
    """Print and return a line per run, by name; raises FileNotFoundError where `root` is no folder."""
    console = console or terminal()
    if not config.root.is_dir():
        raise FileNotFoundError(f"{config.root} is no folder; name one that holds runs")
    folders = [config.root, *sorted(path for path in config.root.iterdir() if path.is_dir())]
    found = [summary(folder) for folder in folders if os.path.lexists(folder / "config.json")]
    if not found:
        say(console, f"no runs in {config.root}")
        return found
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("run", "environment", "status"):
        table.add_column(heading, overflow="fold")
    for heading in ("steps", "result"):
        table.add_column(heading, justify="right", overflow="fold")
    for run in found:
        told = (Text(in_one_line(text)) for text in (run.name, run.env_id, run.state))
        table.add_row(*told, _steps(run), run.result)
    console.print(table)
    return found


def summary(folder: Path) -> Summary:
    """What the files of a run say; damaged ones are named instead of raised."""
    run = RunFolder(folder)
    log, problems = _last_metrics(run.metrics_path), []
    env_id, total, state = "?", None, "no status"
    try:
        document = run.read_config()
        env_id, total = str(document.get("env_id", "?")), _whole(_mapping(document.get("train")).get("total_steps"))
    except UnfitFile as error:
        problems.append(str(error).removeprefix(f"{folder}{os.sep}"))
    except OSError as error:
        problems.append(f"config.json: {error.strerror}")
    step = _whole(log.get("step"))
    rate = log.get("success_rate")
    try:
        status = read_status(run.status_path)
        state = status.present_state()
        step = status.step if step is None else step
        rate = status.success_rate if rate is None else rate
    except FileNotFoundError:
        pass
    except (ValueError, OSError):
        problems.append("status.json damaged")
    return Summary(folder.name, env_id, "; ".join(problems) or state, step, total, _result(rate, log))


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


def _result(rate: Any, log: Mapping[str, Any]) -> str:
    success, mean_return = _number(rate), _number(log.get("mean_return"))
    if success is not None:
        return f"success {success:.1%}"
    return "" if mean_return is None else f"return {mean_return:.1f}"


def _steps(run: Summary) -> str:
    known = [f"{count:,}" for count in (run.step, run.total_steps) if count is not None]
    return "/".join(known) if run.step is not None else "0" if known else "?"
