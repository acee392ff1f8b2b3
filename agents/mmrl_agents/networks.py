"""The network that an agent trains, by the name of the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from mmrl.policy import ActorCritic
from mmrl_agents.learning.sb3_algorithms import ALGORITHMS
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.worlds.making import Worlds, action_space_of, modalities_and_privileged_size

if TYPE_CHECKING:
    from mmrl_agents.sb3.network import SB3Network

Network: TypeAlias = "ActorCritic | SB3Network"


def build_network(config: TrainConfig, envs: Worlds) -> Network:
    """The untrained network of a run, from what its worlds declare; ValueError where the settings do not fit them."""
    return NETWORKS[config.agent](config, envs)


def _native(config: TrainConfig, envs: Worlds) -> ActorCritic:
    modalities, privileged_size = modalities_and_privileged_size(envs)
    return ActorCritic(modalities, action_space_of(envs), config.policy, privileged_size)


def _neighbour(config: TrainConfig, envs: Worlds) -> SB3Network:
    ALGORITHMS[config.agent].load()  # its error says what to install
    from mmrl_agents.sb3.network import SB3Network

    return SB3Network(config, envs)


NETWORKS: Mapping[str, Callable[[TrainConfig, Worlds], Network]] = MappingProxyType(
    {"ppo": _native, "reinforce": _native, **dict.fromkeys(ALGORITHMS, _neighbour)}
)
