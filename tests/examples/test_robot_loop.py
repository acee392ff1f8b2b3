"""A policy drives a robot in another process."""

import subprocess
import sys
from pathlib import Path

LOOP = Path(__file__).parents[2] / "examples" / "robot_loop.py"


def test_the_peg_goes_in() -> None:
    said = subprocess.run(
        [sys.executable, str(LOOP), "--seed", "3"], capture_output=True, text=True, check=False, timeout=120
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "the peg is in" in said.stdout
    assert "force_torque: age median" in said.stdout
