"""Algorithms of Stable-Baselines3 as agents of a training run.

SB3's `learn` is taken apart into what it is made of, collecting and training in turns, so that the run keeps its
clock, its curves, its checkpoints and its curriculum. None of SB3's own files, which hold pickles, is written.
"""

from __future__ import annotations

import math
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.vec_env import VecEnv, VecTransposeImage

from mmrl.evaluation.figures import figures_of
from mmrl_agents.experience.episodes import Ended, context_from, episode_from, was_lost
from mmrl_agents.learning.agent import Agent, Resources, Setting
from mmrl_agents.learning.finiteness import first_weight_not_finite
from mmrl_agents.learning.sb3_algorithms import SB3_ALGORITHMS
from mmrl_agents.records.checkpoint import numpy_tree
from mmrl_agents.sb3 import random_state
from mmrl_agents.sb3.encoded_buffer import keep_encodings
from mmrl_agents.sb3.network import SB3Network, algorithm_options
from mmrl_agents.sb3.vec_env import WorldsVecEnv


class ReplayBufferNotSaved(UserWarning):
    """A run goes on with an empty replay buffer."""


def make_agent(setting: Setting, network: SB3Network, resources: Resources) -> Agent:
    """The agent of `setting.algorithm`."""
    kind = ReplayAgent if SB3_ALGORITHMS[setting.algorithm].replays else RolloutAgent
    return kind(setting, network, resources)


