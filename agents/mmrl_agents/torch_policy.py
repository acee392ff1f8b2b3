"""A trained network as those who judge want it: numpy in, numpy out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.policy import Memory
from mmrl_agents.networks import Network


class TorchPolicy:
    """A network as a policy of `mmrl.evaluation`: numpy in, numpy out.

    Actions are clipped to a Box action space, as in training. Actions that are drawn come from a
    generator of their own, seeded with `seed`.
    """

    def __init__(
        self,
        policy: Network,
        action_space: spaces.Space[Any],
        *,
        deterministic: bool = True,
        seed: int = 0,
    ) -> None:
        self.policy = policy
        self.deterministic = deterministic
        self._device = next(policy.parameters()).device
        self._state = torch.zeros(0, policy.state_size, device=self._device)
        self._generator = torch.Generator(self._device).manual_seed(seed)
        self._bounds = (action_space.low, action_space.high) if isinstance(action_space, spaces.Box) else None

    @torch.inference_mode()
    def act(
        self,
        observation: Mapping[str, NDArray[Any]],
        present: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> NDArray[Any]:
        """Actions (N, *A) for name -> (N, *window_shape)."""
        obs, masks = self.tensors(observation, present)
        taken = self.policy.step(
            obs,
            self._memory(len(next(iter(observation.values())))),
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

    def _memory(self, worlds: int) -> Memory | None:
        """What is remembered of each world, nothing at first and of another number of worlds."""
        if not self.policy.state_size:
            return None
        if len(self._state) != worlds:
            self._state = torch.zeros(worlds, self.policy.state_size, device=self._device)
        return Memory(self._state, torch.zeros(1, worlds, dtype=torch.bool, device=self._device))

    def tensors(
        self,
        observation: Mapping[str, NDArray[Any]],
        present: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """An observation and what of it is present, as the network takes them, on its device."""
        obs = {name: self._reading(array) for name, array in observation.items()}
        return obs, {name: torch.as_tensor(mask, device=self._device) for name, mask in (present or {}).items()}

    def _reading(self, array: NDArray[Any]) -> torch.Tensor:
        dtype = torch.uint8 if array.dtype == np.uint8 else torch.float32
        return torch.as_tensor(array).to(self._device, dtype)
