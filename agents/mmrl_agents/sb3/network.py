"""A policy of Stable-Baselines3 that acts like one of ours, and can be judged, filmed and saved like one.

Shapes: N worlds, A the action's shape, M numbers that a recurrent policy remembers of each world, L layers of its
LSTM and H units of each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.tqc.policies import Actor as TQCActor
from sb3_contrib.tqc.policies import TQCPolicy
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.sac.policies import Actor as SACActor
from stable_baselines3.sac.policies import SACPolicy
from torch import Tensor, nn

from mmrl.arrays import Envs
from mmrl.inputs import Inputs, Memory, Presence
from mmrl.modality import Modality
from mmrl_agents.learning.agent import Setting
from mmrl_agents.learning.sb3_algorithms import SB3_ALGORITHMS, SB3Algorithm
from mmrl_agents.sb3.extractor import MultimodalExtractor
from mmrl_agents.worlds.making import action_space_of


class SB3Action(NamedTuple):
    """The results of acting."""

    action: Tensor
    """Actions (N, *A), not clipped."""
    state: Tensor | None
    """The memory afterwards, (N, M); None for a policy without an LSTM."""


class SB3Network(nn.Module):
    """The policy module of an SB3 algorithm, target networks included, built from the config of a run."""

    critic_modalities: Mapping[str, Modality] = MappingProxyType({})

    def __init__(self, setting: Setting) -> None:
        """Raises ValueError for settings that the algorithm or our extractor does not take."""
        super().__init__()
        algorithm, envs = SB3_ALGORITHMS[setting.algorithm], setting.envs
        options = algorithm_options(setting)
        self.modalities = setting.modalities
        space = envs.single_observation_space
        _require_actions(algorithm, setting.algorithm, envs)
        self.policy_class: type[BasePolicy] = algorithm.load().policy_aliases[algorithm.policy]
        self.policy_kwargs = policy_arguments(setting, self.policy_class)
        known = inspect.signature(self.policy_class).parameters
        exploration = {"use_sde": options["use_sde"]} if "use_sde" in options and "use_sde" in known else {}
        self.policy: BasePolicy = self.policy_class(
            space, action_space_of(envs), _no_step_size, **self.policy_kwargs, **exploration
        )

    @property
    def state_size(self) -> int:
        """M: the hidden and the cell state of the actor's LSTM."""
        if not isinstance(self.policy, RecurrentActorCriticPolicy):
            return 0
        lstm = self.policy.lstm_actor
        return int(2 * lstm.num_layers * lstm.hidden_size)

    @property
    def extractors(self) -> list[MultimodalExtractor]:
        """Every one of its feature extractors once."""
        return [module for module in self.policy.modules() if isinstance(module, MultimodalExtractor)]

    def adopt(self, policy: BasePolicy) -> None:
        """Stand for this policy from now on, which gets the weights so far."""
        policy.load_state_dict(self.policy.state_dict())
        self.policy = policy

    def train(self, mode: bool = True) -> SB3Network:
        """Training mode for what SB3 puts into it, which target networks are not."""
        self.training = mode
        self.policy.set_training_mode(mode)
        return self

    @torch.no_grad()
    def step(
        self,
        obs: Inputs,
        memory: Memory | None,
        *,
        present: Presence | None = None,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> SB3Action:
        """Act: as `ActorCritic.step`, but for the value and the probability, which not every algorithm has."""
        given: Any = dict(obs)
        with ExitStack() as stack:
            for extractor in self.extractors:
                stack.enter_context(extractor.sensing(present))
            stack.enter_context(_drawing_from(generator))
            if not deterministic:
                self._renew_noise(obs)
            if memory is None:
                return SB3Action(self.policy._predict(given, deterministic=deterministic), None)
            return self._recall(given, memory, deterministic)

    def _renew_noise(self, obs: Inputs) -> None:
        """Draw the noise of state-dependent exploration anew, which is else that of the untrained network."""
        policy = self.policy
        actor = policy.actor if isinstance(policy, SACPolicy | TQCPolicy) else policy
        if isinstance(actor, ActorCriticPolicy | SACActor | TQCActor) and actor.use_sde:
            actor.reset_noise(next(iter(obs.values())).shape[0])

    def _recall(self, obs: Any, memory: Memory, deterministic: bool) -> SB3Action:
        policy = cast(RecurrentActorCriticPolicy, self.policy)
        lstm = policy.lstm_actor
        # (N, M) -> twice (L, N, H)
        hidden, cell = memory.state.view(-1, 2, lstm.num_layers, lstm.hidden_size).permute(1, 2, 0, 3).contiguous()
        starts = memory.episode_start.flatten().to(hidden.dtype)
        action, state = policy._predict(obs, (hidden, cell), starts, deterministic=deterministic)
        return SB3Action(action, torch.stack(state).permute(2, 0, 1, 3).flatten(1))


@contextmanager
def _drawing_from(generator: torch.Generator | None) -> Iterator[None]:
    """SB3 draws from torch's global generators; while inside they follow `generator`, afterwards they are as before."""
    if generator is None:
        yield
        return
    with torch.random.fork_rng([generator.device] if generator.device.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(2**31 - 1, (), generator=generator, device=generator.device)))
        yield


