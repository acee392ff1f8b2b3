"""Which settings a training or an evaluation reads, as data for `mmrl.settings.effects`."""

from gymnasium import spaces

from mmrl.settings.effects import Reads
from mmrl_agents.algorithms import PARTS, find_algorithm
from mmrl_agents.machine.launching import is_a_rank
from mmrl_agents.settings.config import TrainConfig


def _of_a_part(part: str) -> Reads:
    return Reads(
        (part,), lambda c: find_algorithm(c.agent).part == part, "agent {agent} has settings of its own, not these"
    )


BY_A_TRAINING = (
    *map(_of_a_part, PARTS),
    Reads(
        ("agent_options",),
        lambda c: not find_algorithm(c.agent).part,
        "the settings of agent {agent} are a part of their own",
    ),
    Reads(
        ("policy.fusion", "policy.fusion_options"),
        lambda c: c.policy.fused_features > 0,
        "nothing is fused where policy.fused_features is 0",
    ),
    Reads(("judge_episodes",), lambda c: c.judge_every is not None, "judge_every is not set, nothing is judged"),
    Reads(
        ("episode_limit",),
        lambda c: c.judge_every or c.evaluate_episodes or find_algorithm(c.agent).plays_whole_episodes,
        "no episode is judged",
    ),
    Reads(("init_except",), lambda c: c.init is not None, "init is not set, all of the network begins anew"),
    Reads(("worker_timeout_s",), lambda c: c.workers > 0, "there are no workers"),
    Reads(("rank_timeout_s",), lambda c: c.processes > 1 or is_a_rank(), "there is one process"),
    Reads(
        ("trust",), lambda c: c.resume is not None, "it is for --resume, what is named on the command line is trusted"
    ),
    Reads(("runs_root",), lambda c: c.run_dir is None and c.resume is None, "the folder of the run is given"),
    Reads(
        ("recipe", "seed", "policy.log_std_init", "run_dir", "init", "init_except", "freeze"),
        lambda c: c.resume is None,
        "the run in {resume} goes on with what it began with",
    ),
)
"""Of every training, beyond what the parts of a config refuse themselves."""


def by(config: TrainConfig) -> tuple[Reads, ...]:
    """Settings that a training reads: `BY_A_TRAINING`, its algorithm's, and the context that no curriculum varies."""
    varied = tuple(f"context.{name}" for name in config.vary)
    own = find_algorithm(config.agent).reads
    return (*BY_A_TRAINING, *own, Reads(varied, lambda c: False, "the curriculum gives it anew in every episode"))


BY_CONTINUOUS_ACTIONS = (
    Reads(("policy.log_std_init", "fitted_q.levels"), lambda c: False, "actions of {env} are discrete"),
)
"""Settings that worlds with discrete actions leave unread."""

BY_AN_EVALUATION = (
    Reads(("faults",), lambda c: c.senses, "senses get faults only where --senses asks for that"),
    Reads(("without",), lambda c: not c.senses, "--senses plays without each sense anyway"),
    Reads(("absent",), lambda c: c.senses or c.without, "no sense is taken away"),
)

OPTIONS = {"set": "env_kwargs"}
"""Settings that the command line calls otherwise."""


def of_actions(space: spaces.Space[object]) -> tuple[Reads, ...]:
    """Settings that worlds with these actions leave unread."""
    return BY_CONTINUOUS_ACTIONS if isinstance(space, spaces.Discrete) else ()
