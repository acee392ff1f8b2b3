"""Stable-Baselines3 as a neighbour: our networks in its algorithms, our worlds as its vector environment.

    envs = make_vec_env("mmrl/PegInsertion-v0", 64)
    PPO("MultiInputPolicy", envs, policy_kwargs=multimodal_policy(envs)).learn(400_000)

docs/sb3.md says what is handled and what is refused. Needs the extra `sb3`.
"""

from mmrl_agents.sb3.extractor import MultimodalExtractor
from mmrl_agents.sb3.vec_env import WorldsVecEnv, make_vec_env, multimodal_policy

__all__ = ["MultimodalExtractor", "WorldsVecEnv", "make_vec_env", "multimodal_policy"]
