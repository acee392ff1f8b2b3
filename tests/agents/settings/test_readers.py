"""Settings that nothing reads are refused by name, written or set."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gymnasium import spaces

from mmrl.policy.config import PolicyConfig
from mmrl.settings.effects import leaves, require_effect, written
from mmrl.worth import BrokenWays
from mmrl_agents.ablation.ablation import AblateConfig, require_effect_of
from mmrl_agents.algorithms import algorithms
from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.evaluation.evaluate_senses import evaluate_senses
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.learning.sb3_algorithms import SB3Config
from mmrl_agents.recipes import all_recipes
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.readers import BY_A_TRAINING, BY_AN_EVALUATION, OPTIONS, by, of_actions
from mmrl_agents.settings.starting_points import GENERAL, begun_as, recipe_for
from mmrl_agents.training.train import train

RULES = (*BY_A_TRAINING, *BY_AN_EVALUATION, *(rule for one in algorithms().values() for rule in one.reads))
IDLE: list[tuple[dict[str, Any], str]] = [
    ({"agent": "sb3-sac", "ppo": PPOConfig(learning_rate=1e-3)}, "ppo.learning_rate .* agent sb3-sac has settings"),
    ({"agent": "sb3-sac", "ppo": PPOConfig(clip=0.1, gamma=0.5)}, "ppo.gamma, ppo.clip would have no effect"),
    ({"reinforce": ReinforceConfig(gamma=0.5)}, "reinforce.gamma .* agent ppo has settings of its own"),
    ({"sb3": SB3Config({"batch_size": 8})}, "sb3.options.batch_size .* agent ppo has settings of its own, not these"),
    ({"agent": "sb3-td3", "policy": PolicyConfig(log_std_init=0.0)}, "policy.log_std_init .* sb3-td3 explores"),
    (
        {"ppo": PPOConfig(log_std=(-1.0, -2.0)), "policy": PolicyConfig(log_std_init=0.0)},
        r"policy.log_std_init .* follows ppo.log_std, \(-1.0, -2.0\)",
    ),
    ({"ppo": PPOConfig(anneal=False, final_learning_rate=1e-4)}, "ppo.final_learning_rate .* ppo.anneal is off"),
    ({"agent": "reinforce", "policy": PolicyConfig(critic_hidden=(8,))}, "policy.critic_hidden .* has no critic"),
    ({"agent": "sb3-ppo", "most_failed_updates": 3}, "most_failed_updates .* ends with the first"),
    ({"worker_timeout_s": 3.0}, "worker_timeout_s .* there are no workers"),
    ({"evaluate_episodes": 0, "episode_limit": 9}, "episode_limit .* no episode is judged"),
    ({"trust": ("a",)}, "trust .* what is named on the command line is trusted"),
    (
        {
            "env": "mmrl/PegInsertion-v0",
            "curriculum": "uniform",
            "vary": {"friction": [0.9, 0.2]},
            "context": {"friction": 0.3},
        },
        "context.friction would have no effect: the curriculum gives it anew",
    ),
    ({"judge_episodes": 8}, "judge_episodes .* judge_every is not set"),
    ({"runs_root": Path("a"), "run_dir": Path("b")}, "runs_root .* the folder of the run is given"),
    *(
        ({"agent": "reinforce", "reinforce": ReinforceConfig(**changes)}, f"reinforce.{name} would have no effect")
        for name, changes in {
            "momentum": {"momentum": 0.5},
            "rms_decay": {"optimizer": "adam", "rms_decay": 0.5},
            "adam_betas": {"adam_betas": (0.5, 0.5)},
            "eps": {"optimizer": "sgd", "eps": 0.5},
            "baseline_decay": {"baseline_decay": 0.5},
            "value_learning_rate": {"value_learning_rate": 0.5},
            "value_epochs": {"baseline": "running_mean", "value_epochs": 2},
        }.items()
    ),
]


@pytest.mark.parametrize(("settings", "message"), IDLE)
def test_what_a_training_does_not_read_is_refused_before_it_starts(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    config = TrainConfig(**{"env": "CartPole-v1", "run_dir": tmp_path / "run", **settings})
    with pytest.raises(ValueError, match=message):
        train(config)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "recipe", [recipe_for(env, name=name) for env, named in all_recipes().items() for name in named]
)
def test_every_setting_of_a_recipe_is_read(recipe: TrainConfig) -> None:
    require_effect(recipe, by(recipe), replace(GENERAL, env=recipe.env, agent=recipe.agent))


def test_what_a_recipe_gives_may_be_made_idle_by_who_changes_another_setting() -> None:
    pole = TrainConfig("mmrl/PegInsertion-v0")
    still = replace(pole, ppo=replace(pole.ppo, anneal=False))
    assert still.ppo.final_learning_rate == 1e-4
    require_effect(still, by(still), begun_as(still))
    with pytest.raises(ValueError, match=r"ppo\.final_learning_rate"):
        require_effect(still, by(still), begun_as(still), {"ppo.final_learning_rate"})


def test_what_is_written_out_is_refused_though_it_is_the_default() -> None:
    config = TrainConfig("pong")
    given = written(["pong", "--policy.fusion=concat", "--set", "frame_skip=4"], OPTIONS)
    assert given == {"policy.fusion", "env_kwargs"}
    with pytest.raises(ValueError, match=r"policy\.fusion would have no effect: nothing is fused where"):
        require_effect(config, by(config), begun_as(config), given)


def test_what_is_varied_may_stand_in_the_context_of_the_recipe() -> None:
    config = TrainConfig("mmrl/PegInsertion-v0", recipe="tight", vary={"friction": [0.9, 0.2]})
    assert "friction" in config.context
    require_effect(config, by(config), begun_as(config))


def test_options_are_read_as_names_of_settings() -> None:
    words = ["x", "--ppo.num-steps", "-1", "--no-without", "--ppo.no-anneal", "--", "--fps=3"]
    assert {"ppo.num_steps", "without", "ppo.anneal", "fps"} <= written(words)
    assert not {"x", "-1", "", "3"} & written(words)


def test_every_rule_names_settings_that_exist() -> None:
    by_name = {
        "sb3": SB3Config({"a": 1}, {"b": 1}),
        "policy": PolicyConfig("mlp", {"hidden": [3]}),
        "agent_options": {"a": 1},
        "objectives": {"state": {"weight": 1}},
    }
    known = set(leaves(TrainConfig("CartPole-v1", **by_name))) | set(leaves(EvaluateConfig()))  # type: ignore[arg-type]
    for rule in RULES:
        for setting in rule.settings:
            assert any(name == setting or name.startswith(f"{setting}.") for name in known), setting


def test_discrete_actions_have_no_deviation(tmp_path: Path) -> None:
    config = TrainConfig("CartPole-v1", policy=PolicyConfig(log_std_init=0.0), run_dir=tmp_path / "run", threads=1)
    with pytest.raises(ValueError, match=r"policy\.log_std_init would have no effect: actions of CartPole-v1 are"):
        train(config)
    assert of_actions(spaces.Box(-1, 1, (2,))) == ()


def test_an_evaluation_refuses_what_only_the_other_kind_reads() -> None:
    with pytest.raises(ValueError, match=r"faults\.delay would have no effect: senses get faults only where --senses"):
        evaluate_run(EvaluateConfig(faults=BrokenWays(delay=(3,))))
    with pytest.raises(ValueError, match="without would have no effect: --senses plays without each sense anyway"):
        evaluate_senses(EvaluateConfig(senses=True, without=False))


def test_an_ablation_refuses_what_it_chooses_itself() -> None:
    for name, value in {"seed": 3, "evaluate_episodes": 3, "run_dir": Path("a")}.items():
        changed: dict[str, Any] = {name: value}
        config = AblateConfig(TrainConfig("mmrl/PegInsertion-v0", **changed))
        with pytest.raises(ValueError, match=f"{name} would have no effect: an ablation chooses it for every training"):
            require_effect_of(config)
    root = TrainConfig("mmrl/PegInsertion-v0", runs_root=Path("a"))
    require_effect_of(AblateConfig(root))
    with pytest.raises(ValueError, match="runs_root would have no effect: the folder of the ablation is given"):
        require_effect_of(AblateConfig(root, folder=Path("b")))
