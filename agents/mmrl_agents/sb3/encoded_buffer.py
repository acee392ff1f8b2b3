"""A replay buffer for a perception that stays as it is: joint vectors, each computed once, in place of readings.

Shapes: N worlds, B rows, D features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from mmrl_agents.sb3.extractor import ENCODED, MultimodalExtractor


class EncodedReplayBuffer(ReplayBuffer):
    """As that of SB3; what is sampled are joint vectors (B, D), under the one name `extractor.ENCODED`.

    Args:
        model: the algorithm whose buffer it becomes; its actor encodes.
        encoding: space of a joint vector, (D,).
    """

    def __init__(self, model: OffPolicyAlgorithm, encoding: spaces.Box) -> None:
        self._policy: Any = model.policy
        super().__init__(model.buffer_size, encoding, model.action_space, model.device, model.n_envs)

    def add(
        self, obs: Any, next_obs: Any, action: NDArray[Any], reward: Any, done: Any, infos: list[dict[str, Any]]
    ) -> None:
        """Keep a transition of each world, of readings by name, (N, *window_shape)."""
        super().add(self._encoded(obs), self._encoded(next_obs), action, reward, done, infos)

    @torch.no_grad()
    def _encoded(self, observation: Any) -> NDArray[np.float32]:
        actor = self._policy.actor
        readings, _ = self._policy.obs_to_tensor(observation)
        return np.asarray(actor.extract_features(readings, actor.features_extractor).cpu())

    def _get_samples(self, batch_inds: NDArray[Any], env: VecNormalize | None = None) -> ReplayBufferSamples:
        rows: Any = super()._get_samples(batch_inds, env)
        sampled: ReplayBufferSamples = rows._replace(
            observations={ENCODED: rows.observations}, next_observations={ENCODED: rows.next_observations}
        )
        return sampled


def keep_encodings(model: OffPolicyAlgorithm) -> bool:
    """Give an algorithm such a buffer where nothing learns in its extractors and all have one set of weights.

    Returns whether it has one now.
    """
    modules: list[Any] = list(model.policy.modules())
    extractors = [module for module in modules if isinstance(module, MultimodalExtractor)]
    learned = any(weight.requires_grad for extractor in extractors for weight in extractor.parameters())
    if learned or not _same(extractors):
        return False
    encoding = spaces.Box(-np.inf, np.inf, (extractors[0].features_dim,), np.float32)
    for module in modules:
        known = vars(module).get("observation_space")
        if isinstance(known, spaces.Dict):  # where SB3 looks up what it is given
            module.observation_space = spaces.Dict({**known.spaces, ENCODED: encoding})
    model.replay_buffer = EncodedReplayBuffer(model, encoding)
    return True


def _same(modules: list[MultimodalExtractor]) -> bool:
    """Whether all have the same weights and statistics."""
    first, *others = (module.state_dict() for module in modules)
    return all(torch.equal(first[name], other[name]) for other in others for name in first)
