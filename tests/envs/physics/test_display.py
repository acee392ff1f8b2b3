"""Displays that open, refuse and hang, played by a GLFW of the test's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmrl_envs.physics import display

GLFW = """
import os, pathlib, time
with (pathlib.Path(__file__).parent / "trials").open("a") as trials:
    trials.write("one\\n")
VISIBLE = 0
display = os.environ["DISPLAY"]
def init():
    if display == ":hangs":
        time.sleep(60)
def window_hint(*hint): pass
def create_window(*settings): return None if display == ":refuses" else "a window"
def make_context_current(window):
    if display == ":crashes":
        os.abort()
"""


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each process that tried a display."""
    (tmp_path / "glfw.py").write_text(GLFW)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("WAYLAND_DISPLAY", "")
    monkeypatch.delenv("WAYLAND_DISPLAY")
    monkeypatch.setenv(display.ANSWER_VARIABLE, "")
    return tmp_path / "trials"


@pytest.mark.parametrize(("name", "sound"), [(":0", True), (":refuses", False), (":crashes", False)])
def test_what_a_display_answers(trials: Path, monkeypatch: pytest.MonkeyPatch, name: str, sound: bool) -> None:
    monkeypatch.setenv("DISPLAY", name)
    assert display.opens() is sound
    assert trials.read_text() == "one\n"


def test_a_display_that_hangs_counts_as_closed(trials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":hangs")
    monkeypatch.setattr(display, "PATIENCE_S", 0.5)
    assert not display.opens()


@pytest.mark.parametrize("name", [":0", ":refuses"])
def test_children_believe_the_first_trial(trials: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("DISPLAY", name)
    answer = display.opens()
    assert display.opens() is answer
    script = "from mmrl_envs.physics import display; print(display.opens())"
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert child.stdout == f"{answer}\n"
    assert trials.read_text() == "one\n"
    monkeypatch.setenv("DISPLAY", ":crashes")  # another display is tried by itself
    assert not display.opens()
    assert trials.read_text() == "one\none\n"


def test_nothing_is_tried_without_a_display(trials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert not display.opens()
    assert not trials.exists()
