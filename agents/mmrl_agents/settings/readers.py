"""Which settings a training or an evaluation reads, as data for `mmrl_agents.settings.effects`."""

from gymnasium import spaces

from mmrl_agents.learning.sb3_algorithms import ALGORITHMS
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.effects import Reads

_ROLLOUT_AGENTS = ("ppo", *(name for name, algorithm in ALGORITHMS.items() if not algorithm.replays))


def _of_optimizers(setting: str, *optimizers: str) -> Reads:
    return Reads(
        (f"reinforce.{setting}",),
        lambda c: c.reinforce.optimizer in optimizers,
        "reinforce.optimizer {reinforce.optimizer} does without",
    )


BY_A_TRAINING = (
    Reads(("ppo",), lambda c: c.agent == "ppo", "agent {agent} has settings of its own"),
    Reads(("reinforce",), lambda c: c.agent == "reinforce", "agent {agent} has settings of its own"),
    Reads(("sb3",), lambda c: c.agent in ALGORITHMS, "agent {agent} is none of Stable-Baselines3"),
    Reads(
        ("policy.log_std_init",),
        lambda c: c.agent in (*_ROLLOUT_AGENTS, "reinforce"),
        "agent {agent} explores in a way of its own",
    ),
    Reads(
        ("policy.log_std_init",),
        lambda c: c.agent != "ppo" or c.ppo.log_std is None,
        "the deviation follows ppo.log_std, {ppo.log_std}",
    ),
    Reads(
        ("policy.fusion", "policy.fusion_options"),
        lambda c: c.policy.fused_features > 0,
        "nothing is fused where policy.fused_features is 0",
    ),
    Reads(
        ("policy.separate_critic", "policy.critic_hidden"),
        lambda c: c.agent != "reinforce" or c.reinforce.baseline == "value",
        "REINFORCE has no critic unless reinforce.baseline is value; it is {reinforce.baseline}",
    ),
    Reads(
        ("most_failed_updates",),
        lambda c: c.agent not in ALGORITHMS,
        "agent {agent} ends with the first update that is not finite",
    ),
    Reads(("ppo.final_learning_rate",), lambda c: c.ppo.anneal, "ppo.anneal is off, the step size stays"),
    _of_optimizers("momentum", "momentum"),
    _of_optimizers("rms_decay", "rmsprop"),
    _of_optimizers("adam_betas", "adam"),
    _of_optimizers("eps", "adagrad", "rmsprop", "adam"),
    Reads(
        ("reinforce.baseline_decay",),
        lambda c: c.reinforce.baseline == "running_mean",
        "reinforce.baseline is {reinforce.baseline}, no running mean",
    ),
    Reads(
        ("reinforce.value_learning_rate", "reinforce.value_epochs"),
        lambda c: c.reinforce.baseline == "value",
        "reinforce.baseline is {reinforce.baseline}, not value",
    ),
    Reads(("judge_episodes",), lambda c: c.judge_every is not None, "judge_every is not set, nothing is judged"),
    Reads(
        ("episode_limit",),
        lambda c: c.judge_every or c.evaluate_episodes or c.agent == "reinforce",
        "no episode is judged",
    ),
    Reads(("worker_timeout_s",), lambda c: c.workers > 0, "there are no workers"),
    Reads(
        ("trust",), lambda c: c.resume is not None, "it is for --resume, what is named on the command line is trusted"
    ),
    Reads(("runs_root",), lambda c: c.run_dir is None and c.resume is None, "the folder of the run is given"),
    Reads(
        ("recipe", "seed", "policy.log_std_init", "run_dir"),
        lambda c: c.resume is None,
        "the run in {resume} goes on with what it began with",
    ),
)
"""Beyond what the parts of a config refuse themselves."""


def by(config: TrainConfig) -> tuple[Reads, ...]:
    """What a training reads: `BY_A_TRAINING`, and of the context what no curriculum gives anew."""
    varied = tuple(f"context.{name}" for name in config.vary)
    return (*BY_A_TRAINING, Reads(varied, lambda c: False, "the curriculum gives it anew in every episode"))


BY_CONTINUOUS_ACTIONS = (Reads(("policy.log_std_init",), lambda c: False, "actions of {env} are discrete"),)
"""What worlds with discrete actions leave unread."""

BY_AN_EVALUATION = (
    Reads(("faults",), lambda c: c.senses, "senses get faults only where --senses asks for that"),
    Reads(("without",), lambda c: not c.senses, "--senses plays without each sense anyway"),
)

OPTIONS = {"set": "env_kwargs"}
"""Settings that the command line calls otherwise."""


def of_actions(space: spaces.Space[object]) -> tuple[Reads, ...]:
    """What worlds with these actions leave unread."""
    return BY_CONTINUOUS_ACTIONS if isinstance(space, spaces.Discrete) else ()
