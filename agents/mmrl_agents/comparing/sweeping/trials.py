"""The trainings of one trial after the other, as a worker of a sweep runs them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mmrl_agents.comparing.sweeping.config import SweepConfig
from mmrl_agents.comparing.sweeping.space import with_settings
from mmrl_agents.comparing.sweeping.study import Claimed, claim_trial, open_study, spelled
from mmrl_agents.records.files import read_json_lines
from mmrl_agents.records.run_status import FINISHED, read_status
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.judge import SUCCESS
from mmrl_agents.training.train import train

if TYPE_CHECKING:
    from optuna.study import Study

PRUNED = "pruned: other trials had more success by then"


def run_trials(config: SweepConfig, worker: int) -> None:
    """Take trials until there are as many as asked for, or somebody asks to stop."""
    study = open_study(config.path, config.aim, config.train.seed + 1000 * worker)
    while (claimed := claim_trial(study, config.path, config.axes, config.trials)) is not None:
        try:
            if not _run(study, claimed, config):
                return
        finally:
            claimed.lock.release()


def _run(study: Study, claimed: Claimed, config: SweepConfig) -> bool:
    """Train a policy for each seed and report the mean; false where somebody asked to stop."""
    from optuna.trial import TrialState

    trial, values, reached = claimed.trial, list[float](), 0
    console = terminal()
    for seed in config.all_seeds:
        run = RunFolder(claimed.folder / f"s{seed}")
        try:
            interrupted = _trained(run, with_settings(config.train, trial.params), seed, claimed, config)
        except ValueError as error:  # of these settings, or numbers that they led to
            trial.set_user_attr("reason", str(error))
            study.tell(trial.number, state=TrialState.FAIL)
            say(console, f"trial {trial.number} failed: {error}", "yellow")
            return True
        if interrupted:
            return False
        if read_status(run.status_path).reason == PRUNED:
            study.tell(trial.number, state=TrialState.PRUNED)
            say(console, f"trial {trial.number} pruned ({spelled(trial.params)})")
            return True
        log = list(read_json_lines(run.metrics_path))
        values.append(config.aim.value(log))
        reached += config.aim.reached(log)
    trial.set_user_attr("reached", reached)
    value = statistics.fmean(values)
    study.tell(trial.number, value if math.isfinite(value) else None, None if math.isfinite(value) else TrialState.FAIL)
    say(console, f"trial {trial.number}: {config.objective} {value:,.6g} ({spelled(trial.params)})")
    return True


def _trained(run: RunFolder, settings: TrainConfig, seed: int, claimed: Claimed, config: SweepConfig) -> bool:
    """Begin a run, go on with it, or leave it as it is once it has ended; says whether somebody asked to stop."""
    if run.status_path.exists() and read_status(run.status_path).state == FINISHED:
        return False
    goal = config.aim.goal or settings.stop_at_judged_success
    own = replace(settings, seed=seed, evaluate_episodes=0, processes=1, stop_at_judged_success=goal)
    own = replace(own, resume=run.path) if run.config_path.exists() else replace(own, run_dir=run.path)
    first = seed == config.all_seeds[0]

    def stopping(step: int, metrics: Mapping[str, float]) -> str | None:
        return _pruned(claimed, step, metrics, config) if first else None

    return train(own, Console(quiet=True), stop_when=stopping).interrupted


def _pruned(claimed: Claimed, step: int, metrics: Mapping[str, float], config: SweepConfig) -> str | None:
    """Why a training ends that is judged worse than half the others were by then, or None."""
    success, every = metrics.get(SUCCESS), config.train.judge_every
    if success is None or every is None or not config.prune:
        return None
    # Optuna takes what is reported the way of the objective.
    claimed.trial.report(success if config.aim.goal is None else -success, step // every)
    return PRUNED if claimed.trial.should_prune() else None


def outcomes(study: Study) -> list[dict[str, Any]]:
    """A row for each trial: number, state, value, settings, what else is known; the best first."""
    worst = math.inf if study.direction.name == "MINIMIZE" else -math.inf
    sign = 1.0 if study.direction.name == "MINIMIZE" else -1.0
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "value": trial.value if trial.state.name == "COMPLETE" else None,
            "params": trial.params,
            **trial.user_attrs,
        }
        for trial in study.get_trials(deepcopy=False)
    ]
    return sorted(rows, key=lambda row: sign * (worst if row["value"] is None else row["value"]))
