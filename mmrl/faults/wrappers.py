"""Environments with broken senses, for any policy and any learner that speaks Gymnasium.

    env = BrokenSenses(gym.make("mmrl/PegInsertion-v0"), {"camera": Frozen(), "force_torque": Delayed(2)})
    envs = BrokenVectorSenses(gym.make_vec("mmrl/PegInsertion-v0", num_envs=8), {"camera": Swapped()})

Only what the named senses show changes: state, rewards, ends of episodes, infos and all other senses are, for the same
seed and actions, bit for bit those of the undisturbed environment. Random numbers of a fault depend on the seed of
`reset`, the world and the sense alone.

Senses go by the names of `mmrl.modality.foreign`: the keys of a Dict observation, nested ones joined by dots; an
observation that is no Dict is the sense "observation". N is the number of worlds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorWrapper
from numpy.typing import NDArray

from mmrl.arrays import Envs, Indices
from mmrl.evaluation.episodes import require_known
from mmrl.faults.faults import Absent, Fault, FaultProcess, Readings
from mmrl.modality.foreign import flatten_observation
from mmrl.streams import Streams

Shown = dict[str, Readings]


class BrokenVectorSenses(VectorWrapper[Any, Any, Any, Any, Any]):
    """N worlds, some of whose senses are broken in every one of them.

    An observation in `info["final_obs"]` belongs to the episode that ended and is broken as such; the first one of the
    next episode shows nothing of it. With `Absent` senses `info["present"]` has a bool array (N,) for each sense.

    Args:
        env: worlds that declare their autoreset mode, any of the three.
        faults: what is wrong with each broken sense, by name.

    Raises:
        ValueError: on an unknown sense, a sense whose space is no Box, and a fault that cannot befall it.
    """

    def __init__(self, env: Envs, faults: Mapping[str, Fault]) -> None:
        super().__init__(env)
        self._mode = env.metadata.get("autoreset_mode")
        if not isinstance(self._mode, AutoresetMode):
            raise ValueError(f"the worlds must declare an autoreset mode in their metadata, got {self._mode!r}")
        self._broken = _Broken(env.single_observation_space, faults, env.num_envs)
        self._every = np.arange(env.num_envs)
        self._ended = np.zeros(env.num_envs, np.bool_)  # worlds that the next step resets

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts new episodes, in all worlds or in those of the option "reset_mask"; a seed restarts the faults."""
        mask = np.array((options or {}).get("reset_mask", np.ones(self.num_envs)), np.bool_)  # worlds take it out
        observation, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]  # a list will do
        if seed is not None:
            self._broken.restart(seed)
        self._ended[mask] = False
        shown = self._broken.begin(np.flatnonzero(mask), flatten_observation(observation))
        return replaced(observation, shown), self._with_presence(info)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One step of all worlds."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        done = np.asarray(terminated | truncated, np.bool_)
        readings = flatten_observation(observation)
        if self._mode is AutoresetMode.SAME_STEP and done.any():
            info = {**info, "final_obs": self._final(readings, done, info["final_obs"])}
            shown = self._broken.begin(np.flatnonzero(done), readings)
        else:
            shown = self._broken.go_on(np.flatnonzero(~self._ended), readings)
            shown = self._broken.begin(np.flatnonzero(self._ended), readings)
            self._ended = done if self._mode is AutoresetMode.NEXT_STEP else self._ended
        return replaced(observation, shown), reward, terminated, truncated, self._with_presence(info)

    def _final(self, readings: Shown, done: NDArray[np.bool_], final_obs: NDArray[Any]) -> NDArray[Any]:
        """The step that was just taken, in all worlds; returns the last observations as they are seen."""
        last = {name: readings[name].copy() for name in self._broken.names}
        for world in np.flatnonzero(done):
            truth = flatten_observation(final_obs[world])
            for name, rows in last.items():
                rows[world] = truth[name]
        shown = self._broken.go_on(self._every, last)
        seen = final_obs.copy()
        for world in np.flatnonzero(done):
            seen[world] = replaced(final_obs[world], {name: rows[world] for name, rows in shown.items()})
        return seen

    def _with_presence(self, info: dict[str, Any]) -> dict[str, Any]:
        present = self._broken.present
        if not present:
            return info
        every = np.ones(self.num_envs, np.bool_)
        presence: dict[str, Any] = {name: every & here for name, here in present.items()}
        return {**info, "present": {**presence, **{f"_{name}": every for name in presence}}, "_present": every}


