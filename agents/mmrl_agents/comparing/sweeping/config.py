"""The settings of a sweep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import tyro

from mmrl.settings.documents import fit
from mmrl.settings.effects import require_effect
from mmrl_agents.comparing.sweeping.objectives import Aim, parse_objective
from mmrl_agents.comparing.sweeping.space import Searched, parse_space, with_settings
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.readers import by
from mmrl_agents.settings.starting_points import begun_as


@dataclass(frozen=True)
class SweepConfig:
    """Search settings of a training: many runs, of which those that come to nothing end early."""

    train: Annotated[TrainConfig, tyro.conf.arg(name="")]
    """Every training; its options are those of `mmrl train`."""
    space: tuple[str, ...] = ()
    """Settings and where they are searched, such as ppo.learning_rate=log[1e-4,2e-3] ppo.epochs=[2,3,4]
    ppo.gamma=uniform[0.9,0.999]."""
    trials: int = 40
    """Trials in all, those of earlier calls included."""
    objective: str = "steps_to:0.95"
    """The figure of a trial, the mean over its seeds: environment steps or seconds until judged success is at a goal,
    steps_to:GOAL or seconds_to:GOAL, or the last judged success or return."""
    seeds: int = 1
    """Trainings of each trial, with seeds from that of the training on."""
    sweep_workers: int = 1
    """Processes of this machine that take trials, --workers for short; call it again on another machine that shares the
    folder for more. Those that step worlds are a matter of the recipe here."""
    prune: bool = True
    """End a training whose judged success is below the median of the others by then."""
    folder: Path | None = None
    """Where study and runs go; unset is a folder named after the environment in runs_root."""

    def __post_init__(self) -> None:
        fit(self)
        for name in ("trials", "seeds", "sweep_workers"):
            if vars(self)[name] < 1:
                raise ValueError(f"{name} must be at least 1, got {vars(self)[name]}")

    def require_sound(self) -> None:
        """Raise ValueError where nothing is judged, a searched setting does not exist, or a value of it is no good."""
        for axis in self.axes:
            for value in axis.values:
                self.require_trained(with_settings(self.train, {axis.name: value}), axis.name)
        if self.train.judge_every is None:
            raise ValueError("a sweep goes by judged success: say how often with --judge-every STEPS")

    @staticmethod
    def require_trained(train: TrainConfig, given: str) -> None:
        """Raise ValueError where a training does not read a setting."""
        require_effect(train, by(train), begun_as(train), {given})

    @cached_property
    def axes(self) -> tuple[Searched, ...]:
        """The space."""
        return parse_space(self.space)

    @cached_property
    def aim(self) -> Aim:
        """The objective."""
        return parse_objective(self.objective)

    @property
    def all_seeds(self) -> range:
        """Of the trainings of a trial."""
        return range(self.train.seed, self.train.seed + self.seeds)

    @property
    def path(self) -> Path:
        """The folder."""
        short = re.sub(r"[^A-Za-z0-9.-]+", "-", self.train.env.rpartition("/")[2])
        return self.folder or self.train.runs_root / f"sweep_{short}"

    def identity(self) -> dict[str, Any]:
        """Settings that must be equal for trials of an earlier call to count."""
        return {"env": self.train.env, "space": list(self.space), "objective": self.objective, "seeds": self.seeds}
