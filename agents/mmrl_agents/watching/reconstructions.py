"""A picture of readings beside what objectives get back of them.

B is the number of readings of each sense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.arrays import Envs
from mmrl.inputs import Memory
from mmrl.modality import Modality
from mmrl.modality.foreign import flatten_observation
from mmrl.policy.actor_critic import ActorCritic
from mmrl.representation.base import DecodingObjective, Reconstructed
from mmrl_agents.experience.behaviours import RandomBehaviour
from mmrl_agents.learning.pretrain import LookedAt
from mmrl_agents.policies.trained import load_weights, read_stored
from mmrl_agents.records.files import write_atomically
from mmrl_agents.records.line_styles import COLOURS
from mmrl_agents.settings.algorithm import build_network
from mmrl_agents.settings.config import recorded_config
from mmrl_agents.watching.pictures import is_shown_as_picture, picture_of

_ROWS, _STEPS = 3, 40
"""Readings of each sense, and random steps before them."""
_SIDE = 1.7
"""Inches of a panel."""
NAME = "reconstructions.png"


def draw_reconstructions(run: Path, trust: Sequence[str] = ()) -> Path | None:
    """Write reconstructions.png into the folder of a run; returns its path, or None where no objective gets any back.

    Readings are those of worlds of the run after some random steps.
    """
    stored = read_stored(run, "last")
    config = recorded_config(stored.document, trust=trust)
    with closing(config.worlds.in_this_process().make(_ROWS)) as envs:
        policy = build_network(config, envs)
        load_weights(policy, stored.weights, stored.path)
        assert isinstance(policy, ActorCritic)
        observations = _observed(envs, {"context": dict(config.context)} if config.context else None, policy.modalities)
    found = _reconstructed(policy.eval(), observations)
    if not found:
        return None
    path = run / NAME
    _draw(policy.modalities, observations, found, path)
    return path


def _observed(envs: Envs, options: dict[str, Any] | None, senses: Mapping[str, Modality]) -> dict[str, Tensor]:
    """Readings (B, *window_shape) by sense."""
    behaviour, generator = RandomBehaviour(envs), torch.Generator().manual_seed(0)
    observation, _ = envs.reset(seed=0, options=options)
    for _ in range(_STEPS):
        observation, *_ = envs.step(behaviour.act(envs.num_envs, generator).numpy())
    flat = flatten_observation(observation)
    return {name: torch.from_numpy(np.array(flat[name])) for name in senses}


@torch.no_grad()
def _reconstructed(policy: ActorCritic, observations: Mapping[str, Tensor]) -> list[tuple[str, Reconstructed]]:
    """The readings that come back, with the names of the objectives."""
    memory = None
    if policy.state_size:
        memory = Memory(torch.zeros(_ROWS, policy.state_size), torch.ones(1, _ROWS, dtype=torch.bool))
    batch = LookedAt(observations, torch.zeros(_ROWS), memory)
    seen = policy.perception(batch.observations, None, memory)
    return [
        (name, one)
        for name, objective in policy.objectives.items()
        if isinstance(objective, DecodingObjective)
        for one in objective.reconstructed(batch, seen)
    ]


def _draw(
    senses: Mapping[str, Modality],
    observations: Mapping[str, Tensor],
    found: Sequence[tuple[str, Reconstructed]],
    path: Path,
) -> None:
    """A row for each reading, the truth on the left and beside it what comes back."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {name: [(title, one) for title, one in found if one.sense == name] for name in senses}
    shown = {name: backs for name, backs in shown.items() if backs}
    columns, rows = 1 + max(map(len, shown.values())), _ROWS * len(shown)
    figure = Figure(figsize=(_SIDE * columns + 0.4, _SIDE * rows + 0.4))
    FigureCanvasAgg(figure)
    wide, high = _SIDE * columns, _SIDE * rows
    edges = {"left": 0.4 / wide, "right": 0.99, "bottom": 0.2 / high, "top": 1 - 0.4 / high}
    panels = figure.subplots(rows, columns, squeeze=False, gridspec_kw={**edges, "wspace": 0.25, "hspace": 0.3})
    for panel in panels.flat:
        panel.set_axis_off()
    for place, (name, backs) in enumerate(shown.items()):
        for row in range(_ROWS):
            line = panels[place * _ROWS + row]
            readings = [observations[name][row], *(one.readings[row] for _, one in backs)]
            titles = [name, *(f"{title} from {one.source}" for title, one in backs)]
            _draw_line(line, senses[name], [reading.numpy() for reading in readings], titles if row == 0 else [])
    write_atomically(path, lambda stream: figure.savefig(stream, format="png", dpi=110))


def _draw_line(panels: NDArray[Any], sense: Modality, readings: Sequence[NDArray[Any]], titles: Sequence[str]) -> None:
    """The same reading as it is and as it comes back, on one scale."""
    truth, *_ = readings
    low, high = float(truth.min()), float(truth.max())
    margin = 0.3 * (high - low) or 1.0
    for index, reading in enumerate(readings):
        panel = panels[index]
        if titles:
            panel.set_title(titles[index], fontsize=6)
        if is_shown_as_picture(sense):
            panel.imshow(picture_of(sense, _declared(sense, reading), True).pixels)
            continue
        panel.set_axis_on()
        panel.tick_params(labelsize=5)
        lines = reading.reshape(-1, sense.shape[-1]) if sense.history else reading.reshape(-1, 1)
        for feature, values in enumerate(lines.T):
            panel.plot(values, COLOURS[feature % len(COLOURS)], linewidth=0.8, marker="" if sense.history else ".")
        panel.set_ylim(low - margin, high + margin)


def _declared(sense: Modality, reading: NDArray[Any]) -> NDArray[Any]:
    """A reading of floats in the declared type and bounds."""
    low, high = sense.bounds
    kept = np.clip(reading.astype(np.float64), low, high)
    return (np.rint(kept) if sense.dtype == "uint8" else kept).astype(sense.dtype)
