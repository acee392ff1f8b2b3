"""Prints every speed ratio: `python -m benchmarks` (or `make bench`)."""

from __future__ import annotations

import platform

from rich.console import Console

from benchmarks import bench_environment

# isort: split
import mujoco  # after OpenGL has been chosen

if __name__ == "__main__":
    console = Console()
    console.print(f"MuJoCo {mujoco.__version__}, Python {platform.python_version()}, {platform.machine()}")
    console.print(bench_environment.table(bench_environment.measure()))
