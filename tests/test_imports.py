"""Who may import whom: the contracts of pyproject.toml, and what really loads at run time."""

import subprocess
import sys
from pathlib import Path

import pytest

import mmrl_envs

ROOT = Path(__file__).parents[1]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_import_contracts_hold() -> None:
    lint = "from importlinter.cli import lint_imports; exit(lint_imports(no_cache=True, no_logo=True))"
    result = run(sys.executable, "-c", lint)
    assert result.returncode == 0, result.stdout + result.stderr


def loaded_by(program: str) -> set[str]:
    """The packages that a new process has loaded at the end of a program."""
    said = run(sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)")
    assert said.returncode == 0, said.stderr
    return {name.partition(".")[0] for name in said.stdout.split()}


@pytest.mark.parametrize(
    "module",
    [
        "mmrl",
        "mmrl.modality",
        "mmrl.modality.noise",
        "mmrl.streams",
        "mmrl.evaluation.rates",
        "mmrl.curriculum",
        "mmrl_envs",
    ],
)
def test_module_loads_no_torch_and_no_physics_engine(module: str) -> None:
    """The contracts see the imports between our modules; this also sees those of other packages."""
    loaded = loaded_by(f"import {module}")
    assert not {"torch", "mujoco", "pybullet"} & loaded


def test_a_sensor_is_imported_when_it_is_named() -> None:
    assert "mujoco" in loaded_by("from mmrl_envs import Camera; assert Camera().modality.name == 'camera'")


def test_a_name_that_the_suite_does_not_have_is_refused() -> None:
    with pytest.raises(AttributeError, match="'mmrl_envs' has no attribute 'Nose'"):
        mmrl_envs.Nose  # noqa: B018


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("runs",), ("list",)])
def test_commands_that_only_show_load_neither_torch_nor_an_engine(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    program = f"import os, sys; os.chdir({str(tmp_path)!r}); from mmrl_agents.cli import main; main({list(words)!r})"
    assert not {"torch", "stable_baselines3", "mujoco", "tensorboard", "matplotlib", "numpy"} & loaded_by(program)
