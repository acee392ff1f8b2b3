"""A run as its folder describes it, for a page: what is missing or damaged is a sentence, not an error."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrl_agents.policies.shipped import PREFIX
from mmrl_agents.policies.trained import StoredPolicy, read_stored
from mmrl_agents.records.checkpoint import CheckpointError
from mmrl_agents.records.files import UnfitFile, read_json, read_json_lines
from mmrl_agents.records.marks import EVALUATION, is_marked
from mmrl_agents.records.run_status import RunStatus, read_status
from mmrl_agents.records.runs import RunFolder

BEST, LAST = "best", "last"
SENSES_FILE = "senses.json"
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)
"""Errors of whoever reads a document that was edited, or is of another version."""


@dataclass(frozen=True)
class JudgedOnce:
    """A document of `mmrl evaluate`, and where it was found."""

    path: Path
    """The file."""
    document: Mapping[str, Any]
    """Its content."""

    @property
    def is_of_senses(self) -> bool:
        """Whether it is what `mmrl evaluate --senses` writes."""
        return "worth" in self.document

    @property
    def is_ours(self) -> bool:
        """Whether this user played its episodes."""
        return is_marked(EVALUATION, self.document)


@dataclass(frozen=True)
class RunOnRecord:
    """A run, an exported policy or one that comes with the package, as far as its files tell."""

    source: str
    """How the user named it."""
    name: str
    """How the page names it."""
    folder: RunFolder
    """Its folder."""
    document: Mapping[str, Any]
    """Its config.json."""
    weights: Path | None
    """The file of the weights that the page speaks of; None where there are none that can be read."""
    checkpoint: str
    """How `load_policy` finds them."""
    step: int | None
    """Environment steps that they were trained for."""
    evaluation: JudgedOnce | None
    """The evaluation of these weights."""
    senses: JudgedOnce | None
    """The evaluation of what each sense is worth to these weights."""
    metrics: tuple[Mapping[str, Any], ...]
    """The lines of metrics.jsonl."""
    status: RunStatus | None
    """The last word of the training."""
    problems: tuple[str, ...]
    """Sentences on what is missing, damaged or of other weights."""


def read_record(
    source: str, name: str, checkpoint: str | None = None, evaluations: Sequence[JudgedOnce] = ()
) -> RunOnRecord:
    """Read a run; `evaluations` from elsewhere count where they are of its weights.

    Without a checkpoint the weights are the best ones, or else the last where those are the ones that were judged.

    Raises FileNotFoundError for what is no run, and UnfitFile where its config.json holds no JSON object.
    """
    problems: list[str] = []
    stored: StoredPolicy | None = None
    try:
        stored = read_stored(source, checkpoint or BEST)
        folder = stored.run
    except CheckpointError as error:
        problems.append(f"There are no weights to judge or to film: {error}.")
        folder = RunFolder.open(Path(source))
    found = [*evaluations, *_in_folder(folder, problems)]
    fitting = _fitting(found, stored)
    if checkpoint is None and not fitting and stored is not None and not folder.is_exported:
        last = read_stored(source, LAST)
        fitting = _fitting(found, last)
        stored, checkpoint = (last, LAST) if fitting else (stored, BEST)
    evaluation = next((judged for judged in fitting if not judged.is_of_senses), None)
    senses = next((judged for judged in fitting if judged.is_of_senses), None)
    if stored is not None:
        others = [judged for judged in found if judged not in fitting and judged not in evaluations]
        problems += _missing(source, stored.path, evaluation, senses, others)
    return RunOnRecord(
        source,
        name,
        folder,
        folder.read_config() if stored is None else stored.document,
        None if stored is None else stored.path,
        checkpoint or BEST,
        None if stored is None else stored.step,
        evaluation,
        senses,
        _metrics(folder.metrics_path, problems),
        _status(folder.status_path, problems),
        tuple(problems),
    )


def read_judged(path: Path) -> JudgedOnce:
    """Read what `mmrl evaluate` wrote; raises OSError and UnfitFile, among it for a document of something else."""
    document = read_json(path)
    if not isinstance(document.get("rows"), list) or not isinstance(document.get("config"), Mapping):
        raise UnfitFile(f"{path} is not what mmrl evaluate writes: it has no rows or no config")
    return JudgedOnce(path, document)


def names_of(sources: Sequence[str]) -> list[str]:
    """A short name for each run: that of its folder, or the path from the folder that all have in common."""
    plain = [source.removeprefix(PREFIX).rstrip(os.sep) or os.sep for source in sources]
    short = [Path(source).name or source for source in plain]
    if len(set(short)) == len(short):
        return short
    absolute = [os.path.abspath(source) for source in plain]
    return [os.path.relpath(path, os.path.commonpath(absolute)) for path in absolute]


def _in_folder(folder: RunFolder, problems: list[str]) -> list[JudgedOnce]:
    found: list[JudgedOnce] = []
    for path in (folder.evaluation_path, folder.path / SENSES_FILE):
        try:
            if os.path.lexists(path):
                found.append(read_judged(path))
        except (OSError, UnfitFile) as error:
            problems.append(f"{error}.")
    return found


def _fitting(found: Sequence[JudgedOnce], stored: StoredPolicy | None) -> list[JudgedOnce]:
    """The evaluations that are of these weights; older ones name their file alone."""
    if stored is None:
        return []
    digest, file = stored.digest(), stored.path.name
    named = [(judged, judged.document.get("weights_sha256")) for judged in found]
    return [
        judged
        for judged, of in named
        if of == digest or (of is None and Path(str(judged.document.get("weights", ""))).name == file)
    ]


def _missing(
    source: str,
    weights: Path,
    evaluation: JudgedOnce | None,
    senses: JudgedOnce | None,
    others: Sequence[JudgedOnce],
) -> Iterator[str]:
    """Sentences on evaluations that there are none of, with the commands that make them."""
    command = shlex.join(["mmrl", "evaluate", source])
    if evaluation is None:
        yield f"No evaluation of these weights is on record: run {command}"
    if senses is None:
        yield f"The worth of each sense is not known: run {command} --senses"
    for judged in others:
        of = Path(str(judged.document.get("weights"))).name
        yield f"{judged.path.name} is of other weights, {of}; this page of {weights.name}. --checkpoint takes others."


def _metrics(path: Path, problems: list[str]) -> tuple[Mapping[str, Any], ...]:
    try:
        return tuple(read_json_lines(path)) if os.path.lexists(path) else ()
    except (OSError, UnfitFile) as error:
        problems.append(f"{error}.")
        return ()


def _status(path: Path, problems: list[str]) -> RunStatus | None:
    try:
        return read_status(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        problems.append(f"{error}.")
        return None
