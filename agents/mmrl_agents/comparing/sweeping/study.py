"""The study of a sweep: a folder with Optuna's journal, and for each trial a folder of runs and a lock.

Whoever holds the lock of a trial is at it. A worker that ends leaves its trial to the next one, which goes on from the
checkpoints of its runs; so nothing is lost, and no trial runs twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmrl_agents.comparing.sweeping.objectives import Aim
from mmrl_agents.comparing.sweeping.space import Searched
from mmrl_agents.records.lock import FolderInUse, FolderLock

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

_STUDY = "mmrl"


@dataclass(frozen=True, eq=False)
class Claimed:
    """A trial that nobody else is at."""

    trial: Trial
    """As Optuna knows it."""
    folder: Path
    """Where its runs are."""
    lock: FolderLock
    """To be released."""


def open_study(folder: Path, objective: Aim, seed: int) -> Study:
    """The study in a folder, begun if need be; several processes and machines may have it open."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
            study_name=_STUDY,
            direction=objective.direction,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
        )
        # One that goes on must not draw again what it drew before.
        (word,) = np.random.SeedSequence([seed, len(study.get_trials(deepcopy=False))]).generate_state(1).tolist()
        # Of the trials that others are at it thinks as of poor ones, and so looks elsewhere.
        study.sampler = optuna.samplers.TPESampler(seed=word, constant_liar=True)
        return study


def claim_trial(study: Study, folder: Path, space: tuple[Searched, ...], trials: int) -> Claimed | None:
    """A trial that was begun and left, else a new one, None once there are as many as asked for."""
    from optuna.trial import Trial, TrialState

    with _alone(folder):
        for begun in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            claimed = _locked(Trial(study, begun._trial_id), folder)
            if claimed is not None:
                return claimed
        if len(study.get_trials(deepcopy=False)) >= trials:
            return None
        return _locked(study.ask({axis.name: axis.distribution for axis in space}), folder)


def _locked(trial: Trial, folder: Path) -> Claimed | None:
    own = folder / "trials" / f"{trial.number:04d}"
    own.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(own)
    try:
        lock.acquire()
    except FolderInUse:
        return None
    return Claimed(trial, own, lock)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from asking for a trial meanwhile."""
    lock = FolderLock(folder)
    while True:
        try:
            lock.acquire()
            break
        except FolderInUse:
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.release()


def spelled(params: dict[str, Any]) -> str:
    """Settings of a trial in one line."""
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()
    )
