"""Settings known to work, as data: environment id -> training run."""

from collections.abc import Mapping

from mmrl.policy import PolicyConfig
from mmrl_agents.config import TrainConfig
from mmrl_agents.ppo import PPOConfig

RECIPES: Mapping[str, TrainConfig] = {
    "mmrl/PegInsertion-v0": TrainConfig(
        env="mmrl/PegInsertion-v0",
        num_worlds=64,
        total_steps=160_000,
        ppo=PPOConfig(
            learning_rate=7e-4,
            final_learning_rate=1e-4,
            # Reading the hole's place off the image is what takes longest to learn from rewards alone.
            state_coef=1.0,
            num_steps=32,
            minibatch_size=512,
            epochs=3,
            gamma=0.99,
            gae_lambda=0.95,
            clip=0.2,
        ),
        policy=PolicyConfig(log_std_init=-0.5),
    ),
    "CartPole-v1": TrainConfig(
        env="CartPole-v1",
        num_worlds=8,
        total_steps=60_000,
        ppo=PPOConfig(
            learning_rate=2e-3,
            minibatch_size=256,
            epochs=10,
            gamma=0.98,
            gae_lambda=0.8,
        ),
    ),
    "Pendulum-v1": TrainConfig(
        env="Pendulum-v1",
        num_worlds=16,
        total_steps=300_000,
        ppo=PPOConfig(
            learning_rate=1e-3,
            num_steps=64,
            minibatch_size=256,
            epochs=10,
            gamma=0.9,
        ),
        policy=PolicyConfig(log_std_init=0.0),
    ),
}


def recipe_for(env_id: str) -> TrainConfig:
    """The recipe of an environment, or a general one for an environment without."""
    return RECIPES.get(env_id) or TrainConfig(env=env_id, num_worlds=16, total_steps=1_000_000)
