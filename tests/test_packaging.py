"""The contents of the wheel, which a user gets from `pip install mmrl`."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "mmrl": ROOT / "mmrl",
    "mmrl_envs": ROOT / "envs/mmrl_envs",
    "mmrl_agents": ROOT / "agents/mmrl_agents",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # The installed build backend, so that no network is needed.
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("mmrl-*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("package", PACKAGES)
def test_every_source_file_is_in_the_wheel(names: set[str], package: str) -> None:
    folder = PACKAGES[package]
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {f"{package}/{path.relative_to(folder).as_posix()}" for path in files} <= names


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_say_that_they_are_typed(names: set[str], package: str) -> None:
    assert f"{package}/py.typed" in names


def test_published_policies_are_in_the_wheel(names: set[str]) -> None:
    policies = {name.split("/")[3] for name in names if name.startswith("mmrl_agents/policies/pretrained/")}
    assert {"peg_insertion", "pong"} <= policies  # those that README names
    for policy in policies:
        parts = {
            f"mmrl_agents/policies/pretrained/{policy}/{part}"
            for part in ("config.json", "model.safetensors", "README.md")
        }
        assert parts <= names


def test_nothing_but_the_three_packages_is_in_the_wheel(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_wheel_offers_the_command_and_the_licence(wheel: Path, names: set[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        assert "mmrl = mmrl_agents.__main__:start" in archive.read(entry_points).decode()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_unpacked_wheel_imports_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = "import mmrl, mmrl_envs; print(mmrl.__file__); print(mmrl_envs.__file__)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},  # ahead of an editable install
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert [Path(line).parents[1] for line in result.stdout.split()] == [tmp_path, tmp_path]
