"""Where everything on a page comes from: commands, versions, machines, and what went wrong meanwhile."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmrl_agents.evaluation.evaluate import EvaluateConfig
from mmrl_agents.records.runs import library_versions
from mmrl_agents.settings.history import RESUMES
from mmrl_agents.watching.report.page import PageCell, PageTable
from mmrl_agents.watching.report.record import JudgedOnce, RunOnRecord
from mmrl_agents.worlds.incidents import KINDS

_LEFT_OUT = "skipped_updates_in_all"


def as_command(command: str, config: Any) -> str:
    """The words of a command that have these settings: positional ones, and options that differ from the defaults."""
    kind = type(config)
    positional = next(field.name for field in dataclasses.fields(kind))
    settings, usual = dataclasses.asdict(config), dataclasses.asdict(_with_defaults(kind, config))
    return as_words(command, settings, usual, positional)


def _with_defaults(kind: type[Any], config: Any) -> Any:
    """A config of the kind with nothing but what it cannot do without."""
    needed = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return kind(**{name: vars(config)[name] for name in needed})


def as_words(command: str, settings: Mapping[str, Any], usual: Mapping[str, Any], positional: str = "run") -> str:
    """`mmrl COMMAND POSITIONAL --option ...` with the settings that differ from the usual ones."""
    given = settings[positional]
    first = [given] if isinstance(given, str | Path) else given
    words = [*_words("--", {name: value for name, value in settings.items() if name != positional}, usual)]
    return shlex.join(["mmrl", command, *map(str, first), *words])


def _words(prefix: str, settings: Mapping[str, Any], usual: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        option = f"{prefix}{name.replace('_', '-')}"
        default = usual.get(name)
        if _plain(value) == _plain(default) or value is None:
            continue
        if isinstance(value, bool):
            yield option if value else f"{prefix}no-{name.replace('_', '-')}"
        elif isinstance(value, Mapping) and isinstance(default, Mapping) and default:
            yield from _words(f"{option}.", value, default)
        elif isinstance(value, Mapping):
            yield from (option, *(f"{key}={_spelled(entry)}" for key, entry in value.items()))
        elif isinstance(value, list | tuple):
            yield from (option, *map(str, value))
        else:
            yield from (option, str(value))


def _plain(value: Any) -> Any:
    """A value as JSON has it, so that a tuple is the list that it was written as."""
    return json.loads(json.dumps(value, default=str))


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def commands_table(record: RunOnRecord, watched: str | None) -> PageTable:
    """The commands that made what the page shows; `watched` is that of the first film."""
    rows = [(PageCell("train again"), PageCell(_training(record)))]
    for judged, title in ((record.evaluation, "evaluate"), (record.senses, "worth of the senses")):
        if judged is not None:
            rows.append((PageCell(title), PageCell(_evaluation(judged))))
    if watched is not None:
        rows.append((PageCell("film the first episode below"), PageCell(watched)))
    return PageTable("Commands", ("what", "command"), rows)


def film_command(source: str, seed: int) -> str:
    """The command that films the episode which begins with this seed."""
    return shlex.join(["mmrl", "watch", source, "--seed", str(seed), "--episodes", "1"])


def _training(record: RunOnRecord) -> str:
    return shlex.join(["mmrl", "train", "--config", str(record.folder.config_path)])


def _evaluation(judged: JudgedOnce) -> str:
    usual = dataclasses.asdict(EvaluateConfig())
    return as_words("evaluate", {**usual, **judged.document["config"]}, usual)


def origin_table(record: RunOnRecord) -> PageTable:
    """Versions and machines of the training and of the evaluations, beside those of now."""
    parts: dict[str, Mapping[str, Any]] = {"training": record.document}
    for judged, name in ((record.evaluation, "evaluation"), (record.senses, "worth of the senses")):
        if judged is not None:
            parts[name] = judged.document
    columns = {name: _origin(part) for name, part in parts.items()} | {"this page": dict(library_versions())}
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = [(PageCell(name), *(PageCell(column.get(name, "")) for column in columns.values())) for name in names]
    return PageTable("Versions and machines", ("", *columns), rows)


def _origin(document: Mapping[str, Any]) -> dict[str, str]:
    machine = document.get("machine") or {}
    entries = {**(document.get("versions") or {}), **machine}
    named = {"file of the weights": document["weights"]} if "weights" in document else {}
    return {name: str(value) for name, value in {**entries, **named}.items()}


def incidents_table(record: RunOnRecord) -> PageTable:
    """Incidents that were survived, in the training, and in the evaluations."""
    last = record.metrics[-1] if record.metrics else {}
    rows = [(what, last.get(name)) for name, what in KINDS.items() if name in last]
    rows += [("updates left out because a gradient was not finite", last[_LEFT_OUT])] if _LEFT_OUT in last else []
    for judged in filter(None, (record.evaluation, record.senses)):
        rows += _of_an_evaluation(judged)
    rows += [(f"resumed at step {entry.get('step')}, {entry.get('at')}", None) for entry in _resumes(record)]
    if (status := record.status) is not None:
        rows.append((": ".join(filter(None, (f"the training is {status.present_state()}", status.reason))), None))
    cells = [(PageCell(text), PageCell("" if count is None else f"{count:,.0f}", count)) for text, count in rows]
    return PageTable("Incidents", ("what", "how often"), cells, "" if cells else "Nothing is on record.")


def _of_an_evaluation(judged: JudgedOnce) -> list[tuple[str, float | None]]:
    rows = judged.document["rows"]
    counted = {
        "episodes ended by physics that went wrong": "physics_errors",
        "episodes cut because they went on": "cut_episodes",
        "episodes lost to a number that is not finite": "not_finite_episodes",
    }
    counts = {text: sum(row.get(key, 0) for row in rows) for text, key in counted.items()}
    clipped = sum((judged.document.get("clipped_readings") or {}).values())
    counts["readings beyond their declared bounds, which were clipped"] = clipped
    return [(f"{judged.path.name}: {text}", count) for text, count in counts.items()]


def _resumes(record: RunOnRecord) -> list[Mapping[str, Any]]:
    resumes = record.document.get(RESUMES, [])
    return [entry for entry in resumes if isinstance(entry, Mapping)] if isinstance(resumes, list) else []
