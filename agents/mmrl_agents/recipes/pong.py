"""Pong, and any other Atari game."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# Rewards of an Atari game come many steps after what earned them; a point of Pong ends what led to it.
_PPO: Mapping[str, Any] = {
    "learning_rate": 1.5e-3,
    "final_learning_rate": 1e-4,
    "num_steps": 128,
    "minibatch_size": 256,
    "epochs": 3,
    "clip": 0.1,
    "entropy_coef": 0.01,
    "final_entropy_coef": 0.001,
    "scale_values": False,
    "precision": "auto",
}

ATARI: Mapping[str, Any] = {
    "env": "mmrl/Atari-v0",
    "num_worlds": 16,
    "total_steps": 10_000_000,
    "env_kwargs": {"encoder": "nature"},
    "ppo": {**_PPO, "learning_rate": 2.5e-4, "final_learning_rate": 0.0, "epochs": 4, "final_entropy_coef": None},
    "policy": {"fused_features": 0, "actor_hidden": [], "critic_hidden": []},
    "evaluate_episodes": 30,
}
"""Any Atari game: images 84 x 84 x 4, all actions of the game, no sticky actions, rewards clipped to their sign."""

STANDARD: Mapping[str, Any] = {
    **ATARI,
    "env": "ALE/Pong-v5",
    "total_steps": 640_000,
    "env_kwargs": {"encoder": "dqn2013", "background": 87},
    "ppo": {**_PPO, "cut_at_rewards": True},
}
"""Pong as in the literature: images 84 x 84 x 4, six actions, no sticky actions."""

FAST = {
    **STANDARD,
    "env_kwargs": {**STANDARD["env_kwargs"], "size": [105, 80], "rows": [17, 97]},
    "stop_at_return": 18.0,
}
"""Pong from the field alone at half its size, 80 x 80 x 4, until it is won by 18 points on average."""

REINFORCE: Mapping[str, Any] = {
    "env": "mmrl/Pong-v0",
    "agent": "reinforce",
    "num_worlds": 10,
    "total_steps": 4_000_000,
    "env_kwargs": {"actions": ["LEFT", "RIGHT"], "encoder": "difference"},
    # Of most pixels the gradient is small and mostly noise, which an eps far below it would blow up to full steps.
    "reinforce": {"optimizer": "rmsprop", "learning_rate": 3e-3, "eps": 0.1, "reset_returns_at_points": True},
    "policy": {"fused_features": 0, "actor_hidden": [], "head": "bernoulli"},
    "evaluate_episodes": 30,
}
"""The published policy-gradient protocol: difference frames, 200 hidden units, batches of 10 games."""

REINFORCE_VALUE = {
    **REINFORCE,
    "num_worlds": 5,
    "total_steps": 1_500_000,
    "reinforce": {**REINFORCE["reinforce"], "learning_rate": 2e-3, "eps": 1e-5, "baseline": "value"},
    "policy": {**REINFORCE["policy"], "separate_critic": True},
}
"""Pong by the published policy gradient, with a value network of its own as the baseline."""

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "pong": {
            "fast": FAST,
            "standard": STANDARD,
            "reinforce": REINFORCE,
            "reinforce_value": REINFORCE_VALUE,
        },
        # the name of the policy that comes with the package
        "pong_reinforce": {"reinforce_value": REINFORCE_VALUE},
    }
)


def recipes_of_a_game(env: str) -> Mapping[str, Mapping[str, Any]]:
    """The recipe of a game by the id of ale-py, such as "ALE/Breakout-v5"."""
    return {"standard": STANDARD if env == STANDARD["env"] else {**ATARI, "env": env}}
