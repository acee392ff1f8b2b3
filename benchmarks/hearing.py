"""The sound of taps on plates: `python -m benchmarks.hearing --picture PATH` draws what is reported of four."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from mmrl_envs.physics.sound import MATERIALS, SAMPLE_HZ, plate_row
from mmrl_envs.physics.sound.spectrogram import Spectrogram, band_centres
from mmrl_envs.physics.sound.tap import sound_of_tap

SIDES_M, PLACE, SPEED = (0.08, 0.07, 0.003), (0.6, 0.45), 0.2
BANDS, WINDOW, HOP = 24, 320, 160


def draw(path: Path) -> None:
    """Waves and levels of a tap on each material."""
    plates = np.stack([plate_row(material, SIDES_M) for material in MATERIALS.values()])
    sound = sound_of_tap(plates, np.full(4, SPEED), np.tile(PLACE, (4, 1)), 0.5)
    before = np.zeros((len(sound), WINDOW - HOP), np.float32)
    levels = Spectrogram(BANDS, WINDOW, HOP).levels(np.concatenate([before, sound], axis=1))
    figure, grid = plt.subplots(
        2, len(MATERIALS), figsize=(11, 4.4), dpi=100, sharey="row", height_ratios=(1, 2), layout="constrained"
    )
    image, centres = None, band_centres(BANDS)
    for (top, below), name, wave, level in zip(grid.T, MATERIALS, sound, levels, strict=True):
        top.plot(np.arange(800) / SAMPLE_HZ * 1e3, wave[:800], color="#0072b2", linewidth=0.7)
        top.set_title(name, fontsize=10)
        top.set_xlabel("ms", fontsize=8)
        image = below.imshow(
            level.T, origin="lower", aspect="auto", cmap="Greys", vmin=0, vmax=100, extent=(0, 500, 0, 24)
        )
        below.set_yticks(np.arange(0, BANDS, 5) + 0.5, [f"{centre:.0f}" for centre in centres[::5]])
        below.set_xticks([0, 200, 400])
        below.set_xlabel("ms", fontsize=8)
    grid[0, 0].set_ylabel("m/s", fontsize=8)
    grid[1, 0].set_ylabel("band, Hz", fontsize=8)
    assert image is not None
    figure.colorbar(image, ax=grid, label="dB")
    figure.savefig(path)


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, required=True, help="file to draw into")
    draw(parser.parse_args().picture)


if __name__ == "__main__":
    main()