def policy_arguments(setting: Setting, chosen: type[BasePolicy]) -> dict[str, Any]:
    """Keyword arguments of the policy: our networks in the sizes of `setting.policy`, and `policy_options`."""
    name, network, algorithm = setting.algorithm, setting.policy, SB3_ALGORITHMS[setting.algorithm]
    if network.head != "auto":
        raise ValueError(f"policy.head {network.head!r} is one of mmrl's own: {name} has a head of its own")
    if network.separate_critic:
        raise ValueError(f"policy.separate_critic is one of mmrl's own: {name} shares or parts as SB3 does")
    if setting.dropped:
        shares = ", ".join(f"{sense} {share}" for sense, share in setting.dropped.items())
        raise ValueError(f"{name} always trains with all senses, so sense_dropout must be 0: {shares}")
    given = setting.settings.policy_options
    _require_known("policy_options", given, inspect.signature(chosen).parameters, _SET_BY_US)
    extractor = {
        "modalities": setting.modalities,
        "fusion": network.fusion,
        "fusion_options": network.fusion_options,
        "features": network.fused_features,
    }
    spread = {} if algorithm.replays else {"log_std_init": network.log_std_init}
    return {
        "features_extractor_class": MultimodalExtractor,
        "features_extractor_kwargs": extractor,
        "normalize_images": False,
        "net_arch": {"pi": list(network.actor_hidden), algorithm.critic: list(network.critic_hidden)},
        **spread,
        **given,
    }


def algorithm_options(setting: Setting) -> dict[str, Any]:
    """Arguments of the algorithm: the defaults of ours under those of its settings, numbers and schedules parsed."""
    algorithm = SB3_ALGORITHMS[setting.algorithm]
    noise = ["action_noise_std"] if algorithm.replays else []
    known = [*inspect.signature(algorithm.load()).parameters, *noise]
    _require_known("options", setting.settings.options, known, _SET_BY_US)
    merged = {**algorithm.defaults, **setting.settings.options}
    return {name: _parsed(name, value) for name, value in merged.items()}


# What a run has its own settings for, and what is not written KEY=VALUE.
_SET_BY_US = frozenset(
    {
        "policy",
        "env",
        "seed",
        "device",
        "verbose",
        "tensorboard_log",
        "policy_kwargs",
        "stats_window_size",
        "action_noise",
        "_init_setup_model",
        "rollout_buffer_class",
        "rollout_buffer_kwargs",
        "replay_buffer_class",
        "replay_buffer_kwargs",
        "observation_space",
        "action_space",
        "lr_schedule",
        "features_extractor_class",
        "features_extractor_kwargs",
        "net_arch",
        "normalize_images",
        "activation_fn",
        "optimizer_class",
        "log_std_init",
        "squash_output",
    }
)


def _require_known(what: str, given: Mapping[str, Any], known: Any, ours: frozenset[str]) -> None:
    free = sorted(name for name in known if name not in ours)
    unknown = ", ".join(repr(name) for name in given if name not in free)
    if unknown:
        raise ValueError(f"sb3.{what} has no {unknown}; there are {', '.join(free)}")


def _parsed(name: str, value: Any) -> Any:
    """A number, where YAML leaves 3e-4 a word; a linear schedule for lin_3e-4; anything else as it is."""
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str):
        return value
    try:
        return _linear(float(value.removeprefix("lin_"))) if value.startswith("lin_") else float(value)
    except ValueError as error:
        if value.startswith("lin_"):
            raise ValueError(f"sb3.options {name}: lin_ needs a number behind it, got {value!r}") from error
        return value


def _linear(start: float) -> Callable[[float], float]:
    """From `start`, where all of the training remains, to 0."""
    return lambda remaining: start * remaining


def _no_step_size(remaining: float) -> float:
    """Of the optimisers of a policy that only acts."""
    return 0.0


def _require_actions(algorithm: SB3Algorithm, name: str, envs: Envs) -> None:
    space = action_space_of(envs)
    if isinstance(space, spaces.Box):
        # SB3's own checks, as errors that say what is wrong with which space; make_envs rescales all bounded actions.
        if not (np.all(space.low == -1) and np.all(space.high == 1)):
            raise ValueError(f"{name} needs actions within bounds, this environment takes {space}")
    elif algorithm.replays:
        raise ValueError(f"{name} needs continuous actions, this environment takes {space}")
