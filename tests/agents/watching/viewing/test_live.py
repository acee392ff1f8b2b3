"""A policy in a window: until it is closed, in time, with the weights that a training writes meanwhile."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from rich.console import Console

from mmrl_agents.cli import main
from mmrl_agents.records.run_status import RUNNING, RunStatus, write_status
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.watching.viewing.config import WatchConfig
from mmrl_agents.watching.viewing.live import show_live
from tests.toys.pictures import Signal
from tests.trainings import moment_in, trained_quietly

ENV_ID = "test-live/Signal-v0"


class Window:
    """A window that somebody closes after so many pictures, and what was in it."""

    def __init__(self, closes_after: float = np.inf) -> None:
        self.closes_after = closes_after
        self.seen: list[Any] = []

    def launch(self, model: mujoco.MjModel, data: mujoco.MjData) -> "Window":
        self.data = data
        return self

    def is_running(self) -> bool:
        return len(self.seen) < self.closes_after

    def sync(self) -> None:
        self.seen.append(self.data.qpos.copy())

    def close(self) -> None:
        self.closes_after = 0


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Window:
    opened = Window()
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setitem(sys.modules, "mujoco.viewer", SimpleNamespace(launch_passive=opened.launch))
    monkeypatch.setattr(mujoco, "viewer", SimpleNamespace(launch_passive=opened.launch), raising=False)
    return opened


def shown(run: str, **options: Any) -> tuple[int, str]:
    said = io.StringIO()
    return show_live(
        WatchConfig(run=run, live=True, fps=1e5, **options), Console(file=said, width=200)
    ), said.getvalue()


def test_the_arm_moves_in_the_window_until_the_episodes_are_over(window: Window) -> None:
    episodes, said = shown("peg_insertion", episodes=2, max_seconds=0.5)
    assert episodes == 2
    assert len(window.seen) >= 2 * 11  # the reset and ten steps, each shown at least once
    assert np.abs(np.diff(window.seen, axis=0)).max() > 1e-4
    assert "episode 2, weights of step 98,304: 10 steps, return" in said


def test_closing_the_window_ends_it(window: Window) -> None:
    window.closes_after = 5
    assert shown("peg_insertion") == (0, "the window was closed\n")
    assert len(window.seen) == 5


def test_a_machine_without_a_display_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert main(["watch", "peg_insertion", "--live"]) == 2
    assert "a window needs a display, and there is none here" in capsys.readouterr().err


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if ENV_ID not in gym.registry:
        gym.register(ENV_ID, entry_point=Signal)
    return trained_quietly(replace(moment_in(ENV_ID), run_dir=tmp_path_factory.mktemp("runs") / "signal"))


def test_a_run_that_is_being_trained_is_shown_with_its_newest_weights(run: Path) -> None:
    folder = RunFolder.open(run)
    before = folder.status_path.read_text()
    write_status(folder.status_path, RunStatus(RUNNING, 0, 100))  # by this process, which is alive
    step = folder.load("last")[1]["step"]
    _, said = shown(str(run), episodes=1)
    assert f"weights of step {step}" in said

    def newer() -> None:
        state = folder.load("last")[1]
        folder.save(step + 7, {**state, "step": step + 7}, best=False, keep=5)

    newer()
    _, said = shown(str(run), episodes=1)
    assert f"weights of step {step + 7}" in said
    folder.status_path.write_text(before)


def test_options_of_a_film_are_refused() -> None:
    with pytest.raises(ValueError, match="output would have no effect"):
        show_live(WatchConfig(run="peg_insertion", live=True, output=Path("x.mp4")))
    with pytest.raises(ValueError, match="give one of them"):
        WatchConfig(run="peg_insertion", live=True, rrd=Path("x.rrd"))
    with pytest.raises(ValueError, match=r"has no window of its own: mmrl watch without --live makes a film"):
        show_live(WatchConfig(run="pong", live=True))
