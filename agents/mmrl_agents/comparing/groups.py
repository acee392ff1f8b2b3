"""Runs in groups: those that differ in their seed alone, or that lie in one folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrl_agents.records.files import read_json_lines
from mmrl_agents.records.list_runs import run_folders
from mmrl_agents.records.runs import RunFolder

# Settings that say where a run is, how long it is looked after and on what it runs, but not what is learned.
_BESIDE = frozenset(
    {"seed", "runs_root", "run_dir", "resume", "threads", "processes", "rank_timeout_s", "device", "workers"}
    | {"worker_timeout_s", "checkpoint_every_minutes", "keep_checkpoints", "evaluate_episodes", "trust", "total_steps"}
    | {"time_limit_minutes"}
)


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that count as one."""

    name: str
    """The folder that they lie in, or what sets them apart from the other groups."""
    logs: tuple[Sequence[Mapping[str, Any]], ...]
    """The lines of metrics.jsonl of each."""


def groups_of(paths: Sequence[Path]) -> list[Group]:
    """The groups of some runs and folders of runs, in the order in which they are named.

    Raises FileNotFoundError where a path is no folder or holds no run, ValueError where a run has logged nothing.
    """
    folders: dict[str, list[Path]] = {}
    settings: dict[str, dict[str, Any]] = {}
    for path in paths:
        for run in _runs_of(path):
            own = dict(_flat(_settings_of(run)))
            key = str(path) if run != path else repr(sorted(own.items()))
            folders.setdefault(key, []).append(run)
            if run == path:
                settings[key] = own
    names = _names(folders, settings)
    return [Group(names[key], tuple(map(_log_of, runs))) for key, runs in folders.items()]


def _runs_of(path: Path) -> list[Path]:
    runs = list(run_folders(path)) if path.is_dir() else []
    if not runs:
        raise FileNotFoundError(f"{path} holds no run: name run folders, or folders of them")
    return runs


def _settings_of(run: Path) -> dict[str, Any]:
    train = RunFolder(run).read_config().get("train")
    return {name: value for name, value in train.items() if name not in _BESIDE} if isinstance(train, dict) else {}


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Settings by their full names, as text."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def _names(folders: Mapping[str, Sequence[Path]], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """A name for each group: of a folder its own, of other runs the settings in which their groups differ."""
    known = dict.fromkeys(name for of_group in settings.values() for name in of_group)
    apart = [name for name in known if len({of_group.get(name) for of_group in settings.values()}) > 1]
    names = {}
    for key, runs in folders.items():
        differences = [f"{name}={settings[key].get(name, 'unset')}" for name in apart] if key in settings else [key]
        names[key] = ", ".join(differences) or runs[0].name
    return names


def _log_of(run: Path) -> list[dict[str, Any]]:
    log = list(read_json_lines(RunFolder(run).metrics_path)) if RunFolder(run).metrics_path.exists() else []
    if not log:
        raise ValueError(f"{run} has logged nothing yet: leave it out, or train it")
    return log
