"""`mmrl sweep`: search settings of a training with Optuna.

The folder holds the study and a folder of runs for each trial, and in the end a table, pictures and the best settings.
Called again with the same settings, on this machine or another that shares the folder, it goes on with the trials.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmrl_agents.comparing.sweeping.config import SweepConfig
from mmrl_agents.comparing.sweeping.space import with_settings
from mmrl_agents.comparing.sweeping.study import open_study, spelled
from mmrl_agents.comparing.sweeping.trials import outcomes, run_trials
from mmrl_agents.records.files import UnfitFile, read_json, write_atomically, write_json
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.recorded import config_to_dict
from mmrl_agents.training.interruption import listening_for_stop

if TYPE_CHECKING:
    from optuna.study import Study

MANIFEST, BEST, TABLE = "sweep.json", "best.yaml", "trials.json"
_OF_A_RUN = ("run_dir", "runs_root", "resume", "seed", "recipe")
_SHOWN = 10


def sweep(config: SweepConfig, console: Console | None = None) -> bool:
    """Run the trials and write the report; false where somebody asked to stop.

    Raises ValueError for a setting that does not exist, a folder of another sweep, and where no trial came to an end.
    """
    console = console or terminal()
    _require_optuna()
    config.require_sound()
    open_study(config.path, config.aim, config.train.seed)
    _require_same(config)
    say(console, f"{config.trials} trials of {config.train.env}, folder {config.path}")
    with listening_for_stop() as stop:
        workers = [_started(config, number) for number in range(config.sweep_workers)]
        for worker in workers:
            worker.join()
    if stop.asked:
        say(console, f"interrupted; the same command goes on in {config.path}")
        return False
    if failed := [worker.exitcode for worker in workers if worker.exitcode]:
        say(console, f"{len(failed)} of {len(workers)} workers ended early; the same command goes on", "yellow")
    _report(config, open_study(config.path, config.aim, config.train.seed), console)
    return True


def _started(config: SweepConfig, number: int) -> multiprocessing.process.BaseProcess:
    # A fork would inherit the threads' locks of torch and MuJoCo, but not the threads.
    worker = multiprocessing.get_context("spawn").Process(target=run_trials, args=(config, number))
    worker.start()
    return worker


def _require_optuna() -> None:
    try:
        import optuna
    except ImportError as error:
        raise ValueError("mmrl sweep needs Optuna: pip install 'mmrl[sweep]'") from error
    assert optuna


def _require_same(config: SweepConfig) -> None:
    """Raise ValueError where the folder holds trials of another sweep."""
    path, own = config.path / MANIFEST, config.identity()
    try:
        before = read_json(path)
    except FileNotFoundError:
        write_json(path, own)
        return
    except UnfitFile as error:
        raise ValueError(f"{path} is damaged: {error}; choose another --folder") from error
    different = [name for name, value in own.items() if before.get(name) != value]
    if different:
        raise ValueError(
            f"{config.path} holds a sweep with another {', '.join(different)}, as {path} says; choose another --folder"
        )


def _report(config: SweepConfig, study: Study, console: Console) -> None:
    rows = outcomes(study)
    write_json(config.path / TABLE, {"objective": config.objective, "trials": rows})
    _show(rows, config, console)
    best = rows[0] if rows else {}
    if best.get("value") is None:
        reasons = [str(row["reason"]) for row in rows if "reason" in row]
        why = (
            reasons[0]
            if reasons
            else "all were pruned, give --no-prune"
            if rows
            else "the workers ended, as said above"
        )
        raise ValueError(f"no trial came to an end: {why}")
    if config.aim.goal is not None and not any(row.get("reached") for row in rows):
        text = (
            f"no trial reached a judged success of {config.aim.goal:.0%} in {config.train.total_steps:,} steps, so "
            "they are ordered by how near they came: raise --total-steps, or lower the goal of --objective"
        )
        say(console, text, "yellow")
    _write_best(with_settings_of(config, best["params"]), config.path / BEST)
    for name in (BEST, *_draw(study, config.path)):
        say(console, f"wrote {config.path / name}")
    say(console, f"train with:    mmrl train {config.train.env} --config {config.path / BEST}")


def with_settings_of(config: SweepConfig, params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a trial, for `mmrl train --config`, without those of a run."""
    document = config_to_dict(with_settings(config.train, params))
    return {name: value for name, value in document.items() if name not in _OF_A_RUN}


def _write_best(document: Mapping[str, Any], path: Path) -> None:
    text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
    write_atomically(path, lambda stream: stream.write(text.encode()))


def _show(rows: Sequence[Mapping[str, Any]], config: SweepConfig, console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("trial", config.objective, "settings", "reached", "state"):
        table.add_column(heading, overflow="fold")
    for row in rows[:_SHOWN]:
        value = "" if row["value"] is None else f"{row['value']:,.6g}"
        reached = f"{row['reached']} of {config.seeds}" if "reached" in row else ""
        table.add_row(str(row["trial"]), value, Text(spelled(row["params"])), reached, row["state"])
    console.print(table)
    counts = {state: sum(row["state"] == state for row in rows) for state in ("complete", "pruned", "fail")}
    say(console, f"{counts['complete']} trials complete, {counts['pruned']} pruned, {counts['fail']} failed")


def _draw(study: Study, folder: Path) -> list[str]:
    """Optuna's own pictures; those that it cannot draw of so few trials are left out."""
    import warnings

    from optuna.visualization import matplotlib as pictures

    kinds: dict[str, Callable[[Study], Any]] = {
        "history.png": pictures.plot_optimization_history,
        "slices.png": pictures.plot_slice,
        "parallel.png": pictures.plot_parallel_coordinate,
        "importances.png": pictures.plot_param_importances,
    }
    drawn = []
    for name, plot in kinds.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it is experimental
                axes = np.atleast_1d(np.asarray(plot(study))).flat[0]
        except (ValueError, RuntimeError, ImportError):
            continue
        write_atomically(folder / name, partial(axes.get_figure().savefig, format="png", dpi=120))
        drawn.append(name)
    return drawn
