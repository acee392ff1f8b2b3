"""Optimal laps of the slot car by search: `python -m benchmarks.slot_optimum`, or with names of tracks behind it.

A forward search over all sequences of voltages held for a tenth of a second, from a standstill, with the usual grip.
States that fall into one cell of place, speed, swing and yaw rate are as good as one: the farthest is kept, and of the
cells the farthest, all near the leader. The best sequence is replayed in double precision, and its laps that do not
begin at a standstill count. It swings the car nearly off, so that it is a ceiling without a margin of safety. Beside
it stand the lap of the best constant voltage and that of the textbook's speed profile.

With `--write` they go to `mmrl_envs/tasks/slot/tracks.json` track by track, those of random tracks with the corners
drawn from their numbers: what the task's score is measured against. No policy learns from it. A random track is one of
the suite once its lap is there.

Letters: M = states. Arrays are of single precision in the search, of double in the replay.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from mmrl.arrays import IntArray
from mmrl_envs.robots.car import Motion
from mmrl_envs.robots.slot_world import Slot
from mmrl_envs.tasks.slot.tracks import DATA, NAMED, RANDOM, Corners, profile_lap_s, random_corners, smoothed

RANDOM_NAMES = tuple(f"{RANDOM}{number:02d}" for number in range(1, 31))
STEP_S = 0.002
STEPS = 50
"""Physics steps for which a voltage is held."""
VOLTAGES = np.linspace(0.0, 1.0, 9)
CELL = np.array([0.02, 0.05, 0.06, 1.6])
"""Sizes of a cell in metres, m/s, radians and rad/s."""
KEPT = 6000
BEHIND_M = 0.6
"""A state so far behind the leader is given up."""
BLOCK = 4096
"""States that are moved on together: as many as stay in a core's cache."""
MARGINS_RAD = (0.01, 0.03, 0.06)
"""The search works in single precision, so it stays so far from the angle at which the car leaves: the first with which
the replay stays on."""
LAPS = 3
"""Laps of the search; the first begins at a standstill and does not count."""


@dataclass(frozen=True)
class Laps:
    """Seconds a lap of one track takes."""

    optimal_lap_s: float
    """Found by the search."""
    constant_lap_s: float
    """With the best constant voltage."""
    profile_lap_s: float
    """By the speed profile of the textbook."""
    length_m: float
    """Of the track."""
    tightest_m: float
    """Least radius."""


def held(slot: Slot, motion: Motion, state: NDArray[Any], voltage: NDArray[Any]) -> NDArray[Any]:
    """Moves states (4, M) on by the time for which a voltage (M,) is held; returns their largest swings, (M,)."""
    swing: NDArray[Any] = np.abs(state[2])
    curvature, one = slot.curvature.astype(state.dtype), np.ones(1, state.dtype)
    entries_per_m = state.dtype.type(len(curvature) / slot.length)
    for first in range(0, state.shape[1], BLOCK):
        block = slice(first, first + BLOCK)
        moving = state[:, block].copy()
        for _ in range(STEPS):
            here = curvature[(moving[0] * entries_per_m + 0.5).astype(np.int32) % len(curvature)]
            motion.advance(moving, voltage[block], here, one, STEP_S)
            np.maximum(swing[block], np.abs(moving[2]), out=swing[block])
        state[:, block] = moving
    return swing


def kept(state: NDArray[Any]) -> IntArray:
    """The states (4, M) worth following: of each cell the farthest, at most `KEPT`, none far behind."""
    near = np.flatnonzero(state[0] > state[0].max() - BEHIND_M)
    near = near[np.argsort(-state[0, near], kind="stable")]
    cells = np.floor(state[:, near] / CELL[:, None]).astype(np.int64)
    cells -= cells.min(axis=1, keepdims=True)
    key = np.ravel_multi_index(tuple(cells), tuple(cells.max(axis=1) + 1))
    _, first = np.unique(key, return_index=True)
    best: IntArray = near[np.sort(first)][:KEPT]
    return best


def optimal_voltages(slot: Slot, motion: Motion, margin_rad: float) -> NDArray[Any]:
    """The voltages, one each tenth of a second, that are the first to drive `LAPS` laps and go on for a while."""
    state = np.zeros((4, 1), np.float32)
    history: list[tuple[IntArray, IntArray]] = []  # which state each came from, and by which voltage
    while state[0].max() < LAPS * slot.length + BEHIND_M:
        parents = np.repeat(np.arange(state.shape[1]), len(VOLTAGES))
        chosen = np.tile(np.arange(len(VOLTAGES)), state.shape[1])
        state = state[:, parents]
        swing = held(slot, motion, state, VOLTAGES[chosen].astype(np.float32))
        on = np.flatnonzero(swing < motion.most_swing_rad - margin_rad)
        on = on[kept(state[:, on])]
        state = state[:, on]
        history.append((parents[on], chosen[on]))
    at, voltages = int(state[0].argmax()), []
    for parents, chosen in reversed(history):
        voltages.append(VOLTAGES[chosen[at]])
        at = int(parents[at])
    return np.array(voltages[::-1])


