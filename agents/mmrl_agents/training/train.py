"""Training: build a run, update until there is a reason to stop, save, evaluate."""

import shlex
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from mmrl.settings.effects import require_effect
from mmrl_agents.machine.cpu import keep_freed_memory, use_cores
from mmrl_agents.machine.ranks import ALONE, Ranks
from mmrl_agents.records.claiming import claim
from mmrl_agents.records.context_picture import draw_contexts
from mmrl_agents.records.lock import FolderInUse
from mmrl_agents.records.run_status import FAILED, FINISHED, INTERRUPTED, RUNNING, RunStatus, write_status
from mmrl_agents.records.runs import RunFolder, run_name
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.history import RESUMES, resumes_of
from mmrl_agents.settings.readers import by
from mmrl_agents.settings.recorded import config_to_dict
from mmrl_agents.settings.starting_points import begun_as
from mmrl_agents.training.beginning import begin_with, freeze
from mmrl_agents.training.interruption import listening_for_stop
from mmrl_agents.training.progress import TrainingProgress, headline
from mmrl_agents.training.stopping import StopWhen, never
from mmrl_agents.training.tracking import LastingTracking, tracked, trackers_for
from mmrl_agents.training.trainer import Trainer
from mmrl_agents.worlds.incidents import survived
from mmrl_agents.worlds.trust import marked_config, trusted_state

_MOST_IN_A_SECOND = 100


@dataclass(frozen=True)
class TrainResult:
    """The result of a finished training."""

    run_dir: Path
    steps: int
    metrics: dict[str, float]
    wall_time_s: float
    interrupted: bool


class TrainingFailed(ValueError):
    """Training stopped because going on makes no sense; the state is saved."""


def train(
    config: TrainConfig, console: Console | None = None, ranks: Ranks = ALONE, stop_when: StopWhen = never
) -> TrainResult:
    """Train a policy, leave a run folder, evaluate it if the config asks for episodes.

    Settings that are not given are those of the environment's recipe, as `TrainConfig` says. All `ranks` train it
    together, see `joined_ranks`; the first prints and keeps the records. `stop_when` adds a reason to stop.

    Raises FileExistsError where `config.run_dir` is in use, CheckpointError where `config.resume`
    holds no usable checkpoint, ValueError where a setting has no effect, the worlds give a number that is not finite
    or the run is being trained already, TrainingFailed where too many updates were not finite.
    """
    console = (console or terminal()) if ranks.is_first else Console(quiet=True)
    start = time.perf_counter()
    config = _with_processes(config, ranks)
    require_effect(config, by(config), begun_as(config))
    trackers = trackers_for(config.track)
    use_cores(config.threads)
    keep_freed_memory()
    with closing(_opened_by_first(config, ranks)) as run:
        try:
            trainer = Trainer(config, run, ranks)
            with closing(trainer):
                _restore(trainer, console)
                mine, settings = trackers if trainer.ranks.is_first else {}, config_to_dict(config)
                with _reporting_status(trainer, console) as ending, tracked(mine, run, settings) as tracking:
                    ending.reason, interrupted = _loop(trainer, console, tracking, stop_when)
        except BaseException:
            if config.resume is None and ranks.is_first:
                run.discard_unused()
            raise
    result = TrainResult(run.path, trainer.step, trainer.metrics, time.perf_counter() - start, interrupted)
    _say_what_next(result, console)
    if config.evaluate_episodes and not interrupted and ranks.is_first:
        _evaluate(result, config, console)
    return result


def _with_processes(config: TrainConfig, ranks: Ranks) -> TrainConfig:
    """The settings with as many processes as there are; ValueError where others were to be started."""
    if config.processes > 1 and ranks.count == 1:
        raise ValueError(
            f"processes is {config.processes}, but this is one process: `mmrl train` starts them, and torchrun; set "
            "processes to 1 to train in this one"
        )
    return replace(config, processes=ranks.count)


