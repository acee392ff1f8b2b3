"""The knowledge in the senses of a trained policy: `mmrl probe RUN`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmrl.evaluation.probes import OTHER_EPISODE, PROBES, SHUFFLED, Answer, ProbeRows, probe_all, targets_of
from mmrl.evaluation.probes.base import learning_library
from mmrl.evaluation.rates import divisor_worlds
from mmrl.representation.cca import canonical_directions
from mmrl.settings.documents import fit
from mmrl.settings.named import Settings
from mmrl_agents.evaluation.evaluate import reset_options
from mmrl_agents.evaluation.probes.collect import RAW, SENSES, rows_of_episodes
from mmrl_agents.evaluation.probes.probe_picture import draw
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.shipped import DEFAULT_POLICY
from mmrl_agents.policies.trained import TrainedPolicy, load_policy
from mmrl_agents.records.files import write_json
from mmrl_agents.records.terminal import say, terminal

DOCUMENT, PICTURE = "probes.json", "probes.png"
COMPONENTS = 64
"""Principal components of raw readings, where a sense has more numbers."""
SHARED, _RIDGE = 5, 1e-2
"""Pairs of directions that count as shared; added to variances of 1."""


@dataclass(frozen=True)
class ProbeConfig:
    """Say what can be read off the frozen features of a policy: off each sense, all together, and the raw readings."""

    run: tyro.conf.Positional[str] = DEFAULT_POLICY
    """Folder of a run or of an exported policy, or the name of a pretrained one."""
    episodes: int = 60
    """Episodes to play."""
    every: int = 6
    """Control steps between the instants that count."""
    test_share: float = 0.33
    """Share of the episodes that nothing is learned from, and all is judged by."""
    probes: tuple[str, ...] = ()
    """neighbours, linear, linear_svm, kernel_svm, kernels; all where none is named."""
    num_worlds: int = 20
    """Most worlds side by side; taken is the largest number up to this that divides episodes."""
    seed: int = 30_000
    """Of the episodes and of all draws."""
    checkpoint: str = "best"
    """best, last or a checkpoint file."""
    context: Settings = field(default_factory=dict)
    """Values of the task's context, such as clearance_mm, in place of those of the training."""
    output: Path | None = None
    """Folder for probes.json and probes.png; unset, that of the run."""
    trust: tuple[str, ...] = ()
    """Modules that the run may import, where it was not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self, "")
        for name in ("episodes", "every", "num_worlds"):
            if vars(self)[name] < 1:
                raise ValueError(f"{name} must be at least 1, got {vars(self)[name]}")
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share must lie between 0 and 1, got {self.test_share:g}")
        if unknown := [name for name in self.probes if name not in PROBES]:
            raise ValueError(f"unknown probes {', '.join(unknown)}; there are {', '.join(PROBES)}")


@dataclass(frozen=True)
class SharedBySenses:
    """Two senses and the directions in which they say the same."""

    senses: tuple[str, str]
    """Names."""
    correlations: tuple[float, ...]
    """Of the first canonical directions, on episodes that these were not learned from."""


@dataclass(frozen=True, eq=False)
class ProbeReport:
    """The answers of all probes."""

    answers: tuple[Answer, ...]
    """Every probe on every source and target."""
    shared: tuple[SharedBySenses, ...]
    """Every pair of senses."""
    constant: tuple[str, ...]
    """Targets that do not vary, and say nothing."""
    rows: tuple[int, int]
    """Rows that were learned from, and that were judged by."""

    def best(self, source: str, target: str) -> Answer | None:
        """The answer of the probe that reads a target best off a source; None where there is none."""
        found = [each for each in self.answers if (each.source, each.target.name) == (source, target)]
        return max(found, key=lambda each: each.score.value, default=None)


def probe_policy(config: ProbeConfig, console: Console | None = None) -> ProbeReport:
    """Play, probe, print and write.

    Raises ValueError for a policy without perception and worlds without anything to read off, ImportError without
    scikit-learn, and as loading a policy does.
    """
    console = console or terminal()
    learning_library("svm")
    trained = load_policy(config.run, "cpu", config.checkpoint, config.trust)
    with Progress(console=console, transient=True) as progress:
        rows = compressed(_played(config, trained, progress), config.test_share, config.seed)
        train, test = rows.split(config.test_share, config.seed)
        probes = {name: kind() for name, kind in PROBES.items() if name in (config.probes or PROBES)}
        found, constant = targets_of(train, test)
        single = sum(len(parts) < 2 for parts in train.sources.values())
        left_out = sum(probe.weighs_parts for probe in probes.values()) * single
        task = progress.add_task("probing", total=len(found) * (len(probes) * len(train.sources) - left_out))
        answers = probe_all(train, test, probes, SENSES, config.seed, lambda: progress.advance(task))
    shared = tuple(shared_by(train, test))
    report = ProbeReport(tuple(answers), shared, tuple(constant), (len(train.episodes), len(test.episodes)))
    print_probes(report, list(rows.sources), trained.env_id, console)
    _write(config, report, list(rows.sources), console)
    return report


def compressed(rows: ProbeRows, test_share: float, seed: int) -> ProbeRows:
    """Raw readings of many numbers as their principal components, found in the rows that are learned from alone."""
    train, _ = rows.split(test_share, seed)
    parts = {}
    for name, values in rows.sources[RAW].items():
        parts[name] = values
        most = min(COMPONENTS, len(train.episodes))
        if values.shape[1] > most:
            # The solver does not depend on how many processors there are.
            analysis = learning_library("decomposition").PCA(most, svd_solver="full")
            parts[name] = analysis.fit(train.sources[RAW][name]).transform(values)
    return ProbeRows({**rows.sources, RAW: parts}, rows.targets, rows.episodes)


def shared_by(train: ProbeRows, test: ProbeRows) -> list[SharedBySenses]:
    """Canonical directions of each pair of senses in the rows learned from, and their correlations in the others."""
    encodings, others = train.sources[SENSES], test.sources[SENSES]
    found = []
    for first, second in combinations(encodings, 2):
        sides = [_standardised(encodings[name], others[name]) for name in (first, second)]
        known = [torch.from_numpy(side[0]) for side in sides]
        directions = canonical_directions(known[0], known[1], SHARED, _RIDGE)
        left = directions.of_left(torch.from_numpy(sides[0][1])).numpy()
        right = directions.of_right(torch.from_numpy(sides[1][1])).numpy()
        pairs = zip(left.T, right.T, strict=True)
        correlations = [float(np.corrcoef(x, y)[0, 1]) if x.std() * y.std() > 0 else 0.0 for x, y in pairs]
        found.append(SharedBySenses((first, second), tuple(correlations)))
    return found


def print_probes(report: ProbeReport, sources: Sequence[str], title: str, console: Console) -> None:
    """A row for each target: how well the best probe reads it off each source, with half of its interval."""
    columns = (*sources, OTHER_EPISODE, SHUFFLED)
    table = Table("target", "", *columns, "most weight", title=f"{title}: the best probe")
    for target in dict.fromkeys(answer.target for answer in report.answers):
        cells = [_cell(report.best(source, target.name)) for source in columns]
        table.add_row(target.name, "accuracy" if target.is_class else "R²", *cells, _weights(report, target.name))
    console.print(table)
    for pair in report.shared:
        shown = ", ".join(f"{value:.2f}" for value in pair.correlations)
        say(console, f"{' and '.join(pair.senses)} share directions that correlate by {shown}")
    if report.constant:
        say(console, f"nothing varies in {', '.join(report.constant)}")
    say(console, f"learned from {report.rows[0]:,} rows, judged by {report.rows[1]:,} of other episodes")


def _cell(answer: Answer | None) -> str:
    if answer is None:
        return "-"
    return f"{answer.score.value:.2f} ±{(answer.score.high - answer.score.low) / 2:.2f}"


def _weights(report: ProbeReport, target: str) -> str:
    weighed = [each for each in report.answers if each.weights and each.source == SENSES and each.target.name == target]
    if not weighed:
        return ""
    name, weight = max(weighed[0].weights.items(), key=lambda part: part[1])
    return f"{name} {weight:.2f}"


def _played(config: ProbeConfig, trained: TrainedPolicy, progress: Progress) -> ProbeRows:
    worlds = divisor_worlds(config.episodes, config.num_worlds)
    task = progress.add_task("playing", total=config.episodes)
    with closing(trained.worlds.make(worlds)) as envs:
        return rows_of_episodes(
            TorchPolicy(trained.policy, trained.action_space, seed=config.seed),
            envs,
            config.episodes // worlds,
            config.every,
            config.seed,
            reset_options(trained, config.context, envs),
            lambda finished: progress.update(task, completed=finished),
        )


def _standardised(
    train: np.ndarray[Any, np.dtype[np.float64]], test: np.ndarray[Any, np.dtype[np.float64]]
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]]:
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    scale = np.where(deviation > 1e-9, deviation, np.inf)
    return (train - mean) / scale, (test - mean) / scale


def _write(config: ProbeConfig, report: ProbeReport, sources: Sequence[str], console: Console) -> None:
    folder = config.output or (Path(config.run) if Path(config.run).is_dir() else None)
    if folder is None:
        say(console, "nothing is written: name a folder, --output DIR")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / DOCUMENT, document_of(config, report))
    draw(report, sources, folder / PICTURE)
    say(console, f"wrote {folder / DOCUMENT} and {PICTURE}")


def document_of(config: ProbeConfig, report: ProbeReport) -> Mapping[str, Any]:
    """The document of probes.json."""
    return {
        "run": config.run,
        "episodes": config.episodes,
        "every": config.every,
        "seed": config.seed,
        "context": dict(config.context),
        "rows": list(report.rows),
        "constant": list(report.constant),
        "answers": [asdict(answer) for answer in report.answers],
        "shared": [asdict(pair) for pair in report.shared],
    }
