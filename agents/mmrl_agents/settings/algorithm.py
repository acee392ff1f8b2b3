"""The settings of a training as its algorithm sees them."""

from typing import Any

from mmrl.arrays import Envs
from mmrl.representation import objective_configs
from mmrl.settings.documents import build
from mmrl_agents.algorithms import find_algorithm
from mmrl_agents.learning.agent import Network, Setting
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.worlds.making import senses_of


def algorithm_settings(config: TrainConfig) -> Any:
    """The settings of the algorithm, of the class that its record names."""
    algorithm = find_algorithm(config.agent)
    return vars(config)[algorithm.part] if algorithm.part else build(algorithm.settings, config.agent_options)


def setting_of(config: TrainConfig, envs: Envs) -> Setting:
    """A training in some worlds; ValueError where it drops senses that these lack, and for an unknown objective."""
    return Setting(
        config.agent,
        algorithm_settings(config),
        config.policy,
        envs,
        config.seed,
        config.total_steps,
        config.episode_limit,
        config.dropped_senses(tuple(senses_of(envs))),
        objective_configs(config.objectives),
    )


def build_network(config: TrainConfig, envs: Envs) -> Network:
    """The untrained network of a run, from what its worlds declare; ValueError where the settings do not fit them."""
    network: Network = find_algorithm(config.agent).network(setting_of(config, envs))
    return network
