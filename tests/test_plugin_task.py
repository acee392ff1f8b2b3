"""A task from a package that mmrl has never heard of is listed, trained, judged, filmed and ablated."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "plugin_task"
ENV_ID = "mmrl_planar_reach:planar/Reach-v0"
SHORT = (
    *("--num-worlds", "8", "--total-steps", "512", "--threads", "1"),
    *("--ppo.num-steps", "16", "--ppo.minibatch-size", "64"),
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it, entry points included, and room for runs."""
    folder = tmp_path_factory.mktemp("plugin_task")
    # The installed build backend, so that no network is needed.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(PACKAGE)], check=True)
    return folder


def mmrl(installed: Path, *words: str) -> str:
    """The output of `mmrl` in a process that knows the installed package."""
    paths = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "mmrl_agents", *words]
    environment = os.environ | {"PYTHONPATH": paths, "COLUMNS": "200"}
    result = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def run(installed: Path) -> Path:
    folder = installed / "run"
    mmrl(installed, "train", ENV_ID, "--run-dir", str(folder), "--evaluate-episodes", "0", *SHORT)
    return folder


def test_the_task_is_listed_with_its_help_and_recipe(installed: Path) -> None:
    (line,) = (row for row in mmrl(installed, "list", "environments").splitlines() if "planar/Reach-v0" in row)
    assert "Bring the tip of a planar arm to a target" in line
    assert "target_rad" in mmrl(installed, "list", "context")


def test_its_recipe_senses_and_settings_are_on_record(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())["train"]
    assert config["ppo"]["gamma"] == 0.97
    assert config["policy"]["log_std_init"] == -0.5


def test_its_figures_are_judged(installed: Path, run: Path) -> None:
    words = ("--episodes", "4", "--num-worlds", "4", "--checkpoint", "last")
    printed = mmrl(installed, "evaluate", str(run), *words)
    assert "distance" in printed
    rows = json.loads((run / "evaluation.json").read_text())["rows"]
    assert [row["label"] for row in rows] == ["all senses", "without camera", "without joint_proprioception"]


def test_it_is_filmed(installed: Path, run: Path) -> None:
    film = run / "film.gif"
    words = ("--episodes", "1", "--max-seconds", "0.3", "--checkpoint", "last", "--output", str(film))
    mmrl(installed, "watch", str(run), *words)
    assert film.stat().st_size > 1000


def test_it_is_ablated(installed: Path) -> None:
    words = ("--subsets", "camera", "joint_proprioception", "--seeds", "1", "--episodes", "4")
    printed = mmrl(installed, "ablate", ENV_ID, *words, "--folder", str(installed / "ablation"), *SHORT)
    assert "camera" in printed


def test_a_task_is_one_file_of_under_180_lines() -> None:
    (source,) = PACKAGE.glob("*.py")
    assert len(source.read_text().splitlines()) < 180


@pytest.mark.slow
def test_it_learns_by_its_recipe(installed: Path) -> None:
    """Success of 90 % after the recipe's steps, which are two minutes on two free cores."""
    folder = installed / "learned"
    mmrl(installed, "train", ENV_ID, "--run-dir", str(folder), "--seed", "1", "--evaluate-episodes", "100")
    first = json.loads((folder / "evaluation.json").read_text())["rows"][0]
    assert first["success_at_end"]["rate"] >= 0.9
