"""The documentation site: every page is in it, its code is the tested one, and it builds without a warning."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from mmrl.encoders import build_encoder
from mmrl.modality import Custom
from mmrl_envs.sensors.force_torque import ForceTorque

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ARM = (ROOT / "tests" / "plugin_task" / "mmrl_planar_reach.py").read_text()


def python_in(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def pages_of(navigation: Any) -> Iterator[str]:
    """The files of a navigation, however deep."""
    if isinstance(navigation, str):
        yield navigation
    for part in (
        navigation.values() if isinstance(navigation, dict) else navigation if isinstance(navigation, list) else ()
    ):
        yield from pages_of(part)


def test_every_page_is_in_the_navigation_once() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(pages_of(settings["nav"])) == sorted(pages)
    assert settings["strict"] is True
    assert settings["theme"]["font"] is False  # which would be fetched from the network


def test_the_robot_of_the_docs_is_the_tested_one() -> None:
    (block,) = python_in("robots.md")
    assert block in ARM
    assert "class PlanarArm(Robot):" in block


def test_the_encoder_of_the_docs_encodes_a_sense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = python_in("encoders.md")
    (tmp_path / "my_encoders.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    encoder = build_encoder(ForceTorque(encoder=Custom("my_encoders:Spectrum")).modality)
    still, shaking = torch.zeros(1, 32, 6), torch.zeros(1, 32, 6)
    shaking[0, ::2] = 1.0
    assert encoder.features == 64
    assert not torch.equal(encoder(still), encoder(shaking))
    # A window that begins a little later has the same amplitudes.
    torch.testing.assert_close(encoder(shaking), encoder(shaking.roll(2, 1)))


@pytest.mark.slow
def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install 'mmrl[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path / "site")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    api = (tmp_path / "site" / "api" / "worlds.html").read_text()
    assert 'id="mmrl_envs.task.contract.Task.assess"' in api
    fetched = re.findall(
        r'<(?:script|link)[^>]*(?:src|href)="(https?:[^"]*)"', (tmp_path / "site" / "index.html").read_text()
    )
    assert fetched == []
