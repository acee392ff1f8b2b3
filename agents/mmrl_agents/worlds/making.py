"""The worlds of a command, made from what it says of them, and what they answer about themselves."""

import re
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from mmrl.arrays import Envs
from mmrl.modality import Modality
from mmrl.modality.foreign import overrides_from, with_encoders
from mmrl.settings.named import joined
from mmrl_agents.records.refusals import raised_by_us
from mmrl_agents.worlds.accepted import refused_arguments, usual_arguments
from mmrl_agents.worlds.foreign_worlds import find_maker, make_worlds
from mmrl_agents.worlds.worker import TIMEOUT_S
from mmrl_envs.multimodal import MultimodalVectorEnv, describing


def make_envs(
    env_id: str,
    num_worlds: int,
    env_kwargs: Mapping[str, Any],
    modalities: Mapping[str, Any] = MappingProxyType({}),
    workers: int = 0,
    worker_timeout_s: float = TIMEOUT_S,
) -> Envs:
    """N copies of an environment with SAME_STEP autoreset and, where bounded, actions in [-1, 1].

    Environments of mmrl come in their own vector form, others as a SyncVectorEnv of single ones. An
    id may name the module that registers it, as in "package:Env-v0"; "module:function" is what makes a single
    one, and "ALE/Breakout-v5" means that game as `mmrl/Atari-v0`. `modalities` says how keys of other packages'
    observations are read and which encoders read those of mmrl, as `TrainConfig.modalities`, and `workers` in how many
    processes they step; one that gives no answer for `worker_timeout_s` is replaced.

    Raises ValueError on an unknown id, on keyword arguments that the environment does not take, on observations that
    could be read in more ways than one, and on workers for environments of mmrl.
    """
    module, _, name = env_id.rpartition(":")
    try:
        maker = find_maker(env_id)  # imports the module, which registers an id
        name, env_kwargs = known_as(name, env_kwargs)
        if maker is None and gym.spec(name).vector_entry_point is not None:
            envs = gym.make_vec(name, num_envs=num_worlds, **env_kwargs)
            if isinstance(envs.unwrapped, MultimodalVectorEnv):
                return _with_encoders(envs, modalities, env_id, workers)
            envs.close()  # its resets take a step of their own
        return make_worlds(
            f"{module}:{name}" if module else name, num_worlds, env_kwargs, modalities, workers, worker_timeout_s
        )
    except gym.error.UnregisteredEnv as error:
        ours = ", ".join(sorted(name for name, spec in gym.registry.items() if spec.namespace == "mmrl"))
        raise ValueError(f"{error} Of mmrl there are: {ours}.") from error
    except gym.error.Error:
        raise
    except Exception as error:  # of a constructor that may be anybody's
        if isinstance(error, ValueError) and raised_by_us(error):
            raise
        raise refused_arguments(env_id, env_kwargs, error, name) from error


_ATARI = re.compile(r"ALE/(?P<game>\w+)-v5")


def known_as(env_id: str, env_kwargs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The id and arguments under which Gymnasium makes an environment: those given, but for Atari games.

    ale-py's own "ALE/MsPacman-v5" would show single colour frames; ours is "mmrl/Atari-v0" with game="ms_pacman".
    """
    atari = _ATARI.fullmatch(env_id)
    if atari is None:
        return env_id, _over_the_usual(env_id, env_kwargs)
    game = re.sub(r"(?<=[A-Za-z])(?=[0-9]?[A-Z])", "_", atari["game"]).lower()
    return "mmrl/Atari-v0", {"game": game, **env_kwargs}


def _over_the_usual(env_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments given, those within a mapping joined with the usual ones, of which Python would keep none."""
    mappings = {name: value for name, value in given.items() if isinstance(value, Mapping)}
    if not mappings:
        return dict(given)
    find_maker(env_id)  # as above
    usual = {name: value for name, value in usual_arguments(env_id).items() if name in mappings}
    return {**given, **joined(usual, mappings)}


def require_context_known(env_id: str, context: Mapping[str, Any], worlds: Envs | gym.Env[Any, Any]) -> None:
    """Raise ValueError for a context given to worlds that have none, or read nothing of it."""
    if not context:
        return
    ask = worlds.get_wrapper_attr if isinstance(worlds, gym.Env) else partial(getattr, describing(worlds))
    if not ask("takes_context"):
        raise ValueError(f"{env_id} has no context to set, got {', '.join(map(str, context))}")
    ask("require_context")(context)


def _with_encoders(envs: Envs, modalities: Mapping[str, Any], env_id: str, workers: int) -> Envs:
    """Worlds of ours, their senses read as asked; closed, with a ValueError, where that is not possible."""
    worlds = envs.unwrapped
    assert isinstance(worlds, MultimodalVectorEnv)
    try:
        if workers:
            raise ValueError(f"{env_id} steps its worlds on threads; workers are for environments of other packages")
        worlds.modalities = with_encoders(worlds.modalities, overrides_from(modalities))
    except ValueError:
        envs.close()
        raise
    return envs


def senses_of(envs: Envs) -> dict[str, Modality]:
    """The senses that an environment declares.

    Those of other packages follow from the observation space and what the run says of it.
    """
    return dict(describing(envs).modalities)


def critic_senses_of(envs: Envs) -> dict[str, Modality]:
    """The senses of a critic alone in an environment, {} for most; `info` holds the readings under these names."""
    return dict(describing(envs).critic_modalities)


def action_space_of(envs: Envs) -> spaces.Box | spaces.Discrete:
    """The action space of one world; raises ValueError on a kind no policy has a head for."""
    space = envs.single_action_space
    if not isinstance(space, spaces.Box | spaces.Discrete):
        raise ValueError(f"policies act in a Box or a Discrete space, this environment in {space}")
    if isinstance(space, spaces.Box) and not np.issubdtype(space.dtype, np.floating):
        raise ValueError(f"policies act in a Box of floats, this environment in one of {space.dtype}: {space}")
    return space


def world_settings(envs: Envs, context: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of worlds of mmrl, as they are without any option; {} for worlds of other packages.

    Of robots these are task, engine, rates, time limit and context, of which `context` is what the training or the
    evaluation changes; of games those of the console.
    """
    settings = describing(envs).settings
    return {**settings, "context": {**settings["context"], **context}} if "context" in settings else settings
