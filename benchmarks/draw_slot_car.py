"""Pictures for the page on the slot car: `python -m benchmarks.draw_slot_car --output docs/images`.

`slot_tracks.png` shows the tracks, coloured by curvature; `slot_car.png` a drive, as a film and by the policy's camera.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

import mmrl_envs  # noqa: F401  (registers the ids; chooses OpenGL before mujoco is imported)
from mmrl_envs.tasks.slot.tracks import BOARD_M, HELD_OUT, TIGHTEST_M, Track, known_tracks

COLUMNS = 5


def draw_tracks(path: Path) -> None:
    """All tracks of the suite."""
    tracks = list(known_tracks().values())
    rows = -(-len(tracks) // COLUMNS)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(10, 1.55 * rows), dpi=100, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, track in zip(grid.flat, tracks, strict=False):
        _draw_track(axes, track)
    figure.tight_layout()
    figure.savefig(path)


def _draw_track(axes: Axes, track: Track) -> None:
    points = np.vstack([track.slot.points, track.slot.points[:1]])
    pieces = np.stack([points[:-1], points[1:]], axis=1)
    lines = LineCollection(pieces, cmap="cividis", linewidths=2.5)  # type: ignore[arg-type]  # an array of pieces does
    lines.set_array(np.abs(track.slot.curvature) * TIGHTEST_M)
    lines.set_clim(0.0, 1.0)
    axes.add_collection(lines)
    axes.set(xlim=(0, BOARD_M[0]), ylim=(0, BOARD_M[1]), aspect="equal")
    held_out = " (held out)" if track.name == HELD_OUT else ""
    axes.set_title(f"{track.name}{held_out}: {track.slot.length:.2f} m", fontsize=8)


def draw_drive(path: Path) -> None:
    """One instant of a drive: a frame of a film, and the two pictures that a policy has of it."""
    envs: Any = gym.make_vec(
        "mmrl/SlotCar-v0",
        num_envs=1,
        render_mode="rgb_array",
        width=480,
        height=312,
        context={"track": "loopy", "start_share": 0.6},
    )
    observation, _ = envs.reset(seed=0)
    for _ in range(12):
        observation, *_ = envs.step(np.full((1, 1), -0.2, np.float32))
    pictures = observation["track_camera"][0]
    frames = [envs.render()[0], pictures[..., 0], pictures[..., 1]]
    figure, grid = plt.subplots(1, 3, figsize=(10, 2.5), dpi=100)
    for axes, frame, title in zip(grid, frames, ("a film", "camera, the picture before", "camera, now"), strict=True):
        axes.imshow(frame, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the pictures")
    folder: Path = parser.parse_args().output
    draw_tracks(folder / "slot_tracks.png")
    draw_drive(folder / "slot_car.png")
