"""Speed of the slot car on one core, pictures and their noise included: `python -m benchmarks.bench_slot_car`.

Seconds of the processor count, not of the clock, so that a shared machine tells the same; of several rounds the
fastest, because what else runs can only slow one down.
"""

from __future__ import annotations

import time

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table

import mmrl_envs  # noqa: F401  (registers the ids)

NUM_WORLDS = 64
STEPS = 40
ROUNDS = 10
AT_LEAST = 8_000.0
"""Environment steps per second of a core that the task promises."""


def rates() -> list[float]:
    """Environment steps per second of processor time, one figure a round."""
    envs = gym.make_vec("mmrl/SlotCar-v0", num_envs=NUM_WORLDS)
    envs.reset(seed=0)
    action = np.full((NUM_WORLDS, 1), -0.5, np.float32)  # a voltage at which nobody leaves the slot
    return [_rate(envs, action) for _ in range(ROUNDS)]


def _rate(envs: gym.vector.VectorEnv, action: np.ndarray) -> float:
    start = time.process_time()
    for _ in range(STEPS):
        envs.step(action)
    return NUM_WORLDS * STEPS / (time.process_time() - start)


if __name__ == "__main__":
    measured = rates()
    table = Table("what", "fastest round", "median round", "wanted", title="Slot car, environment steps/s of one core")
    fastest, median = max(measured), float(np.median(measured))
    table.add_row(
        f"52 x 80 x 2 pictures, {NUM_WORLDS} worlds", f"{fastest:,.0f}", f"{median:,.0f}", f">= {AT_LEAST:,.0f}"
    )
    Console().print(table)
