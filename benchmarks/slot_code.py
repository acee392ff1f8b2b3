"""The code of the slot car's pictures: `python -m benchmarks.slot_code --output docs/images`.

Trains the autoencoder as `mmrl train mmrl/SlotCar-v0 --recipe fitted_q` does before it fits any value, on pictures of
random driving. Then it brings pictures of driving at a constant voltage, whose places are known, to their codes: drawn
as `slot_code.png`, coloured by the place, beside the track. Printed is how far the place of a picture is from that of
the picture with the nearest code.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import gymnasium as gym
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from scipy.spatial import KDTree

from mmrl.arrays import FloatArray
from mmrl.encoders.code import CodeEncoder
from mmrl.policy.q_network import QNetwork
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.trainer import Trainer
from mmrl_envs.robots.slot_world import Slot
from mmrl_envs.tasks.slot.tracks import BOARD_M, known_tracks

ENV_ID, SENSE = "mmrl/SlotCar-v0", "track_camera"
VOLTAGE = 0.4
"""Of the drives whose places are known, as an action."""
STEPS = 60
WORLDS = 64


class Codes(NamedTuple):
    """Pictures by their codes."""

    code: FloatArray
    """(B, 2)."""
    place_m: FloatArray
    """Metres along the track, (B,)."""


def trained(config: TrainConfig) -> tuple[QNetwork, dict[str, float]]:
    """The network whose encoder has been taught, and the seconds of the processor that it took and its last loss."""
    start = time.process_time()
    with TemporaryDirectory() as folder:
        trainer = Trainer(config, RunFolder.create(Path(folder) / "run"))
        trainer.begin()
        trainer.close()
    assert isinstance(trainer.policy, QNetwork)
    state: Any = trainer.agent.state_dict()
    return trainer.policy, {**state["losses"], "cpu_s": time.process_time() - start, "pictures": float(trainer.step)}


def driven(network: QNetwork, track: str, seed: int) -> Codes:
    """Codes of the newest pictures of drives at a constant voltage, each as old as its place is."""
    context = {"track": track, "latency_s": 0.0}
    envs: Any = gym.make_vec(ENV_ID, num_envs=WORLDS, context=context)
    observation, info = envs.reset(seed=seed)
    encoder, codes, places = network.perception.encoder(SENSE), [], []
    assert isinstance(encoder, CodeEncoder)
    for _ in range(STEPS):
        with torch.no_grad():
            codes.append(encoder.codes(torch.from_numpy(observation[SENSE]))[:, -1].numpy())
        sine, cosine = info["privileged"][:, :2].T
        places.append(np.arctan2(sine, cosine) % (2 * np.pi))
        observation, *_, info = envs.step(np.full((WORLDS, 1), VOLTAGE, np.float32))
    envs.close()
    share = np.concatenate(places) / (2 * np.pi)
    return Codes(np.concatenate(codes).astype(np.float64), share * known_tracks()[track].slot.length)


def nearest_errors_cm(known: Codes, asked: Codes, length_m: float) -> FloatArray:
    """How far round the track the places of pictures (B,) are from those of the known ones with the nearest codes."""
    _, nearest = KDTree(known.code).query(asked.code)
    apart = (known.place_m[nearest] - asked.place_m + length_m / 2) % length_m - length_m / 2
    errors: FloatArray = 100 * np.abs(apart)
    return errors


def draw(path: Path, codes: Codes, slot: Slot, title: str) -> None:
    """The ring of codes beside the track, both coloured by the place."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), dpi=100)
    colours: dict[str, Any] = {"c": codes.place_m, "cmap": "twilight_shifted", "vmin": 0.0, "vmax": slot.length}
    first, second = codes.code.T
    left.scatter(first, second, s=4, **colours)
    left.set(xlabel="first number of the code", ylabel="second number", title=title)
    _draw_places(right, slot)
    figure.colorbar(right.collections[0], ax=right, label="place along the track, m", shrink=0.7)
    figure.tight_layout()
    figure.savefig(path)


def _draw_places(axes: Axes, slot: Slot) -> None:
    place = np.linspace(0, slot.length, len(slot.points), endpoint=False)
    x, y = slot.points.T
    axes.scatter(x, y, s=12, c=place, cmap="twilight_shifted", vmin=0.0, vmax=slot.length)
    axes.set(xlim=(0, BOARD_M[0]), ylim=(0, BOARD_M[1]), aspect="equal", xlabel="m", ylabel="m", title="the track")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the picture")
    parser.add_argument("--track", default="oval")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = recipe_for(ENV_ID, name="fitted_q")
    config = replace(recipe, context={"track": options.track}, seed=options.seed, device="cpu", threads=options.threads)
    network, figures = trained(config)
    known, asked = driven(network, options.track, seed=1), driven(network, options.track, seed=2)
    slot = known_tracks()[options.track].slot
    errors = nearest_errors_cm(known, asked, slot.length)
    median, most = np.quantile(errors, [0.5, 0.9])
    print({name: round(value, 3) for name, value in figures.items()})
    print(f"place by the nearest of {len(known.code):,} codes: median {median:.1f} cm, 90 % within {most:.1f} cm")
    draw(options.output / "slot_code.png", asked, slot, f"codes of pictures of {options.track}")


if __name__ == "__main__":
    main()
