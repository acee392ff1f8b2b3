"""Who may import whom: the contracts of pyproject.toml, and what really loads at run time."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_import_contracts_hold() -> None:
    lint = "from importlinter.cli import lint_imports; exit(lint_imports(no_cache=True, no_logo=True))"
    result = run(sys.executable, "-c", lint)
    assert result.returncode == 0, result.stdout + result.stderr


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
def test_module_loads_no_torch(module: str) -> None:
    """The contracts see the imports between our modules; this also sees those of other packages."""
    result = run(sys.executable, "-c", f"import {module}, sys; sys.exit('torch' in sys.modules)")
    assert result.returncode == 0, result.stderr or f"import {module} loads torch"