def places(slot: Slot, motion: Motion, voltages: NDArray[Any]) -> NDArray[Any]:
    """Metres driven after each tenth of a second, from a standstill, (steps, M), by voltages (steps, M).

    A car that leaves its slot gets no further.
    """
    state = np.zeros((4, voltages.shape[1]))
    on, driven = np.ones(voltages.shape[1], np.bool_), [np.zeros(voltages.shape[1])]
    for voltage in voltages:
        on &= held(slot, motion, state, voltage) < motion.most_swing_rad
        driven.append(np.where(on, state[0], driven[-1]))
    return np.array(driven)


def flying_lap_s(slot: Slot, place: NDArray[Any]) -> float:
    """Mean seconds of the laps after the first, of places (steps,) a tenth of a second apart; infinite without one."""
    if place[-1] < LAPS * slot.length:
        return float("inf")
    first, last = np.interp([slot.length, LAPS * slot.length], place, np.arange(len(place)) * STEPS * STEP_S)
    return float(last - first) / (LAPS - 1)


def constant_lap_s(slot: Slot, motion: Motion) -> float:
    """Seconds of a lap with the best constant voltage, to half a per cent of the full one."""
    voltages = np.arange(0.1, 1.0, 0.005)
    driven = places(slot, motion, np.tile(voltages, (120, 1)))
    stayed = np.flatnonzero(np.diff(driven, axis=0)[-1] > 0)
    return min(flying_lap_s(slot, driven[:, i]) for i in stayed)


def optimal_lap_s(slot: Slot, motion: Motion) -> float:
    """Seconds of the best flying lap that the search finds; raises ValueError where no replay of it stays on."""
    for margin in MARGINS_RAD:
        voltages = optimal_voltages(slot, motion, margin)
        lap = flying_lap_s(slot, places(slot, motion, voltages[:, None])[:, 0])
        if lap < float("inf"):
            return lap
    raise ValueError(f"the replay left the slot with every margin of {MARGINS_RAD} rad: add a wider one")


def laps_of(slot: Slot, motion: Motion) -> Laps:
    """The laps of one track."""
    return Laps(
        round(optimal_lap_s(slot, motion), 4),
        round(constant_lap_s(slot, motion), 4),
        round(profile_lap_s(slot, motion), 4),
        round(slot.length, 3),
        round(1 / float(np.abs(slot.curvature).max()), 3),
    )


def table(found: dict[str, Laps]) -> Table:
    """One line a track."""
    shown = Table("track", "length m", "tightest m", "profile s", "optimal s", "constant s", "constant, % of optimum")
    for name, laps in found.items():
        share = f"{100 * laps.optimal_lap_s / laps.constant_lap_s:.0f}"
        seconds = [f"{value:.3f}" for value in (laps.profile_lap_s, laps.optimal_lap_s, laps.constant_lap_s)]
        shown.add_row(name, f"{laps.length_m:.2f}", f"{laps.tightest_m:.2f}", *seconds, share)
    return shown


def corners_of(name: str) -> Corners:
    """The corners of a track by its name, those of a random one by its number."""
    return NAMED[name] if name in NAMED else random_corners(int(name.removeprefix(RANDOM)))


def keep(name: str, corners: Corners, laps: Laps) -> None:
    """Puts a track and its laps into the package."""
    document = json.loads(DATA.read_text()) if DATA.exists() else {}
    document[name] = {"corners": [list(corner) for corner in corners], **vars(laps)}
    there = {known: document[known] for known in (*NAMED, *RANDOM_NAMES) if known in document}
    DATA.write_text(json.dumps(there, indent=1) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", nargs="*", help="names of tracks; all, where none is named")
    parser.add_argument("--write", action="store_true", help="put the laps into the package")
    options = parser.parse_args()
    names = options.tracks or [*NAMED, *RANDOM_NAMES]
    if unknown := sorted(set(names) - {*NAMED, *RANDOM_NAMES}):
        parser.error(f"unknown tracks {unknown}; there are {[*NAMED, *RANDOM_NAMES]}")
    start, found = time.process_time(), {}
    for name in progress(names, "searching", transient=True):
        corners = corners_of(name)
        found[name] = laps_of(smoothed(name, corners), Motion())
        if options.write:
            keep(name, corners, found[name])
    Console().print(table(found), f"{(time.process_time() - start) / len(names):.1f} CPU s a track")


if __name__ == "__main__":
    main()
