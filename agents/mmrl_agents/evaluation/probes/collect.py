"""Rows for probes from episodes that a policy plays: what it sees, the raw readings, and the truth beside them.

N worlds; a row is an instant of an episode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.arrays import Envs, FloatArray, Observation
from mmrl.evaluation.figures import figures_of
from mmrl.evaluation.probes.rows import ProbeRows
from mmrl.modality.foreign import flatten_observation
from mmrl.perception import Perception
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.q_network import QNetwork
from mmrl_agents.learning.agent import Network
from mmrl_agents.policies.acting import TorchPolicy

JOINT, SENSES, RAW = "joint", "all senses", "raw readings"
"""Sources beside the senses: the joint vector, their encodings side by side, and the readings before any network."""
STATE = "privileged"

_SIDE = 16
"""Pictures are averaged to so many pixels a side at most before they count as raw readings."""


def perception_of(policy: Network) -> Perception:
    """The perception of a policy; raises ValueError for one that has none to probe."""
    if not isinstance(policy, ActorCritic | QNetwork):
        raise ValueError(f"a {type(policy).__name__} has no perception of this suite to probe")
    return policy.perception


def rows_of_episodes(
    policy: TorchPolicy,
    envs: Envs,
    episodes: int,
    every: int,
    seed: int,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> ProbeRows:
    """Plays `episodes` in each world and keeps every so many steps of them.

    Targets are the fields of the privileged state, and each figure that the environment declares, up to that instant.
    `progress(episodes finished)` is called after every step.

    Raises ValueError where the environment has neither, and for a policy without perception.
    """
    perception = perception_of(policy.policy)
    raw, info = envs.reset(seed=seed, options=None if options is None else dict(options))
    policy.reset(np.arange(envs.num_envs))
    names = [figure.name for figure in figures_of(envs)]
    finished, age = np.zeros(envs.num_envs, np.int64), np.zeros(envs.num_envs, np.int64)
    kept: list[dict[tuple[str, str], NDArray[Any]]] = []
    numbers: list[NDArray[Any]] = []
    while (finished < episodes).any():
        observation = flatten_observation(raw)
        observation = {name: observation[name] for name in policy.modalities}
        takes = (finished < episodes) & (age % every == 0)
        seen = _seen(policy, perception, observation)
        action = policy.act(observation)
        if takes.any():
            columns = {**seen, **_raw(observation), **_truth(info, names, envs.num_envs)}
            kept.append({key: column[takes] for key, column in columns.items()})
            numbers.append((np.arange(envs.num_envs) * episodes + finished)[takes])
        raw, _, terminated, truncated, info = envs.step(action)
        over = terminated | truncated
        finished, age = finished + over, np.where(over, 0, age + 1)
        if over.any():
            policy.reset(np.flatnonzero(over))
        progress(int(np.minimum(finished, episodes).sum()))
    return _rows(kept, np.concatenate(numbers))


def _rows(kept: list[dict[tuple[str, str], NDArray[Any]]], episodes: NDArray[Any]) -> ProbeRows:
    columns = {key: np.concatenate([row[key] for row in kept]).astype(np.float64) for key in kept[0]}
    targets = {name: column for (kind, name), column in columns.items() if kind == STATE}
    if not targets:
        raise ValueError("these worlds have neither a privileged state nor declared figures to read off")
    encodings = {name: column for (kind, name), column in columns.items() if kind == SENSES}
    sources: dict[str, dict[str, FloatArray]] = {name: {name: column} for name, column in encodings.items()}
    sources[JOINT] = {JOINT: columns[JOINT, JOINT]}
    sources[SENSES] = encodings
    sources[RAW] = {name: column for (kind, name), column in columns.items() if kind == RAW}
    return ProbeRows(sources, targets, episodes)


@torch.no_grad()
def _seen(policy: TorchPolicy, perception: Perception, observation: Observation) -> dict[tuple[str, str], NDArray[Any]]:
    """Encodings of the senses (N, D_s), tokens as their mean, and the joint vector (N, D)."""
    inputs, present = policy.tensors(observation)
    seen = perception(inputs, present, policy.memory(len(next(iter(observation.values())))))
    encodings = {name: each.mean(dim=1) if each.dim() == 3 else each for name, each in seen.encodings.items()}
    return {
        **{(SENSES, name): each.float().cpu().numpy() for name, each in encodings.items()},
        (JOINT, JOINT): seen.fused.float().cpu().numpy(),
    }


def _raw(observation: Observation) -> dict[tuple[str, str], NDArray[Any]]:
    return {(RAW, name): _flat(reading) for name, reading in observation.items()}


def _flat(reading: NDArray[Any]) -> NDArray[Any]:
    """Readings (N, ...) as rows (N, d), pictures (N, H, W, C) averaged over blocks of pixels first."""
    if reading.ndim == 4 and reading.dtype == np.uint8:
        height, width = (max(1, -(-size // _SIDE)) for size in reading.shape[1:3])
        whole = reading[:, : reading.shape[1] // height * height, : reading.shape[2] // width * width]
        blocks = whole.reshape(len(whole), whole.shape[1] // height, height, whole.shape[2] // width, width, -1)
        reading = blocks.mean(axis=(2, 4))
    return reading.reshape(len(reading), -1)


def _truth(info: Mapping[str, Any], figures: list[str], worlds: int) -> dict[tuple[str, str], NDArray[Any]]:
    """The fields of the privileged state by number, and figures by name, (N,) each."""
    state = np.asarray(info.get(STATE, np.zeros((worlds, 0))))
    fields = {f"state[{column}]": state[:, column] for column in range(state.shape[1])}
    declared = {name: np.nan_to_num(np.asarray(info[name], np.float64)) for name in figures if name in info}
    return {(STATE, name): column for name, column in {**fields, **declared}.items()}