def _opened_by_first(config: TrainConfig, ranks: Ranks) -> RunFolder:
    """The folder of the run, which the first rank holds the lock of."""
    claimed: list[RunFolder] = []

    def opened() -> Path:
        claimed.append(open_run(config))
        return claimed[0].path

    path = ranks.on_first(opened)
    return claimed[0] if claimed else RunFolder(path)


def open_run(config: TrainConfig) -> RunFolder:
    """The folder to continue, or a new one, claimed for this training."""
    if config.resume is not None:
        run = RunFolder.open(config.resume)
        if run.is_exported:
            raise ValueError(
                f"{run.path} is an exported policy, without the state of a training to go on from; resume the run that "
                "it was exported from"
            )
        claim(run)
        return run
    if config.run_dir is not None:
        return _new_run(config.run_dir)
    name = run_name(config.env, config.agent, config.seed, datetime.now())
    for suffix in ("", *(f"_{number}" for number in range(2, _MOST_IN_A_SECOND))):
        with suppress(FileExistsError, FolderInUse):  # another training of the same second has it
            return _new_run(config.runs_root / f"{name}{suffix}")
    return _new_run(config.runs_root / f"{name}_{_MOST_IN_A_SECOND}")


def _new_run(path: Path) -> RunFolder:
    """A new folder, claimed for this training."""
    run = RunFolder.create(path)
    claim(run)
    try:
        RunFolder.create(run.path)  # refuses it where another training has begun, and ended, in between
    except FileExistsError:
        run.close()
        raise
    return run


def _restore(trainer: Trainer, console: Console) -> None:
    """Restore the newest usable checkpoint of a run that goes on; one that has none yet starts again.

    A training that starts takes the weights that its config names to begin with.
    """
    run, document, on_first = trainer.run, trainer.describe(), trainer.ranks.on_first
    if trainer.config.resume is not None:
        before, saved = on_first(lambda: _on_record(trainer))
        if saved is not None:
            path, state = saved
            reason = trainer.restore(path, state)
            on_first(lambda: run.tidy(path))
            if reason:
                say(console, f"new episodes begin: {reason}")
        on_first(lambda: run.forget_metrics_after(trainer.step))
        document[RESUMES] = resumes_of(before, trainer.config, trainer.step)
    init = trainer.config.init
    if trainer.step == 0 and init is not None:
        say(console, on_first(lambda: begin_with(trainer.policy, init, trainer.config.init_except, trainer.senses)))
    freeze(trainer.policy, trainer.config.freeze)
    on_first(lambda: run.write_config(marked_config(document)))


def _on_record(trainer: Trainer) -> tuple[dict[str, Any], tuple[Path, dict[str, Any]] | None]:
    """The settings of a run that goes on, and its newest usable checkpoint, if it has any."""
    run, config = trainer.run, trainer.config
    before = run.read_config()
    if not run.has_checkpoint:
        return before, None
    path, state = run.load("last")
    return before, (path, trusted_state(state, before, config.env_kwargs, config.trust))


@dataclass
class _Ending:
    """How a run ended, as far as is known."""

    reason: str | None = None
    """Why it stopped by itself; None where somebody asked."""


@contextmanager
def _reporting_status(trainer: Trainer, console: Console) -> Iterator[_Ending]:
    """Keeps status.json true from here on, and prints how to go on where an error ends the run."""
    ending = _Ending()
    _report_status(trainer, RUNNING)
    try:
        yield ending
    except BaseException as error:
        asked = isinstance(error, KeyboardInterrupt)
        _report_status(trainer, INTERRUPTED if asked else FAILED, str(error) or type(error).__name__)
        if trainer.updates:
            _say_how_to_resume(trainer.run.path, console)
        raise
    _report_status(trainer, INTERRUPTED if ending.reason is None else FINISHED, ending.reason or "somebody asked")


