"""The contenders of `benchmarks.against_sb3`: the task, its senses, the sizes of an update, and SB3's side of it."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ENV_ID = "mmrl/PegInsertion-v0"
SENSES: Mapping[str, tuple[str, ...]] = {
    "camera and windows": ("camera", "force_torque", "proprioception"),
    "windows": ("force_torque", "proprioception"),
}
MINIBATCH, EPOCHS = 512, 3


def peak_mib(*others: int) -> float:
    """Most memory that this process ever held; Linux counts in ru_maxrss what the parent held when it forked.

    What the processes `others` held at most is added; libraries that they share with this one count in each.
    """
    try:
        files = [Path(f"/proc/{process}/status") for process in ("self", *others)]
        lines = [line for file in files for line in file.read_text().splitlines() if line.startswith("VmHWM")]
        return sum(int(line.split()[1]) for line in lines) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def single_world(senses: tuple[str, ...]) -> Any:
    """One environment, on one thread."""
    import gymnasium as gym

    import mmrl_envs  # noqa: F401  # registers the environments

    return gym.make(ENV_ID, sensors=senses)


def sb3_model(ours: Any, envs: Any, num_steps: int, seed: int, **changes: Any) -> Any:
    """SB3's PPO with the network of our recipe, over worlds that `ours` declares the senses of."""
    from stable_baselines3 import PPO

    from mmrl_agents.sb3 import multimodal_policy
    from mmrl_agents.settings.starting_points import recipe_for

    sizes = recipe_for(ENV_ID).policy
    policy = multimodal_policy(
        ours,
        features=sizes.fused_features,
        net_arch={"pi": list(sizes.actor_hidden), "vf": list(sizes.critic_hidden)},
        log_std_init=sizes.log_std_init,
    )
    settings = {"n_steps": num_steps, "batch_size": MINIBATCH, "n_epochs": EPOCHS, "policy_kwargs": policy}
    return PPO("MultiInputPolicy", envs, seed=seed, device="cpu", **{**settings, **changes})
