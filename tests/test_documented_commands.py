"""Commands in README and docs say what they mean to: every one of `mmrl train` and `mmrl ablate` gives settings."""

import re
import shlex
from pathlib import Path

import pytest

from mmrl_agents.cli.words import ablation_in, training_in

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"^\s*```\n(.*?)```|((?:^    .+\n)+)", re.DOTALL | re.MULTILINE)
_PLACE = re.compile(r"\bRUN\b|settings\.yaml|runs/|--print-config|\bpush:")


def commands() -> list[str]:
    """Those in blocks that need no file nor the module of a page, without comments and with their next lines."""
    blocks = "\n".join("".join(found) for page in PAGES for found in _BLOCK.findall(page.read_text()))
    lines = [line.strip() for line in blocks.replace("\\\n", " ").splitlines()]
    return sorted({line for line in lines if re.match(r"mmrl (train|ablate) ", line) and not _PLACE.search(line)})


@pytest.fixture
def module_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module `my_robot` of the pages, which is imported where it is typed."""
    (tmp_path / "my_robot.py").write_text("def make_env(**kwargs):\n    raise NotImplementedError\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("module_of_the_user")
@pytest.mark.parametrize("command", commands())
def test_a_documented_training_has_settings(command: str) -> None:
    _, what, *words = shlex.split(command, comments=True)
    assert {"train": training_in, "ablate": ablation_in}[what](words) is not None


def test_there_are_some_on_several_pages() -> None:
    found = {command.partition("#")[0].strip() for command in commands()}
    assert len(found) > 20
    assert {"mmrl train pong", "mmrl train ALE/Breakout-v5"} <= found
