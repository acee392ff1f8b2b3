"""The progress of a training as a person sees it: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from mmrl_agents.records.terminal import say

_SECONDS_BETWEEN_LINES = 10.0


def headline(metrics: Mapping[str, float]) -> str:
    """The one figure to watch: success where the environment knows it, else the mean return."""
    if "success_rate" in metrics:
        return f"success {metrics['success_rate']:.1%}"
    if "mean_return_20" in metrics:
        return f"return {metrics['mean_return_20']:.1f}"
    if "mean_return" in metrics:
        return f"return {metrics['mean_return']:.1f}"
    if "loss" in metrics:
        held_out = f", held out {metrics['held_out_loss']:.3f}" if "held_out_loss" in metrics else ""
        return f"loss {metrics['loss']:.3f}{held_out}"
    return "no episode finished yet"


class TrainingProgress:
    """A context manager; `update` once per policy update."""

    def __init__(self, total_steps: int, start_step: int, console: Console) -> None:
        self.console = console
        self.total_steps = total_steps
        self._last_line = -_SECONDS_BETWEEN_LINES
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total_steps, completed=start_step)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show the state after `step` environment steps."""
        text = f"{headline(metrics)} | {metrics['steps_per_second']:,.0f} steps/s"
        self._bar.update(self._task, completed=step, description=text)
        now = time.monotonic()
        if self.console.is_terminal or now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        left = max(self.total_steps - step, 0) / max(metrics["steps_per_second"], 1e-9)
        say(self.console, f"{step:,}/{self.total_steps:,} steps | {text} | {left / 60:.1f} min left")
