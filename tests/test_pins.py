"""The Makefile installs exact versions with hashes of everything that the project asks for, torch alone without."""

import importlib.metadata
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def entries(file: str) -> Iterator[tuple[Requirement, list[str]]]:
    """Requirements of a file with their hashes."""
    text = re.sub(r"^#.*\n", "", (ROOT / file).read_text(), flags=re.MULTILINE)
    for entry in text.replace("\\\n", "").splitlines():
        requirement, *hashes = entry.split(" --hash=sha256:")
        yield Requirement(requirement), [digest.strip() for digest in hashes]


def version_of(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


LOCKED = list(entries("requirements.lock"))
(TORCH,) = (requirement for requirement, _ in entries("requirements-torch.txt"))
PINS = {canonicalize_name(pin.name): pin for pin in [*(requirement for requirement, _ in LOCKED), TORCH]}


NOT_LOCKED = ("rerun-sdk", "trackio")
"""Large ones that the tests do without: those that need them are skipped where they are missing."""


def asked_for() -> list[Requirement]:
    """The requirements of pyproject.toml, those of every extra included that the lock pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    requirements = [Requirement(line) for line in project["dependencies"] + extras]
    return [requirement for requirement in requirements if requirement.name not in ("mmrl", *NOT_LOCKED)]


def test_every_pin_but_torch_has_hashes() -> None:
    assert "torch" not in {requirement.name for requirement, _ in LOCKED}
    assert TORCH.name == "torch"
    for requirement, hashes in LOCKED:
        assert hashes, requirement
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes), requirement
    for pin in PINS.values():
        assert "+" not in version_of(pin)  # a local build, which PyPI has no file of


@pytest.mark.parametrize("wanted", asked_for(), ids=str)
def test_what_the_project_asks_for_is_pinned_within_its_range(wanted: Requirement) -> None:
    pin = PINS[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(version_of(pin))
    # A package that some machines have no wheel of is not forced on them.
    for python in ("3.11", "3.13"):
        machine = {"python_version": python, "python_full_version": f"{python}.0"}
        applies = [requirement.marker is None or requirement.marker.evaluate(machine) for requirement in (wanted, pin)]
        assert applies[0] == applies[1], pin


def test_what_pinned_packages_need_is_pinned() -> None:
    """`--no-deps` would leave it out."""
    looked_at = 0
    for name, pin in PINS.items():
        try:
            installed = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if installed.version.partition("+")[0] != version_of(pin):
            continue
        looked_at += 1
        for line in installed.requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                bound_to_torch = name == "torch" and re.match("nvidia|cuda|triton", needed.name)
                assert bound_to_torch or canonicalize_name(needed.name) in PINS, f"{name} needs {line}"
    assert looked_at > len(PINS) / 2


def test_the_makefile_installs_nothing_else(tmp_path: Path) -> None:
    command = ["make", "--dry-run", f"VENV={tmp_path}", "test"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    installs = [line.partition(" -m pip install --quiet ")[2] for line in planned.splitlines() if "pip install" in line]
    assert installs == [
        "--require-hashes --no-deps -r requirements.lock",
        "-r requirements-torch.txt",
        "--no-deps --no-build-isolation -e .",
    ]
    assert "-m pip check" in planned
