"""Processor time of the commands that only show something, against half a second: `python -m benchmarks.startup`.

User and system time of a whole process, start of Python included; median of several rounds, in which the commands
take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

from rich.console import Console
from rich.table import Table

LIMIT_S = 0.5
COMMANDS = (("--help",), ("list",), ("runs", "."))


def processor_seconds(words: tuple[str, ...]) -> float:
    """Processor time of one `mmrl` command."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "mmrl_agents", *words], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    user, system = after.children_user - before.children_user, after.children_system - before.children_system
    return user + system


def measure(rounds: int) -> dict[str, float]:
    """Median seconds by command."""
    seconds = [{" ".join(words): processor_seconds(words) for words in COMMANDS} for _ in range(rounds)]
    return {command: statistics.median(times[command] for times in seconds) for command in seconds[0]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    table = Table("command", "seconds", f"of {LIMIT_S} s")
    for name, taken in measure(parser.parse_args().rounds).items():
        table.add_row(f"mmrl {name}", f"{taken:.2f}", f"{taken / LIMIT_S:.2f}")
    Console().print(table)
