"""Environments of other packages, by id or by the function that makes one, as a policy of mmrl meets them."""

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from mmrl.arrays import Envs
from mmrl.modality.foreign import DeclaredSenses, Override, overrides_from
from mmrl_agents.worlds.accepted import refused_arguments
from mmrl_agents.worlds.actions import Single, unit_actions
from mmrl_agents.worlds.failures import NamedFailures
from mmrl_agents.worlds.infos import ReadableInfo
from mmrl_agents.worlds.replaying import Replayable
from mmrl_agents.worlds.side_by_side import SideBySide
from mmrl_agents.worlds.worker import TIMEOUT_S
from mmrl_agents.worlds.workers import WorkerWorlds
from mmrl_envs.multimodal import SingleWorld

EnvMaker = Callable[..., Single]

EXTRAS: Mapping[str, str] = MappingProxyType({"gymnasium_robotics": "robotics", "panda_gym": "panda-gym"})
"""Packages of environments that mmrl has recipes for: module -> extra that installs it."""


def find_maker(env_id: str) -> EnvMaker | None:
    """The function or class that "module:name" means; None for an id, whose module is imported all the same.

    What a file says is judged by `trust` before it comes here. Raises ValueError where the module cannot be found.
    """
    module_name, _, name = env_id.rpartition(":")
    if not module_name:
        return None
    module = _imported(module_name, env_id)
    maker = getattr(module, name, None)
    return maker if callable(maker) and name not in gym.registry else None


def make_single_world(env_id: str, env_kwargs: Mapping[str, Any], modalities: Mapping[str, Any]) -> Single:
    """One world as `make_worlds` makes them, or of mmrl by its id, without Gymnasium's checks.

    Raises ValueError for keyword arguments that the environment does not take.
    """
    maker = find_maker(env_id)
    try:
        env = _made(maker or partial(gym.make, env_id, disable_env_checker=True), env_id, env_kwargs)
    except TypeError as error:
        raise refused_arguments(env_id, env_kwargs, error) from error
    ours = maker is None and isinstance(env.unwrapped, SingleWorld)
    return env if ours else _wrapped(env, env_id, modalities)


def make_worlds(
    env_id: str,
    num_worlds: int,
    env_kwargs: Mapping[str, Any],
    modalities: Mapping[str, Any],
    workers: int = 0,
    worker_timeout_s: float = TIMEOUT_S,
) -> Envs:
    """N worlds side by side with SAME_STEP autoreset, bounded actions in [-1, 1] and declared senses.

    With `workers` they step in so many processes, replaced where they give no answer for `worker_timeout_s`.
    """
    make = partial(make_single_world, env_id, dict(env_kwargs), dict(modalities))
    if workers:
        return WorkerWorlds(make, num_worlds, workers, worker_timeout_s)
    return SideBySide([make] * num_worlds, autoreset_mode=AutoresetMode.SAME_STEP)


def _made(maker: EnvMaker, env_id: str, env_kwargs: Mapping[str, Any]) -> Single:
    env = maker(**env_kwargs)
    if not isinstance(env, gym.Env):
        raise ValueError(f"{env_id} must make a gymnasium.Env, it made {type(env).__name__}")
    return env


def _wrapped(env: Single, name: str, modalities: Mapping[str, Any]) -> Replayable:
    """The environment with senses, actions and infos as policies know them, and able to be played again."""
    senses = {**_own_senses(env), **overrides_from(modalities)}
    return Replayable(NamedFailures(ReadableInfo(DeclaredSenses(unit_actions(env), senses)), name), name)


def _own_senses(env: Single) -> dict[str, Override]:
    """The senses that an environment of ours declares, as far as wrappers around it left them so."""
    world, space = env.unwrapped, env.observation_space
    if not isinstance(world, SingleWorld) or not isinstance(space, spaces.Dict):
        return {}
    return {name: sense for name, sense in world.modalities.items() if space.spaces.get(name) == sense.space}


def _imported(module_name: str, env_id: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        package = module_name.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        extra = f": pip install 'mmrl[{EXTRAS[package]}]'" if package in EXTRAS else ""
        raise ValueError(f"{env_id} needs the module {error.name}, which is not installed{extra}") from error
