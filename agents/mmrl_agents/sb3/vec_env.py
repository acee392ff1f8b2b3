"""Our vector environments as those of Stable-Baselines3: in the same process, without a pipe.

N is the number of worlds. SB3 restarts a finished world within the step that finishes it, and so do ours; its last
observation stands in `infos[i]["terminal_observation"]`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from mmrl.arrays import Envs
from mmrl.modality import Modality
from mmrl.modality.foreign import flatten_observation
from mmrl_agents.sb3.extractor import MultimodalExtractor
from mmrl_agents.sb3.infos import InfoRows
from mmrl_agents.worlds.making import senses_of
from mmrl_agents.worlds.spec import WorldSpec

Listener = Callable[[int, "dict[str, Any] | None", Mapping[str, Any]], None]


class WorldsVecEnv(VecEnv):
    """N worlds that step together, as SB3 expects them.

    Observations are a dict of arrays (N, *window_shape), or one array where the worlds have no names for their
    senses; keys of nested dicts are joined by dots. An info is that of the single environment, of one of another
    package its numbers and words; at the end of an episode it is the last one of that episode and has besides
    `terminal_observation`, `TimeLimit.truncated` and `episode` with return "r", length "l" and seconds "t" since the
    start, as a `Monitor` gives it. An episode begun in its middle by the reset option "elapsed_steps" has no "episode".

    `seed(s)` seeds all worlds from s at the next reset, each differently: world 0 acts like a single environment
    reset with s, the others do not act like ones reset with s + 1, s + 2, ... Options are those of the vector
    environment, the same for all worlds.

    Args:
        envs: worlds with same-step autoreset, such as `make_envs` makes.
        listener: called when an episode ends: world, its "episode" or None, and the vector info of its last step.

    Raises:
        ValueError: for worlds with another kind of autoreset.
    """

    def __init__(self, envs: Envs, listener: Listener | None = None) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f"SB3 restarts finished worlds in the same step, these have autoreset_mode {mode}")
        self.envs = envs
        self._listener = listener
        self._named = isinstance(envs.single_observation_space, spaces.Dict)
        self._actions: NDArray[Any] = np.zeros(0)
        self._next_options: dict[str, Any] = {}
        self._rows, self._last_rows = InfoRows(envs.num_envs), InfoRows(envs.num_envs)
        self._start = time.perf_counter()
        self._returns = np.zeros(envs.num_envs)
        self._lengths = np.zeros(envs.num_envs, np.int64)
        self._whole = np.ones(envs.num_envs, np.bool_)
        super().__init__(envs.num_envs, flat_space(envs.single_observation_space), envs.single_action_space)

    @property
    def modalities(self) -> dict[str, Modality]:
        """The senses by name; ValueError for worlds that declare none."""
        return senses_of(self.envs)

    def reset(self) -> VecEnvObs:
        """Begins episodes in all worlds, with the seed and the options given since the last reset."""
        options = self._next_options
        observation, info = self.envs.reset(seed=self._seeds[0], options=options or None)
        self.reset_infos = self._rows.split(info)
        self._reset_seeds()
        self._next_options = {}
        self._returns[:], self._lengths[:] = 0.0, 0
        self._whole[:] = np.asarray(options.get("elapsed_steps", 0)) == 0
        return self._flat(observation)

    def set_options(self, options: list[dict[str, Any]] | dict[str, Any] | None = None) -> None:
        """Options of the next reset, those of the vector environment; ValueError for a list of different ones."""
        if isinstance(options, list):
            if any(other != options[0] for other in options):
                raise ValueError("the worlds are reset together: give one dict of options, not a different one each")
            options = options[0] if options else None
        self._next_options = dict(options or {})

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keeps the actions (N, *A) for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """One control step of all worlds."""
        observation, reward, terminated, truncated, info = self.envs.step(self._actions)
        done = terminated | truncated
        self._returns += reward
        self._lengths += 1
        infos = self._rows.split(info)
        for row, cut in zip(infos, (truncated & ~terminated).tolist(), strict=True):
            row["TimeLimit.truncated"] = cut
        ended = np.flatnonzero(done).tolist()
        if ended:
            self._finish(ended, infos, info)
        return self._flat(observation), np.asarray(reward, np.float32), done, infos

    def _finish(self, ended: Sequence[int], infos: list[dict[str, Any]], info: Mapping[str, Any]) -> None:
        """Puts the last step of the old episodes where the first of the new ones stands."""
        final = info.get("final_info", {})
        last = self._last_rows.split(final)
        for world in ended:
            cut = infos[world].pop("TimeLimit.truncated")
            self.reset_infos[world] = infos[world]
            observation = self._flat(info["final_obs"][world])
            infos[world] = {**last[world], "TimeLimit.truncated": cut, "terminal_observation": observation}
            episode = self._episode(world) if self._whole[world] else None
            if episode is not None:
                infos[world]["episode"] = episode
            if self._listener is not None:
                self._listener(world, episode, final)
            self._returns[world], self._lengths[world], self._whole[world] = 0.0, 0, True

    def _episode(self, world: int) -> dict[str, Any]:
        seconds = round(time.perf_counter() - self._start, 6)
        return {"r": float(self._returns[world]), "l": int(self._lengths[world]), "t": seconds}

    def _flat(self, observation: Any) -> VecEnvObs:
        if not self._named:
            return np.asarray(observation)
        return flatten_observation(observation)

    def close(self) -> None:
        """Closes the worlds."""
        self.envs.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A frame of each world, in render mode "rgb_array"."""
        frames: Any = self.envs.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of each world; of worlds that are one object it is that of the object."""
        singles = self._singles()
        if singles is None:
            return [getattr(self.envs.unwrapped, attr_name) for _ in self._get_indices(indices)]
        return [singles[index].get_wrapper_attr(attr_name) for index in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of worlds; ValueError for some of worlds that are one object."""
        singles = self._singles()
        if singles is None:
            self._require_all(f"set {attr_name!r}", indices)
            setattr(self.envs.unwrapped, attr_name, value)
            return
        for index in self._get_indices(indices):
            singles[index].set_wrapper_attr(attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method of worlds; worlds that are one object are called once, and the result stands for each.

        ValueError for some of worlds that are one object.
        """
        singles = self._singles()
        if singles is not None:
            called = [singles[index] for index in self._get_indices(indices)]
            return [env.get_wrapper_attr(method_name)(*method_args, **kwargs) for env in called]
        self._require_all(f"call {method_name!r} of", indices)
        return [getattr(self.envs.unwrapped, method_name)(*method_args, **kwargs)] * self.num_envs

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Any = None) -> list[bool]:
        """Whether worlds stand in a wrapper; those that are one object do not."""
        singles = self._singles()
        chosen = self._get_indices(indices)
        return [singles is not None and is_wrapped(singles[index], wrapper_class) for index in chosen]

    def _singles(self) -> Sequence[gym.Env[Any, Any]] | None:
        """The worlds one by one; None where they are one object."""
        worlds = self.envs.unwrapped
        return worlds.envs if isinstance(worlds, SyncVectorEnv) else None

    def _require_all(self, what: str, indices: VecEnvIndices) -> None:
        chosen = sorted(set(self._get_indices(indices)))
        if chosen != list(range(self.num_envs)):
            raise ValueError(f"cannot {what} worlds {chosen} alone: all {self.num_envs} are one object")

    def state_dict(self) -> dict[str, Any]:
        """The episodes so far."""
        return {"returns": self._returns.copy(), "lengths": self._lengths.copy(), "whole": self._whole.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`; the worlds must stand where they stood."""
        self._returns[:], self._lengths[:], self._whole[:] = state["returns"], state["lengths"], state["whole"]


def make_vec_env(env_id: str, num_worlds: int, **env_kwargs: Any) -> WorldsVecEnv:
    """N worlds of any Gymnasium id, ours or foreign, for SB3; bounded actions are in [-1, 1].

    ValueError on an unknown id and on keyword arguments that the environment does not take.
    """
    return WorldsVecEnv(WorldSpec(env_id, env_kwargs).make(num_worlds))


def multimodal_policy(envs: VecEnv, **options: Any) -> dict[str, Any]:
    """`policy_kwargs` with which an algorithm of SB3 reads all senses of the worlds through our networks.

    Args:
        envs: a `WorldsVecEnv`, wrapped or not.
        options: `fusion`, `fusion_options` and `features` of `MultimodalExtractor`; anything else goes to the policy.

    Raises:
        ValueError: where the worlds declare no senses.
    """
    worlds = envs.unwrapped
    if not isinstance(worlds, WorldsVecEnv):
        raise ValueError(f"only the worlds of make_vec_env declare their senses, got {type(worlds).__name__}")
    chosen = {name: options.pop(name) for name in ("fusion", "fusion_options", "features") if name in options}
    return {
        "features_extractor_class": MultimodalExtractor,
        "features_extractor_kwargs": {"modalities": worlds.modalities, **chosen},
        "normalize_images": False,  # the encoders scale images themselves
        **options,
    }


def flat_space(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """The space with nested keys joined by dots, the only Dict that SB3 takes."""
    if not isinstance(space, spaces.Dict):
        return space
    return spaces.Dict(dict(_leaves("", space)))


def _leaves(prefix: str, space: spaces.Dict) -> Iterable[tuple[str, spaces.Space[Any]]]:
    for key, leaf in space.spaces.items():
        if isinstance(leaf, spaces.Dict):
            yield from _leaves(f"{prefix}{key}.", leaf)
        else:
            yield prefix + key, leaf
