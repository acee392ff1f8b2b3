"""The decision of a policy: how probable its actions were, which return it expected, which pixels moved it.

A is the number of discrete actions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch.distributions import Categorical

from mmrl.modality import Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.loading import LoadedPolicy
from mmrl_agents.policies.trained import TrainedPolicy
from mmrl_agents.watching.saliency import heat_of, pixel_gradients


@dataclass(frozen=True, eq=False)
class Decision:
    """One decision; what a policy does not have is None."""

    action: int | None = None  # the one taken, or the most probable one where none was
    probabilities: NDArray[np.float64] | None = None  # (A,)
    value: float | None = None  # the critic's expected return
    heat: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # image sense -> (H, W), 0 to 1


class Introspection:
    """Looks into a policy as it decides, one world at a time.

    Nothing is shown of one that remembers earlier steps, and of one whose heads are of another library.

    Args:
        trained: the policy; its critic is asked where it was trained and has no senses of its own.
        policy: the same, as it acts.
        action_space: actions have probabilities where it is discrete.
        images: senses whose saliency is wanted, for discrete actions.
    """

    def __init__(
        self,
        trained: TrainedPolicy,
        policy: TorchPolicy,
        action_space: spaces.Space[Any],
        images: Mapping[str, Modality],
    ) -> None:
        self._policy = policy
        network = trained.policy
        self._network = network if isinstance(network, ActorCritic) and network.state_size == 0 else None
        self._discrete = isinstance(action_space, spaces.Discrete)
        self._has_value = trained.critic_trained and not trained.policy.critic_modalities
        self._images = dict(images)

    def decision(
        self,
        observation: Mapping[str, NDArray[Any]],
        present: Mapping[str, NDArray[np.bool_]] | None = None,
        action: NDArray[Any] | None = None,
    ) -> Decision:
        """The decision of the only row of an observation, name -> (1, *window_shape), for the action (1,) taken."""
        network = self._network
        if network is None:
            return Decision()
        obs, masks = self._policy.tensors(observation, present)
        with torch.no_grad():
            value = network.value(obs, present=masks).item() if self._has_value else None
            if not self._discrete:
                return Decision(value=value)
            distribution = cast(Categorical, network.distribution(obs, masks))
        taken = distribution.mode if action is None else torch.as_tensor(action, device=distribution.probs.device)
        gradients = pixel_gradients(network, obs, taken, list(self._images), masks) if self._images else {}
        return Decision(
            int(taken),
            distribution.probs[0].cpu().numpy().astype(np.float64),
            value,
            {name: heat_of(_images(gradient, self._images[name])) for name, gradient in gradients.items()},
        )


class StateCritic:
    """The value of what is observed, the state of the simulator included where the critic reads that."""

    def __init__(self, trained: TrainedPolicy) -> None:
        self._policy = LoadedPolicy(trained)
        self._reads = tuple(trained.policy.critic_modalities)

    def value(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> float | None:
        """Of one row; None where the critic needs nothing but what is observed, or `info` lacks what it needs."""
        if not self._reads or any(name not in info for name in self._reads):
            return None
        state = {name: np.asarray(info[name])[None] for name in self._reads}
        try:
            return float(self._policy.value({**observation, **state})[0])
        except ValueError:  # it remembers, or learned nothing
            return None


def _images(readings: torch.Tensor, sense: Modality) -> NDArray[np.float32]:
    """(1, *window_shape) of an image sense -> (T, H, W, C)."""
    height, width, *channels = sense.shape
    images: NDArray[np.float32] = readings.reshape(-1, height, width, math.prod(channels)).cpu().numpy()
    return images
