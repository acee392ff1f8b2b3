"""`mmrl ablate`: a policy for every subset of senses and every seed, judged on the same episodes.

The folder holds a manifest of the settings, a run folder for each policy, and the report. Called again with the same
settings it goes on where it stopped: what is finished is left alone, what was begun is resumed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from mmrl.settings.documents import fit
from mmrl.settings.effects import Reads, require_effect
from mmrl_agents.ablation.ablation_report import write_report
from mmrl_agents.ablation.results import AblationReport, Judged
from mmrl_agents.ablation.subsets import JOINT, SUBSETS, SenseNames, expand, senses_and_choice
from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.records.files import read_json, require_folder, write_json
from mmrl_agents.records.marks import EVALUATION, is_marked
from mmrl_agents.records.run_status import FINISHED, read_status
from mmrl_agents.records.runs import RunFolder, library_versions
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.config import TrainConfig, described_config
from mmrl_agents.settings.readers import by
from mmrl_agents.settings.recorded import config_to_dict
from mmrl_agents.settings.starting_points import started_from
from mmrl_agents.training.train import train
from mmrl_agents.worlds.trust import marked_config, targets_of

MANIFEST = "ablation.json"


_OWN_SETTINGS = ("seed", "run_dir", "resume", "evaluate_episodes")
_OF_THE_MACHINE = ("threads", "device", "processes", "rank_timeout_s", "runs_root")
_WITHOUT_EFFECT = {*_OF_THE_MACHINE, "checkpoint_every_minutes", "keep_checkpoints", *_OWN_SETTINGS}
_CHOSEN = Reads(_OWN_SETTINGS, lambda c: False, "an ablation chooses it for every training by itself")


@dataclass(frozen=True)
class AblateConfig:
    """Train a policy per subset of the senses and per seed, and say what each subset comes to."""

    train: Annotated[TrainConfig, tyro.conf.arg(name="")]
    """Every training; its options are those of `mmrl train`."""
    subsets: tuple[str, ...] = ("all",)
    """all, single, leave-one-out, or subsets written as camera+force_torque; several are put together."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """A training of each subset for each of these."""
    episodes: int = 200
    """Episodes on which each policy is judged, the same ones for all."""
    evaluation_seed: int = 10_000
    """Decides those episodes."""
    folder: Path | None = None
    """Where all runs and the report go; unset is a folder named after the environment in runs_root."""

    def __post_init__(self) -> None:
        fit(self)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must be given, each once, got {self.seeds}")
        if not self.subsets:
            raise ValueError(f"no subsets given; there are {', '.join(SUBSETS)}, or senses joined by {JOINT}")
        if self.episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {self.episodes}")

    @property
    def path(self) -> Path:
        """The folder."""
        short = re.sub(r"[^A-Za-z0-9.-]+", "-", self.train.env.rpartition("/")[2])
        return self.folder or self.train.runs_root / f"ablation_{short}"


@dataclass(frozen=True)
class Cell:
    """One policy of the ablation."""

    senses: SenseNames
    """That it has."""
    seed: int
    """Of its training."""
    config: TrainConfig
    """Of its training; `resume` names the folder of the run."""
    run: RunFolder = field(compare=False)
    """That folder."""

    @property
    def label(self) -> str:
        """The senses in one word."""
        return JOINT.join(self.senses)

    @property
    def is_trained(self) -> bool:
        """Whether the training came to an end of its own."""
        return _is_trained(self.run)


@dataclass(frozen=True)
class AblationResult:
    """The result of an ablation."""

    folder: Path
    report: AblationReport | None
    interrupted: bool


def ablate(config: AblateConfig, console: Console | None = None) -> AblationResult:
    """Train and judge what is not yet, then write the report.

    Returns early, without a report, where somebody asks to stop.

    Raises ValueError for subsets of senses that the environment has not, for a folder of other settings, and, once
    all others are trained and reported, naming the trainings that failed.
    """
    console = console or terminal()
    require_effect_of(config)
    senses, chosen_by = senses_and_choice(config.train)
    subsets = expand(config.subsets, senses)
    config.train.dropped_senses(senses)  # refuses what is no sense here, before any training
    _write_manifest(config, subsets)
    cells = [
        _cell(config, chosen_by(config.train, senses, subset), subset, seed)
        for seed in config.seeds
        for subset in subsets
    ]
    failures: list[str] = []
    for cell in _with_progress(cells, console):
        try:
            if not cell.is_trained and train(_begun(cell), console).interrupted:
                again = f"go on with the same command; the runs are in {config.path}"
                say(console, again)
                return AblationResult(config.path, None, interrupted=True)
        except (ValueError, RuntimeError, OSError) as error:
            if not cell.run.metrics_path.exists():  # not a training gone wrong but settings that are, in all cells
                raise
            failures.append(f"{cell.run.path}: {error}")
            continue
        _judge(cell, config)
    judged = _all_judged(config, senses)
    report = write_report(config.path, config.train.env, judged, console) if judged else None
    if failures:
        raise ValueError(f"trainings failed: {'; '.join(failures)}")
    return AblationResult(config.path, report, interrupted=False)


def require_effect_of(config: AblateConfig, given: Collection[str] = ()) -> None:
    """Raise ValueError naming settings that neither an ablation nor its trainings read, as `require_effect` does."""
    place = Reads(("runs_root",), lambda c: config.folder is None, "the folder of the ablation is given")
    require_effect(config.train, (_CHOSEN, place, *by(config.train)), started_from(config.train), given)


def _is_trained(run: RunFolder) -> bool:
    try:
        return read_status(run.status_path).state == FINISHED
    except (FileNotFoundError, ValueError):
        return False


def _run_of(config: AblateConfig, subset: SenseNames, seed: int) -> RunFolder:
    run = RunFolder(config.path / JOINT.join(subset) / f"seed_{seed}")
    for folder in (run.path.parent, run.path):
        require_folder(folder)
    return run


def _cell(config: AblateConfig, training: TrainConfig, subset: SenseNames, seed: int) -> Cell:
    run = _run_of(config, subset, seed)
    dropped = {name: share for name, share in training.sense_dropout_of.items() if name in subset}
    training = replace(
        training, sense_dropout_of=dropped, seed=seed, evaluate_episodes=0, run_dir=None, resume=run.path
    )
    return Cell(subset, seed, training, run)


def _begun(cell: Cell) -> TrainConfig:
    """The training, in a folder that a killed one can be resumed from at any time."""
    if not cell.run.config_path.is_file():
        RunFolder.create(cell.run.path).write_config(marked_config({"train": config_to_dict(cell.config)}))
    return cell.config


def _write_manifest(config: AblateConfig, subsets: Sequence[SenseNames]) -> None:
    """Say what is in the folder; raises ValueError where it is an ablation of other settings."""
    path = config.path / MANIFEST
    settings = _with_effect(config.train)
    before: Mapping[str, Any] = read_json(path) if path.exists() else {}
    if not before and config.path.exists() and any(config.path.iterdir()):
        raise ValueError(f"{config.path} is not empty and no ablation: it has no {MANIFEST}; choose another --folder")
    begun = _with_effect(described_config(before, MANIFEST)) if before else settings  # perhaps by an older version
    other = [name for name, value in settings.items() if begun[name] != value]
    if other:
        raise ValueError(
            f"{config.path} is an ablation of other settings ({', '.join(other)}); give those, or another --folder"
        )
    config.path.mkdir(parents=True, exist_ok=True)
    labels = [JOINT.join(subset) for subset in subsets]
    write_json(
        path,
        {
            "train": settings,
            "subsets": list(dict.fromkeys([*before.get("subsets", []), *labels])),
            "seeds": sorted({*before.get("seeds", []), *config.seeds}),
            "versions": library_versions(),
        },
    )


def _with_effect(training: TrainConfig) -> dict[str, Any]:
    return {name: value for name, value in config_to_dict(training).items() if name not in _WITHOUT_EFFECT}


def _all_judged(config: AblateConfig, senses: SenseNames) -> list[Judged]:
    """The policies of the folder that have played these episodes, whichever command or terminal trained them."""
    manifest = read_json(config.path / MANIFEST)
    runs = [
        (subset, seed, _run_of(config, subset, seed))
        for seed in manifest["seeds"]
        for subset in expand(manifest["subsets"], senses)
    ]
    return [
        Judged(subset, seed, run.path) for subset, seed, run in runs if _is_trained(run) and _has_played(run, config)
    ]


def _with_progress(cells: Sequence[Cell], console: Console) -> Iterator[Cell]:
    """Says before each training which it is and about how long all that are left will take."""
    waiting = [cell for cell in cells if not cell.is_trained]
    begun, trained = time.monotonic(), 0
    for cell in cells:
        if cell in waiting:
            left = (time.monotonic() - begun) / trained * (len(waiting) - trained) / 60 if trained else None
            say(
                console,
                f"training {len(cells) - len(waiting) + trained + 1} of {len(cells)}: {cell.label}, seed {cell.seed}"
                + ("" if left is None else f" ({left:.0f} min left)"),
            )
        yield cell
        trained += cell in waiting


def _judge(cell: Cell, config: AblateConfig) -> None:
    """Play the fixed episodes unless it has been done with the last weights."""
    judging = EvaluateConfig(
        run=str(cell.run.path),
        episodes=config.episodes,
        seed=config.evaluation_seed,
        checkpoint="last",
        device=cell.config.device,
        without=False,  # every subset has a policy of its own here
        trust=tuple(target.module for target in targets_of(config_to_dict(cell.config))),
    )
    if not _has_played(cell.run, config):
        evaluate_run(judging, Console(quiet=True))


def _has_played(run: RunFolder, config: AblateConfig) -> bool:
    """Whether there is an evaluation of ours, of the last weights on the episodes that are asked for."""
    if not run.evaluation_path.exists():
        return False
    document = read_json(run.evaluation_path)
    if not is_marked(EVALUATION, document):
        return False
    asked = document.get("config", {})
    # By its name, since the folder may have been copied, or be called otherwise from where we are.
    played = asked.get("episodes"), asked.get("seed"), Path(document.get("weights", "")).name
    return played == (config.episodes, config.evaluation_seed, run.checkpoint("last").name)
