"""A trained policy in a few lines of Python: actions and values, for one observation or a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from mmrl.arrays import IntArray
from mmrl.deploy.exported import batched
from mmrl.modality import Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.trained import TrainedPolicy, load_policy


class LoadedPolicy:
    """A policy that was trained or comes with the package, as `mmrl.deploy.policy.ReadyPolicy` promises it.

    A policy with a memory remembers from call to call, for each of the N.

    Args:
        trained: the network and where it came from.
    """

    def __init__(self, trained: TrainedPolicy) -> None:
        self._trained = trained
        self._acting = TorchPolicy(trained.policy, trained.action_space)

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """The senses that it reads, by name: shapes, rates, units."""
        return self._trained.policy.modalities

    @property
    def action_space(self) -> spaces.Space[Any]:
        """The space of one action."""
        return self._trained.action_space

    @property
    def hz(self) -> float | None:
        """Actions per second in its training; None where the environment did not say."""
        rate = self._trained.document.get("world", {}).get("control_hz")
        return None if rate is None else float(rate)

    def act(self, observation: Mapping[str, ArrayLike], present: Mapping[str, ArrayLike] | None = None) -> NDArray[Any]:
        """The best action (*A), or N of them (N, *A), within the bounds of the action space."""
        batch, masks, one = batched(observation, present, self.modalities)
        actions = self._acting.act(batch, masks)
        return actions[0] if one else actions

    @torch.inference_mode()
    def value(
        self, observation: Mapping[str, ArrayLike], present: Mapping[str, ArrayLike] | None = None
    ) -> NDArray[np.float32]:
        """The discounted return that the critic expects, (), or N of them.

        A critic that was trained on the state of the simulator reads that as well, from `info`:
        `{**observation, "privileged": info["privileged"]}`. Raises ValueError where it is missing, and for a policy
        whose critic learned nothing or that remembers.
        """
        network = self._trained.policy
        if not (isinstance(network, ActorCritic) and self._trained.critic_trained and not network.state_size):
            raise ValueError(f"{self._trained.source}: no critic of it can be asked for a value")
        if missing := [name for name in network.critic_modalities if name not in observation]:
            raise ValueError(
                f"the critic reads {', '.join(missing)}, which the simulator gives in `info`: "
                f'{{**observation, "{missing[0]}": info["{missing[0]}"]}}'
            )
        batch, masks, one = batched(observation, present, network.senses)
        readings, there = self._acting.tensors(batch, masks, network.senses)
        values = network.value(readings, present=there).cpu().numpy()
        return values[0] if one else values

    def reset(self, worlds: IntArray | None = None) -> None:
        """Forget what is remembered, of all or of some of N."""
        self._acting.reset(self._acting.worlds if worlds is None else worlds)


def load(
    source: str | Path, *, checkpoint: str | Path = "best", device: str = "cpu", trust: Sequence[str] = ()
) -> LoadedPolicy:
    """The policy of a run folder, of an exported one, or one that comes with the package, by name.

    Raises as `mmrl_agents.policies.trained.load_policy`.
    """
    return LoadedPolicy(load_policy(source, device, checkpoint, trust))
