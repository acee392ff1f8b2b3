"""Does it learn? Minutes each: run by `make test-slow`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import pytest

from mmrl.policy.config import PolicyConfig
from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train
from tests.toys.lessons import Recall


@pytest.mark.slow
def test_peg_insertion_is_learned_and_needs_its_camera(tmp_path: Path) -> None:
    recipe = recipe_for("mmrl/PegInsertion-v0")
    result = train(replace(recipe, seed=11, evaluate_episodes=0, run_dir=tmp_path / "run"))
    report = evaluate_run(EvaluateConfig(run=str(result.run_dir), checkpoint="last", episodes=200))
    rows = {row.label: row for row in report.rows}
    low, _ = rows["all senses"].success_at_end.interval
    assert low > 0.9
    # No other sense knows where the hole is.
    _, high = rows["without camera"].success_at_end.interval
    assert high < 0.5
    assert result.metrics["physics_errors"] == 0


@pytest.fixture
def recall() -> Iterator[str]:
    gym.register("test-learning/Recall-v0", entry_point=Recall)
    yield "test-learning/Recall-v0"
    del gym.registry["test-learning/Recall-v0"]


def success_in_recall(env_id: str, fusion: str, folder: Path) -> float:
    config = TrainConfig(
        env=env_id,
        num_worlds=16,
        total_steps=24_000,
        threads=1,
        # Twelve steps cut episodes in two, so that what is remembered has to cross from rollout to rollout.
        ppo=PPOConfig(num_steps=12, minibatch_size=96, epochs=4, learning_rate=3e-3),
        policy=PolicyConfig(fusion, fused_features=16, actor_hidden=(), critic_hidden=(16,)),
        evaluate_episodes=0,
        run_dir=folder / fusion,
    )
    result = train(config)
    report = evaluate_run(EvaluateConfig(run=str(result.run_dir), checkpoint="last", episodes=200, without=False))
    rate = report.rows[0].success_at_end.rate
    assert rate is not None
    return rate


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["lstm", "gru", "mvlstm", "mfn", "tagm"])
def test_recurrent_policies_learn_to_remember(fusion: str, recall: str, tmp_path: Path) -> None:
    assert success_in_recall(recall, fusion, tmp_path) > 0.95


@pytest.mark.slow
def test_what_nothing_remembers_cannot_be_recalled(recall: str, tmp_path: Path) -> None:
    # half of 200 guesses are right, and hardly ever 65 %: four standard deviations
    assert success_in_recall(recall, "concat", tmp_path) < 0.65
