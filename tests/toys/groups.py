"""Worlds that are one vector environment: in groups, and on a line with senses that only a critic has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from mmrl.evaluation.figures import Figure
from mmrl.modality import MLP, ImageConv, Modality, Unencoded
from mmrl_envs.multimodal import GroupedWorlds, MultimodalVectorEnv
from tests.toys.coins import Readings


class Groups(GroupedWorlds):
    """Vector environments side by side, each a group that may be under way once; `log` keeps what was asked of which.

    A world w is seeded with seed + w, as if all were one vector environment.
    """

    figures: tuple[Figure, ...] = ()

    def __init__(self, *parts: VectorEnv[Any, Any, Any]) -> None:
        ends = np.cumsum([part.num_envs for part in parts]).tolist()
        self.parts, self.num_envs = parts, ends[-1]
        self.groups = tuple(slice(end - part.num_envs, end) for part, end in zip(parts, ends, strict=True))
        self.single_observation_space = parts[0].single_observation_space
        self.single_action_space = parts[0].single_action_space
        self.under_way: dict[int, NDArray[Any]] = {}
        self.log: list[tuple[str, int]] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        assert not self.under_way
        seeds = [None if seed is None else seed + group.start for group in self.groups]
        begun = [part.reset(seed=own, options=options) for part, own in zip(self.parts, seeds, strict=True)]
        privileged = np.concatenate([info["privileged"] for _, info in begun])
        return joined([observation for observation, _ in begun]), {"privileged": privileged}

    def send(self, actions: NDArray[Any], group: int = 0) -> None:
        assert group not in self.under_way
        self.under_way[group] = actions.copy()
        self.log.append(("send", group))

    def receive(self, group: int = 0) -> Any:
        self.log.append(("receive", group))
        return self.parts[group].step(self.under_way.pop(group))


def joined(observations: Sequence[Any]) -> Any:
    """Observations of several groups as one, nested as they are."""
    if isinstance(observations[0], dict):
        return {name: joined([observation[name] for observation in observations]) for name in observations[0]}
    return np.concatenate(observations)


PLACES, LIMIT = 6, 5
"""Places on a line, and steps of an episode on it."""
MAP = Modality("map", (PLACES, PLACES, 1), 20, ImageConv((4,), (3,), (1,), features=8), dtype="uint8")
STATE = Modality("privileged", (2,), 20, Unencoded())


class Line(MultimodalVectorEnv):
    """N worlds on a line; the actor feels its distance from the left end alone, and only the critic sees the map.

    The reward is the share of the way to a goal that nobody but the critic sees.
    """

    modalities = {"distance": Modality("distance", (1,), 20, MLP((4,), features=4))}  # noqa: RUF012  # never written

    def __init__(self, num_envs: int = 3, critic: tuple[Modality, ...] = (MAP, STATE)) -> None:
        self.num_envs = num_envs
        self.critic_modalities = {sense.name: sense for sense in critic}
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = spaces.Dict({name: m.space for name, m in self.modalities.items()})
        self.single_action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Readings, dict[str, Any]]:
        self.rng = np.random.default_rng(seed)
        self.place, self.goal, self.steps = (np.zeros(self.num_envs, np.int64) for _ in range(3))
        self._begin(np.ones(self.num_envs, bool))
        return self._see(), self._info()

    def step(self, actions: NDArray[Any]) -> Any:
        self.place = np.clip(self.place + 2 * actions - 1, 0, PLACES - 1)
        self.steps += 1
        over = self.steps == LIMIT
        reward = 1.0 - np.abs(self.place - self.goal) / PLACES
        observation, info = self._see(), self._info()
        if over.any():
            last, final = observation, info
            self._begin(over)
            observation, info = self._see(), self._info()
            rows = [{name: array[row] for name, array in last.items()} for row in range(self.num_envs)]
            info |= {"final_obs": np.array(rows, object), "_final_obs": over, "final_info": final}
        return observation, reward, np.zeros_like(over), over, info

    def _begin(self, worlds: NDArray[np.bool_]) -> None:
        count = int(worlds.sum())
        self.place[worlds], self.goal[worlds] = self.rng.integers(0, PLACES, (2, count))
        self.steps[worlds] = 0

    def _see(self) -> Readings:
        return {"distance": self.place[:, None].astype(np.float32)}

    def _info(self) -> dict[str, Any]:
        seen = np.zeros((self.num_envs, PLACES, PLACES, 1), np.uint8)
        seen[np.arange(self.num_envs), self.place, self.goal] = 255
        state = np.stack([self.place, self.goal], axis=1).astype(np.float32)
        info = {"map": seen, "privileged": state}
        return {name: info[name] for name in self.critic_modalities if name in info}
