"""Experiment trackers beside TensorBoard: `mmrl train --track wandb`.

A tracker is three calls. It begins with the first update, so that a training which fails before leaves nothing there,
and a training that is resumed goes on in the same place. Whatever a tracker raises ends the tracking, not the training.
"""

from __future__ import annotations

import math
import os
import secrets
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import partial
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from mmrl_agents.records.files import read_json, write_json
from mmrl_agents.records.runs import RunFolder

PROJECT = "mmrl"
"""The project, or the experiment, of all runs; WANDB_PROJECT and MLFLOW_EXPERIMENT_NAME name another."""
PLACES = "tracking.json"
"""The file of a run folder that says where trackers have it, by their names."""
_MOST_PARAMETERS = 100
"""Of one call to MLflow."""


class NotTracked(UserWarning):
    """A tracker failed and gets nothing more."""


class Tracker(Protocol):
    """A place that metrics go to; each call may raise anything."""

    def begin(self, run: Path, settings: Mapping[str, Any], earlier: str | None) -> str:
        """Open a place for the run in this folder, or `earlier` again; returns the name of the place."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take finite numbers of an environment step."""

    def end(self, *, failed: bool) -> None:
        """Close the place."""


class WandbTracker:
    """Weights & Biases: online, or offline in the run folder with WANDB_MODE=offline.

    Raises ImportError where the package is not installed.
    """

    def __init__(self) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ImportError("tracking by wandb needs wandb: pip install 'mmrl[wandb]'") from error
        self._package: Any = wandb

    def begin(self, run: Path, settings: Mapping[str, Any], earlier: str | None) -> str:
        """A run of wandb; its files lie in the run folder."""
        self._run = self._package.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            dir=str(run),
            config=dict(settings),
            id=earlier,
            resume="allow" if earlier else None,
            settings=self._package.Settings(console="off", silent=True),  # the terminal is ours
        )
        return str(self._run.id)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hand over to the process of wandb, which sends when it can."""
        self._run.log(dict(metrics), step=step)

    def end(self, *, failed: bool) -> None:
        """Wait until everything is sent."""
        self._run.finish(exit_code=int(failed))


class MlflowTracker:
    """MLflow: wherever MLFLOW_TRACKING_URI says, a server, a database or a folder.

    Raises ImportError where the package is not installed.
    """

    def __init__(self) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise ImportError("tracking by mlflow needs mlflow: pip install 'mmrl[mlflow]'") from error
        self._package: Any = mlflow

    def begin(self, run: Path, settings: Mapping[str, Any], earlier: str | None) -> str:
        """A run of MLflow with the settings as its parameters."""
        self._client = self._package.MlflowClient()
        if earlier is not None:
            self._client.update_run(earlier, status="RUNNING")
            self._id = earlier
            return earlier
        self._id = str(self._client.create_run(self._experiment(), run_name=run.name).info.run_id)
        parameters = [self._package.entities.Param(name, str(value)) for name, value in flat(settings).items()]
        for first in range(0, len(parameters), _MOST_PARAMETERS):
            self._client.log_batch(self._id, params=parameters[first : first + _MOST_PARAMETERS])
        return self._id

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Send, and wait for the answer."""
        now_ms = int(1000 * time.time())
        of_mlflow = [self._package.entities.Metric(name, value, now_ms, step) for name, value in metrics.items()]
        self._client.log_batch(self._id, metrics=of_mlflow)

    def end(self, *, failed: bool) -> None:
        """Say how it ended."""
        self._client.set_terminated(self._id, "FAILED" if failed else "FINISHED")

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        known = self._client.get_experiment_by_name(name)
        return str(self._client.create_experiment(name) if known is None else known.experiment_id)


class TrackioTracker:
    """Trackio: a database in a file on this machine, or wherever TRACKIO_SPACE_ID or TRACKIO_SERVER_URL says.

    Raises ImportError where the package is not installed.
    """

    def __init__(self) -> None:
        try:
            self._package: Any = import_module("trackio")
        except ImportError as error:
            raise ImportError("tracking by trackio needs trackio: pip install 'mmrl[trackio]'") from error

    def begin(self, run: Path, settings: Mapping[str, Any], earlier: str | None) -> str:
        """A run of trackio, which finds one again by its name alone, so that ours has a number of its own."""
        name = earlier or f"{run.name}-{secrets.token_hex(4)}"
        with redirect_stdout(StringIO()):  # the terminal is ours
            self._run = self._package.init(
                project=os.environ.get("TRACKIO_PROJECT", PROJECT),
                name=name,
                config=flat(settings),
                resume="allow" if earlier else "never",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return name

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hand over to the thread of trackio, which writes or sends when it can."""
        self._run.log(dict(metrics), step=step)

    def end(self, *, failed: bool) -> None:
        """Wait until everything is written; how it ended is not kept."""
        with redirect_stdout(StringIO()):
            self._package.finish()


TRACKERS: Mapping[str, Callable[[], Tracker]] = MappingProxyType(
    {"wandb": WandbTracker, "mlflow": MlflowTracker, "trackio": TrackioTracker}
)
"""Trackers by the name that `--track` takes."""


class LastingTracking:
    """Metrics on their way to trackers, each for as long as it takes them."""

    def __init__(self, trackers: Mapping[str, Tracker], run: RunFolder, settings: Mapping[str, Any]) -> None:
        self._waiting, self._begun = dict(trackers), dict[str, Tracker]()
        self._run, self._settings = run, settings

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hand over the finite ones."""
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        for name in list(self._waiting):
            tracker = self._waiting.pop(name)
            if self._lasts(name, partial(self._begin, name, tracker)):
                self._begun[name] = tracker
        for name, tracker in list(self._begun.items()):
            if not self._lasts(name, partial(tracker.log, step, finite)):
                del self._begun[name]

    def end(self, *, failed: bool) -> None:
        """Close what is open."""
        for name, tracker in self._begun.items():
            self._lasts(name, partial(tracker.end, failed=failed))
        self._begun.clear()

    def _begin(self, name: str, tracker: Tracker) -> None:
        path = self._run.path / PLACES
        places = read_json(path) if os.path.lexists(path) else {}
        earlier = places.get(name)
        place = tracker.begin(self._run.path, self._settings, earlier if isinstance(earlier, str) else None)
        write_json(path, {**places, name: place})

    def _lasts(self, name: str, call: Callable[[], None]) -> bool:
        """Whether a call to a tracker did not raise; a warning says so where it did."""
        try:
            call()
        except Exception as error:  # of anybody's package, network or disk: the training matters more
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            warnings.warn(f"{name} gets nothing more ({reason}); training goes on", NotTracked, stacklevel=4)
            return False
        return True


def trackers_for(track: str) -> dict[str, Tracker]:
    """The trackers that a training asks for; raises ImportError where a package is missing."""
    return {} if track == "none" else {track: TRACKERS[track]()}


@contextmanager
def tracked(trackers: Mapping[str, Tracker], run: RunFolder, settings: Mapping[str, Any]) -> Iterator[LastingTracking]:
    """Metrics to the trackers from the first update to the end."""
    tracking = LastingTracking(trackers, run, settings)
    try:
        yield tracking
    except BaseException:
        tracking.end(failed=True)
        raise
    tracking.end(failed=False)


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by names with dots, such as "ppo.epochs"."""
    named: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            named |= flat(value, f"{prefix}{name}.")
        else:
            named[f"{prefix}{name}"] = value
    return named
