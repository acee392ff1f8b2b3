"""A trained network as those who judge want it: numpy in, numpy out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from mmrl.inputs import Memory
from mmrl.modality import Modality
from mmrl.modality.readings import checked_readings
from mmrl_agents.learning.agent import Network
from mmrl_agents.machine.cpu import use_threads


class TorchPolicy:
    """A network as a policy of `mmrl.evaluation.rates`: numpy in, numpy out.

    Actions are clipped to a Box action space, as in training. Actions that are drawn come from a
    generator of their own, seeded with `seed`. Acting runs on `threads` threads of the processor: one row or a few are
    too little to share out, and on a busy machine threads wait for each other; None leaves torch's number.

    Observations are checked here (`mmrl.modality.readings`): ValueError with the name of the sense for what is not as
    declared.
    """

    def __init__(
        self,
        policy: Network,
        action_space: spaces.Space[Any],
        *,
        deterministic: bool = True,
        seed: int = 0,
        threads: int | None = 1,
    ) -> None:
        self.policy = policy
        self.threads = threads
        self.deterministic = deterministic
        self._device = next(policy.parameters()).device
        self._state = torch.zeros(0, policy.state_size, device=self._device)
        self._generator = torch.Generator(self._device).manual_seed(seed)
        self._bounds = (action_space.low, action_space.high) if isinstance(action_space, spaces.Box) else None

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """The senses that it reads, by name."""
        return self.policy.modalities

    @property
    def worlds(self) -> NDArray[np.intp]:
        """Indices of the worlds of which it remembers something."""
        return np.arange(len(self._state))

    @torch.inference_mode()
    def act(
        self,
        observation: Mapping[str, ArrayLike],
        present: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> NDArray[Any]:
        """Actions (N, *A) for name -> (N, *window_shape), lists of numbers included."""
        obs, masks = self.tensors(observation, present)
        with use_threads(self.threads):
            taken = self.policy.step(
                obs,
                self.memory(len(next(iter((*obs.values(), *masks.values()))))),
                present=masks,
                deterministic=self.deterministic,
                generator=self._generator,
            )
        if taken.state is not None:
            self._state = taken.state
        array: NDArray[Any] = taken.action.cpu().numpy()
        return array if self._bounds is None else np.clip(array, *self._bounds)

    def reset(self, worlds: NDArray[np.int64]) -> None:
        """Forget what a recurrent policy remembers of these worlds."""
        known = worlds[worlds < len(self._state)]
        self._state = self._state.clone()  # that of an inference may not be written
        self._state[torch.from_numpy(known)] = 0.0

    def memory(self, worlds: int) -> Memory | None:
        """The memory of each world before its next action, empty at first and for another number of worlds."""
        if not self.policy.state_size:
            return None
        if len(self._state) != worlds:
            self._state = torch.zeros(worlds, self.policy.state_size, device=self._device)
        return Memory(self._state, torch.zeros(1, worlds, dtype=torch.bool, device=self._device))

    def tensors(
        self,
        observation: Mapping[str, ArrayLike],
        present: Mapping[str, NDArray[np.bool_]] | None = None,
        senses: Mapping[str, Modality] | None = None,
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """An observation and what of it is present, as the network takes them, on its device.

        `senses` are those that may be in it, by default those of the actor.
        """
        masks = {name: np.asarray(mask, np.bool_) for name, mask in (present or {}).items()}
        readings = checked_readings(observation, masks, self.policy.modalities if senses is None else senses)
        obs, known = (
            {name: torch.as_tensor(array, device=self._device) for name, array in arrays.items()}
            for arrays in (readings, masks)
        )
        return obs, known
