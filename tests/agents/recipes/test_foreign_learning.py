"""Does it learn in environments that no one here wrote? Minutes each: run by `make test-slow`."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmrl.evaluation.rates import Row
from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train


def judged_after_training(env: str, folder: Path) -> Row:
    """100 episodes of the recipe's policy, trained with a seed that it was not tuned with."""
    result = train(replace(recipe_for(env), seed=11, threads=1, evaluate_episodes=0, run_dir=folder / "run"))
    report = evaluate_run(EvaluateConfig(run=str(result.run_dir), episodes=100, senses=False))
    return report.rows[0]


@pytest.mark.slow
def test_a_task_of_gymnasium_is_learned(tmp_path: Path) -> None:
    row = judged_after_training("InvertedDoublePendulum-v5", tmp_path)
    _, low, _ = row.mean_return
    # 1,000 upright steps give 9,360, and one fall halfway half of that; some runs fall in some episodes.
    assert low > 5_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "env"),
    [
        ("gymnasium_robotics", "gymnasium_robotics:PointMaze_UMaze-v3"),
        ("panda_gym", "panda_gym:PandaReach-v3"),
    ],
)
def test_goals_of_other_packages_are_reached(package: str, env: str, tmp_path: Path) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'mmrl[robotics,panda-gym]'")
    low, _ = judged_after_training(env, tmp_path).success_at_end.interval
    assert low > 0.85