class SB3Agent(ABC):
    """The common part of all algorithms: worlds, networks, optimisers, logs."""

    begins_in_mid_episode = True
    scores_episodes = False
    last_error = ""

    def __init__(self, setting: Setting, network: SB3Network, resources: Resources) -> None:
        self.network, self.statistics = network, resources.statistics
        self.name, self._total_steps = setting.algorithm, setting.total_steps
        self._ended: list[Ended] = []
        self._figures = figures_of(setting.envs)
        self.worlds = WorldsVecEnv(setting.envs, self._count)
        self.model = self._build(algorithm_options(setting), resources.device)
        self.model.set_logger(Logger(folder=None, output_formats=[]))
        self.callback = cast(BaseCallback, None)
        network.adopt(self.model.policy)

    def _build(self, options: dict[str, Any], device: torch.device) -> BaseAlgorithm:
        deviation = options.pop("action_noise_std", None)
        if deviation is not None:
            size = self.worlds.action_space.shape
            assert size is not None
            options["action_noise"] = NormalActionNoise(np.zeros(size), np.full(size, float(deviation)))
        # A copy: the algorithms add to it.
        kwargs = dict(self.network.policy_kwargs)
        algorithm = SB3_ALGORITHMS[self.name].load()
        # Tells SB3 that images were seen to: our encoders take them as they come.
        worlds = VecTransposeImage(self.worlds, skip=True)
        try:
            model: BaseAlgorithm = algorithm(
                self.network.policy_class, worlds, policy_kwargs=kwargs, device=device, **options
            )
        except (AssertionError, TypeError, ValueError) as error:  # its ways to refuse a setting
            raise ValueError(f"{self.name} refuses its settings: {error}") from error
        return model

    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        """Reset the worlds, and SB3's generators, which are those of the process."""
        self.model.set_random_seed(seed)
        self.worlds.set_options(options)
        done = self.model.num_timesteps
        _, self.callback = self.model._setup_learn(self._total_steps)
        self.model.num_timesteps = done

    def warm_up(self) -> int:
        """Nothing is needed."""
        return 0

    @abstractmethod
    def collect(self) -> int:
        """Gather the experience of one update; returns the environment steps spent, over all worlds."""

    @abstractmethod
    def _train(self) -> None:
        """SB3's update."""

    def update(self) -> dict[str, float]:
        """Learn from what was collected. ValueError where SB3 lost the weights to numbers that are not finite."""
        try:
            self._train()
        except ValueError as error:  # so torch refuses a distribution of such numbers
            raise ValueError(f"{self.name}: {str(error).splitlines()[0]}") from error
        lost = first_weight_not_finite(self.model.policy)
        if lost:
            raise ValueError(f"{self.name}: an update left numbers that are not finite in {lost}")
        logged = self.model.logger.name_to_value
        metrics = {name.removeprefix("train/"): float(value) for name, value in logged.items()}
        self.model.logger.dump()
        return {**metrics, "skipped_updates": 0.0}

    def set_progress(self, fraction: float) -> float:
        """Set all schedules for the done fraction of the training; returns the step size."""
        self.model._current_progress_remaining = 1.0 - min(max(fraction, 0.0), 1.0)
        return float(self.model.lr_schedule(self.model._current_progress_remaining))

    def ended(self) -> list[Ended]:
        """Without scores, which SB3 does not give."""
        return self._ended

    def _count(self, world: int, summary: dict[str, Any] | None, info: Mapping[str, Any]) -> None:
        if summary is not None and was_lost(info, world):  # with its process, which says nothing of the policy
            summary = None
        episode = None if summary is None else episode_from(info, world, summary["r"], summary["l"], self._figures)
        if episode is not None:
            self.statistics.add(episode)
        self._ended.append(Ended(world, context_from(info, world), episode))

    def state_dict(self) -> dict[str, object]:
        """Optimisers and what else is learned outside the policy, and SB3's counters."""
        parameters: dict[str, Any] = self.model.get_parameters()
        del parameters["policy"]  # the run has it
        _, variables = self.model._get_torch_save_params()
        return {
            "parameters": parameters,
            "variables": {name: recursive_getattr(self.model, name).detach().clone() for name in variables},
            "num_timesteps": self.model.num_timesteps,
            "n_updates": self.model._n_updates,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`; the policy has its weights already."""
        parameters: dict[str, Any] = {**state["parameters"], "policy": self.model.policy.state_dict()}
        self.model.set_parameters(parameters)
        for name, value in state["variables"].items():
            recursive_getattr(self.model, name).data.copy_(value)
        self.model.num_timesteps = int(state["num_timesteps"])
        self.model._n_updates = int(state["n_updates"])

    def rollout_state(self) -> dict[str, Any]:
        """The last observation, the episodes so far and the generators that SB3 draws from."""
        return {
            "observation": self.model._last_obs,
            "episode_starts": self.model._last_episode_starts,
            "worlds": self.worlds.state_dict(),
            "random": random_state.get_state(self.model),
        }

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """Undo `rollout_state` in place of `start`; the worlds restart by themselves, without options."""
        self.model._last_obs = numpy_tree(state["observation"])
        self.model._last_episode_starts = numpy_tree(state["episode_starts"])
        self.worlds.load_state_dict(numpy_tree(state["worlds"]))
        _, self.callback = self.model._setup_learn(self._total_steps, reset_num_timesteps=False)
        self.model._total_timesteps = self._total_steps
        random_state.set_state(self.model, state["random"])


class RolloutAgent(SB3Agent):
    """PPO and RecurrentPPO: rollouts of fixed length, each used for one update."""

    @property
    def _rollouts(self) -> OnPolicyAlgorithm:
        return cast(OnPolicyAlgorithm, self.model)

    def warm_up(self) -> int:
        """A rollout for the running statistics alone, where a sense has any.

        Otherwise the first update would meet readings on another scale than the policy that collected them.
        """
        if not any(len(extractor.running_statistics) for extractor in self.network.extractors):
            return 0
        steps = self.collect()
        seen: Any = self._rollouts.rollout_buffer.observations
        for extractor in self.network.extractors:
            # (T, N, *shape) -> (T * N, *shape)
            extractor.perception.update_statistics({name: torch.as_tensor(x).flatten(0, 1) for name, x in seen.items()})
        return steps

    def collect(self) -> int:
        model, self._ended = self._rollouts, []
        env = cast(VecEnv, model.env)
        model.collect_rollouts(env, self.callback, model.rollout_buffer, model.n_steps)
        return model.n_steps * env.num_envs

    def _train(self) -> None:
        self._rollouts.train()

    def rollout_state(self) -> dict[str, Any]:
        """The rollout, and what an LSTM remembers."""
        states = vars(self.model).get("_last_lstm_states")
        remembered = None if states is None else [list(states.pi), list(states.vf)]
        return {**super().rollout_state(), "remembered": remembered}

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """The rollout, and what an LSTM remembers."""
        super().resume_rollout(state, options)
        if state["remembered"] is not None:
            actor, critic = (tuple(part.to(self.model.device) for part in pair) for pair in state["remembered"])
            model: Any = self.model
            model._last_lstm_states = type(model._last_lstm_states)(actor, critic)


class ReplayAgent(SB3Agent):
    """SAC, TD3 and TQC: transitions go to a buffer, updates draw from it.

    The buffer is not saved: it is larger than all else together. A resumed run fills it to `learning_starts` with its
    restored policy before it learns on. Of a frozen perception it keeps joint vectors alone.
    """

    _begun = False

    @property
    def _replays(self) -> OffPolicyAlgorithm:
        return cast(OffPolicyAlgorithm, self.model)

    def _build(self, options: dict[str, Any], device: torch.device) -> BaseAlgorithm:
        require_replay_memory(self.worlds, int(options["buffer_size"]))
        if options["learning_starts"] > options["buffer_size"]:
            starts, size = options["learning_starts"], options["buffer_size"]
            raise ValueError(f"sb3.options: learning_starts {starts} is more than a buffer_size of {size} holds")
        return super()._build(options, device)

    def collect(self) -> int:
        """`train_freq` steps of all worlds."""
        model, self._ended = self._replays, []
        if not self._begun:
            self._begun = True
            keep_encodings(model)
        assert model.replay_buffer is not None
        self._collected = model.collect_rollouts(
            cast(VecEnv, model.env),
            self.callback,
            cast(Any, model.train_freq),
            model.replay_buffer,
            model.action_noise,
            model.learning_starts,
        )
        return self._collected.episode_timesteps

    def _train(self) -> None:
        model = self._replays
        assert model.replay_buffer is not None
        held = model.replay_buffer.size() * model.n_envs
        # A buffer of N worlds may hold a few transitions less than asked for.
        if held <= model.learning_starts and not model.replay_buffer.full:
            return
        steps = model.gradient_steps if model.gradient_steps >= 0 else self._collected.episode_timesteps
        if steps:
            model.train(gradient_steps=steps, batch_size=model.batch_size)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """No rollout is kept: the buffer is empty, and the next transitions are not random ones."""
        super().load_state_dict(state)
        text = (
            f"{self.name} saves no replay buffer: the run fills a new one with {self._replays.learning_starts:,} "
            f"transitions of the restored policy before it learns on"
        )
        warnings.warn(text, ReplayBufferNotSaved, stacklevel=2)


def require_replay_memory(worlds: WorldsVecEnv, transitions: int) -> None:
    """Raise ValueError where a replay buffer, with the observations before and after, outgrows the machine."""
    space = worlds.observation_space
    assert isinstance(space, spaces.Dict)
    each = 2 * sum(math.prod(leaf.shape or ()) * np.dtype(leaf.dtype).itemsize for leaf in space.spaces.values())
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if transitions * each > machine:
        raise ValueError(
            f"sb3.options: buffer_size {transitions:,} takes {transitions * each / 1e9:.1f} GB of observations, this "
            f"machine has {machine / 1e9:.1f} GB: at most {machine // each:,}"
        )