def _report_status(trainer: Trainer, state: str, reason: str = "") -> None:
    if not trainer.ranks.is_first:
        return
    rate = trainer.metrics.get("success_rate")
    status = RunStatus(state, trainer.step, trainer.config.total_steps, rate, reason)
    try:
        write_status(trainer.run.status_path, status)
    except OSError:  # a full disk, say: the training matters more than its printed end
        return


def _loop(
    trainer: Trainer, console: Console, tracking: LastingTracking, stop_when: StopWhen
) -> tuple[str | None, bool]:
    """Update until there is a reason to stop; returns it, and whether a person or the system asked instead."""
    config, before = trainer.config, trainer.updates
    bar = TrainingProgress(config.total_steps, trainer.step, console)
    with listening_for_stop() as stop:
        say(console, f"{config.env} on {trainer.device}, run folder {trainer.run.path}")
        if trainer.step == 0:
            trainer.begin()
        saved = time.monotonic()
        with bar:
            another: str | None = None
            while (reason := trainer.reason_to_stop() or another) is None and not trainer.ranks.any(stop.asked):
                trainer.advance(lambda: stop.asked)
                bar.update(trainer.step, trainer.metrics)
                tracking.log(trainer.step, trainer.metrics)
                another = trainer.ranks.agree(stop_when(trainer.step, trainer.metrics))
                if trainer.failure is not None:
                    trainer.save()
                    raise TrainingFailed(trainer.failure)
                if trainer.ranks.agree(time.monotonic() - saved >= 60 * config.checkpoint_every_minutes):
                    _save_if_there_is_room(trainer, console)
                    saved = time.monotonic()
        if trainer.updates or reason is not None:  # else starting again loses nothing
            _save_in_the_end(trainer)
        try:
            trainer.ranks.on_first(lambda: draw_contexts(trainer.run))
        except OSError as error:  # of a full disk; what is trained is saved
            say(console, f"no picture of the contexts: {error}", "yellow")
        say(console, f"stopped: {reason or 'interrupted'}")
        if trainer.updates == before and reason is not None:
            done = f"{trainer.step:,} steps are done of {config.total_steps:,} that were asked for (--total-steps)"
            say(console, f"nothing was trained: {done}", "yellow")
        return reason, reason is None or stop.asked


def _save_if_there_is_room(trainer: Trainer, console: Console) -> None:
    """A full disk now may have room later; until then the checkpoint before serves."""
    try:
        trainer.save()
        _report_status(trainer, RUNNING)
    except OSError as error:
        text = f"no checkpoint at step {trainer.step:,}: {error}; the one before stays, training goes on"
        say(console, text, "yellow")


def _save_in_the_end(trainer: Trainer) -> None:
    try:
        trainer.save()
    except OSError as error:
        then = "resume from the one before" if trainer.run.has_checkpoint else "begin again"
        raise OSError(f"no checkpoint at step {trainer.step:,}: {error}; make room and {then}") from error


def _say_how_to_resume(run_dir: Path, console: Console) -> None:
    say(console, f"resume with:   mmrl train --resume {shlex.quote(str(run_dir))}")


def _say_what_next(result: TrainResult, console: Console) -> None:
    run = shlex.quote(str(result.run_dir))
    rate = result.metrics.get("steps_per_second", 0.0)
    say(console, f"{result.steps:,} steps, {headline(result.metrics)}, {rate:,.0f} steps/s")
    if sentence := survived(result.metrics):
        say(console, sentence, "yellow")
    _say_how_to_resume(result.run_dir, console)
    say(console, f"evaluate with: mmrl evaluate {run}")
    say(console, f"watch with:    mmrl watch {run}")


def _evaluate(result: TrainResult, config: TrainConfig, console: Console) -> None:
    from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run

    say(console, f"evaluating {config.evaluate_episodes} episodes")
    judging = EvaluateConfig(
        run=str(result.run_dir),
        episodes=config.evaluate_episodes,
        device=config.device,
        episode_limit=config.episode_limit,
    )
    evaluate_run(judging, console)