class BrokenSenses(gym.Wrapper[Any, Any, Any, Any]):
    """One world, some of whose senses are broken: world 0 of `BrokenVectorSenses`, without the leading axis.

    With `Absent` senses `info["present"]` maps each sense to a bool.

    Args:
        env: any environment.
        faults: what is wrong with each broken sense, by name.

    Raises:
        ValueError: on an unknown sense, a sense whose space is no Box, and a fault that cannot befall it.
    """

    def __init__(self, env: gym.Env[Any, Any], faults: Mapping[str, Fault]) -> None:
        super().__init__(env)
        self._broken = _Broken(env.observation_space, faults, 1)
        self._only = np.arange(1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; a seed restarts the faults."""
        observation, info = self.env.reset(seed=seed, options=options)
        if seed is not None:
            self._broken.restart(seed)
        shown = self._broken.begin(self._only, self._rows(observation))
        return self._seen(observation, shown), self._with_presence(info)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        shown = self._broken.go_on(self._only, self._rows(observation))
        return self._seen(observation, shown), reward, terminated, truncated, self._with_presence(info)

    def _rows(self, observation: Any) -> Shown:
        readings = flatten_observation(observation)
        return {name: np.asarray(readings[name])[None] for name in self._broken.names}

    def _seen(self, observation: Any, shown: Shown) -> Any:
        return replaced(observation, {name: rows[0] for name, rows in shown.items()})

    def _with_presence(self, info: dict[str, Any]) -> dict[str, Any]:
        return {**info, "present": self._broken.present} if self._broken.present else info


class _Broken:
    """The faults at work in N worlds, and what the broken senses show at present."""

    def __init__(self, space: spaces.Space[Any], faults: Mapping[str, Fault], num_worlds: int) -> None:
        senses: Mapping[str, Any] = flatten_observation(space)
        require_known(faults, senses)
        for name in faults:
            if not isinstance(senses[name], spaces.Box):
                raise ValueError(f"sense {name!r} is {senses[name]}: only a Box can be broken")
        self._spaces = {name: senses[name] for name in faults}
        self._faults = dict(faults)
        self._num_worlds = num_worlds
        gone = {name for name, fault in faults.items() if isinstance(fault, Absent)}
        self.present = {name: name not in gone for name in senses} if gone else {}
        self._shown = {name: np.zeros((num_worlds, *box.shape), box.dtype) for name, box in self._spaces.items()}
        self._processes: dict[str, FaultProcess] = {}
        self.restart(int(np.random.SeedSequence().generate_state(1)[0]))

    @property
    def names(self) -> list[str]:
        """The broken senses."""
        return list(self._faults)

    def restart(self, seed: int | Sequence[int | None]) -> None:
        """Start all faults again from a seed, or from one for each world."""
        if not isinstance(seed, int | np.integer):
            words = [0 if world is None else world + 1 for world in seed]
            seed = int(np.random.SeedSequence(words).generate_state(1)[0])
        for name, fault in self._faults.items():
            streams = Streams(int(seed), f"fault/{name}", self._num_worlds)
            try:
                self._processes[name] = fault.start(self._spaces[name], self._num_worlds, streams)
            except ValueError as error:
                raise ValueError(f"sense {name!r}: {error}") from error

    def begin(self, worlds: Indices, readings: Shown) -> Shown:
        """Episodes begin in `worlds`; returns copies of what is shown in all of them."""
        for name, process in self._processes.items():
            if len(worlds):
                self._shown[name][worlds] = process.begin(worlds, readings[name])
        return {name: rows.copy() for name, rows in self._shown.items()}

    def go_on(self, worlds: Indices, readings: Shown) -> Shown:
        """One step was taken in `worlds`; returns copies of what is shown in all of them."""
        for name, process in self._processes.items():
            if len(worlds):
                self._shown[name][worlds] = process.go_on(worlds, readings[name])
        return {name: rows.copy() for name, rows in self._shown.items()}


def replaced(observation: Any, shown: Mapping[str, Any]) -> Any:
    """The observation with other readings for the senses in `shown`; what it was is left alone."""
    if not isinstance(observation, Mapping):
        return shown.get("observation", observation)
    return _nested(observation, shown, "")


def _nested(tree: Mapping[str, Any], shown: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        key: _nested(value, shown, f"{prefix}{key}.")
        if isinstance(value, Mapping)
        else shown.get(f"{prefix}{key}", value)
        for key, value in tree.items()
    }
