"""Groups of runs side by side: which runs are a group, what is printed of them, and how likely one is better."""

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import mannwhitneyu

from mmrl.evaluation.aggregate import probability_of_improvement
from mmrl_agents.cli import main
from mmrl_agents.comparing.compare import CompareConfig, Compared, compare, crossing, median_with_interval


def leave_run(folder: Path, rates: list[float], seed: int, **settings: Any) -> Path:
    """A run that logged success every 100 steps and 10 seconds."""
    folder.mkdir(parents=True)
    train = {"env": "Any-v0", "seed": seed, "ppo": {"epochs": 3}, "run_dir": str(folder), **settings}
    (folder / "config.json").write_text(json.dumps({"env_id": "Any-v0", "train": train}))
    lines = [
        {"step": 100 * row, "wall_time_s": 10.0 * row, "success_rate": rate} for row, rate in enumerate(rates, start=1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def compared(tmp_path: Path, *runs: Path, **options: Any) -> tuple[list[Compared], str]:
    output = io.StringIO()
    config = CompareConfig(tuple(runs), output=tmp_path / "picture.png", **options)
    return compare(config, Console(file=output, width=250)), output.getvalue()


def test_seeds_are_a_group_and_groups_are_named_by_what_sets_them_apart(tmp_path: Path) -> None:
    good = [leave_run(tmp_path / f"a{seed}", [0.5, 0.96, 1.0], seed) for seed in (1, 2)]
    bad = [leave_run(tmp_path / f"b{seed}", [0.1, 0.2 * seed], seed, ppo={"epochs": 4}) for seed in (1, 2)]
    groups, output = compared(tmp_path, good[0], bad[0], good[1], bad[1])
    first, second = groups
    assert (first.name, second.name) == ("ppo.epochs=3", "ppo.epochs=4")
    assert first.last.tolist() == [1.0, 1.0]
    assert second.last.tolist() == [0.2, 0.4]
    assert second.last_of_group == pytest.approx((0.3, 0.2, 0.4))
    assert (first.crossings == 200.0).all()
    assert np.isinf(second.crossings).all()
    assert "ppo.epochs=3 ends above ppo.epochs=4 with a probability of 1.00 [1.00, 1.00]" in output
    assert "30.0 [20.0, 40.0]" in output
    assert "never [never, never]" in output
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_a_folder_of_runs_is_a_group(tmp_path: Path) -> None:
    for seed in (1, 2):
        leave_run(tmp_path / "study" / f"{seed}", [0.5, 0.5 + 0.1 * seed], seed, ppo={"epochs": seed})
    alone = leave_run(tmp_path / "alone", [0.2, 0.3], 1)
    (study, one), output = compared(tmp_path, tmp_path / "study", alone, by="time", goal=0.65)
    assert (study.name, one.name) == (str(tmp_path / "study"), "alone")
    assert study.crossings.tolist() == [math.inf, 20.0]
    assert study.at[-1] == one.at[-1] == 20.0
    assert math.isnan(one.last_of_group[1])
    assert "1 of 2" in output


def test_a_crossing_is_the_first_line_at_the_goal() -> None:
    log = [{"step": 1, "x": 0.2}, {"step": 2}, {"step": 3, "x": 0.95}, {"step": 4, "x": 0.1}]
    assert crossing(log, "x", 0.95) == 3.0
    assert crossing(log, "x", 0.96) == math.inf
    assert median_with_interval(np.array([3.0, 5.0, math.inf]))[0] == 5.0


def test_improvement_is_the_share_of_pairs_that_win() -> None:
    random = np.random.default_rng(0)
    scores, others = random.normal(0.4, 1.0, (12, 1)), random.normal(0.0, 1.0, (9, 1))
    value, low, high = probability_of_improvement(scores, others)
    assert value == pytest.approx(mannwhitneyu(scores[:, 0], others[:, 0]).statistic / (12 * 9))
    assert low < value < high
    assert probability_of_improvement(np.ones((2, 1)), np.ones((3, 1))) == (0.5, 0.5, 0.5)
    assert math.isnan(probability_of_improvement(np.ones((1, 1)), np.zeros((3, 1)))[1])
    with pytest.raises(ValueError, match="the same tasks"):
        probability_of_improvement(np.ones((2, 1)), np.ones((2, 2)))


def test_what_cannot_be_compared_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = leave_run(tmp_path / "run", [0.5], 1)
    assert main(["compare", str(tmp_path / "nothing")]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert main(["compare", str(run), "--metric", "judged/success_rate"]) == 2
    assert "not every run has logged one of judged/success_rate" in capsys.readouterr().err
    (run / "metrics.jsonl").unlink()
    assert main(["compare", str(run)]) == 2
    assert "has logged nothing yet" in capsys.readouterr().err
