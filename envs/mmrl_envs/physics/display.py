"""Whether the display that the environment variables name opens a window.

A display may be named and gone, as after a lost `ssh -X`. To try it here could hang for ever, inside a driver that
holds the interpreter lock, so a process of its own tries. That takes a tenth of a second, and only those who would draw
in a window ask. The answer stands in an environment variable: child processes know it without another trial.
"""

from __future__ import annotations

import os
import subprocess
import sys

ANSWER_VARIABLE = "MMRL_DISPLAY_OPENS"
PATIENCE_S = 10.0
"""How long a display may take to open a window."""

_NAMES = ("DISPLAY", "WAYLAND_DISPLAY")
_TRIAL = """
import glfw
glfw.init()
glfw.window_hint(glfw.VISIBLE, 0)
window = glfw.create_window(64, 64, "mmrl", None, None)
if not window:
    raise SystemExit(1)
glfw.make_context_current(window)
"""


def is_named() -> bool:
    """Whether a variable names a display, sound or not."""
    return any(os.environ.get(name) for name in _NAMES)


def variables_set() -> str:
    """The variables that name a display: "DISPLAY=:0"."""
    return " ".join(f"{name}={os.environ[name]}" for name in _NAMES if os.environ.get(name))


def opens() -> bool:
    """Whether GLFW opens a window with an OpenGL context on the named display; of processes that have the same
    display, the first one tries and its children believe it."""
    if not is_named():
        return False
    display = variables_set()
    for answer in (True, False):
        if os.environ.get(ANSWER_VARIABLE) == _noted(display, answer):
            return answer
    answer = _try()
    os.environ[ANSWER_VARIABLE] = _noted(display, answer)
    return answer


def _noted(display: str, answer: bool) -> str:
    return f"{display}: {'yes' if answer else 'no'}"


def _try() -> bool:
    command = [sys.executable, "-W", "ignore", "-c", _TRIAL]
    nowhere = subprocess.DEVNULL
    try:
        done = subprocess.run(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
