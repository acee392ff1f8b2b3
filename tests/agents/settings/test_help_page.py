"""The help of a command: the options used most, by theme, and every option on request."""

import re

import pytest

from mmrl_agents.cli import main
from mmrl_agents.settings.help_page import OF_A_TRAINING

THEMES = ("environment", "senses", "network", "algorithm", "curriculum", "evaluation", "run folder")


def shown(words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The page that a command prints when it ends with its help."""
    monkeypatch.setenv("COLUMNS", "100")  # wider, tyro shows long help in columns
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    return capsys.readouterr().out


def options_in(page: str) -> set[str]:
    """Those that begin a line, behind the border of a box, whichever characters that is made of."""
    return set(re.findall(r"^\W+ (--[a-z0-9.-]+)", page, re.MULTILINE))


def test_help_of_a_training_shows_twenty_options_by_theme(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(["train", "--help"], capsys, monkeypatch)
    assert len(options_in(page)) == 20
    places = [page.index(f" {theme} options ") for theme in THEMES]
    assert places == sorted(places)
    assert "--help-all shows every option" in page
    assert "Seeds the worlds, the initial weights" in page  # as the field of the config says


@pytest.mark.parametrize("command", ["train", "ablate"])
def test_every_option_is_shown_on_request(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    used_most = options_in(shown([command, "--help"], capsys, monkeypatch))
    every = options_in(shown([command, "--help-all"], capsys, monkeypatch))
    # --fusion is short for --policy.fusion, and so are its options
    assert {name.replace("--fusion", "--policy.fusion") for name in used_most} < every
    assert len(every) > 3 * len(used_most)


def test_help_shows_the_values_of_the_recipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(["train", "mmrl/PegInsertion-v0", "--help"], capsys, monkeypatch)
    assert "(default: 210000)" in page  # the steps of its recipe; the general default is 1,000,000
    assert "1000000" not in page


def test_no_setting_is_shown_twice() -> None:
    settings = [name for names in OF_A_TRAINING.themes.values() for name in names]
    assert len(settings) == len(set(settings)) == 20
