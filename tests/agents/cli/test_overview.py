"""The overview of `mmrl list`, which reads sources, shows what importing finds."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mmrl.curriculum import CURRICULA
from mmrl.fusion import FUSIONS
from mmrl.modality.kinds import KINDS
from mmrl.representation import OBJECTIVES
from mmrl_agents.algorithms import algorithms
from mmrl_agents.cli import main
from mmrl_agents.cli.catalogue import CATALOGUE
from mmrl_agents.cli.overview import TOPICS, offers_of_packages
from mmrl_agents.recipes import all_recipes
from mmrl_envs import make_sensor, sensor_names
from mmrl_envs.tasks.registry import registrations


def first_line(thing: object) -> str:
    return (thing.__doc__ or "").partition("\n")[0]


LOADED: Mapping[str, Mapping[str, str]] = {
    "sensors": {name: first_line(make_sensor(name)) for name in sensor_names()},
    "encoders": {kind.spec.__name__: f"{kind.name}: {first_line(kind.spec)}" for kind in KINDS.values()},
    "fusions": {name: first_line(fusion) for name, fusion in FUSIONS.items()},
    "objectives": {name: first_line(objective) for name, objective in OBJECTIVES.items()},
    "agents": {name: algorithm.summary for name, algorithm in algorithms().items()},
    "curricula": {name: first_line(curriculum) for name, curriculum in CURRICULA.items()},
}


@pytest.mark.parametrize("kind", LOADED)
def test_it_says_what_the_loaded_things_say(kind: str) -> None:
    assert dict(TOPICS[kind].rows(offers_of_packages())) == LOADED[kind]


def test_it_has_every_environment_with_the_sentence_of_its_task() -> None:
    rows = TOPICS["environments"].rows(offers_of_packages())
    assert set(rows) == {name for name, _ in CATALOGUE["environments"]()}
    assert set(all_recipes()) < set(rows)
    assert all(rows.values())
    for name, task in registrations().items():
        assert rows[name] == task.help


def test_an_environment_of_another_package_has_a_sentence_and_steps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    sentence = "A pole to balance on a cart: a reward of 1 for each step that it stands, of 500 at most."
    rows = TOPICS["environments"].rows(offers_of_packages())
    assert rows["CartPole-v1"] == sentence
    others = [rows[name] for name in all_recipes() if name not in registrations()]
    assert len(set(others)) == len(others) > 5
    assert main(["list", "environments"]) == 0
    said = capsys.readouterr().out
    assert f"{sentence} recipes: default (60,000 steps)" in said
    assert "recipes: fast (640,000 steps), standard (640,000 steps), reinforce (4,000,000 steps)" in said


def test_a_sensor_that_cannot_be_made_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = tmp_path / "sonar-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sonar\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[mmrl.sensors]\nsonar = no_module_of_a_test:Sonar\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["list", "sensors"]) == 0
    said = capsys.readouterr().out
    assert "Cannot be used: 'sonar' of the installed packages' mmrl.sensors cannot be imported" in said
    assert " force_torque " in said


def test_it_shows_every_kind_with_its_page(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for title, topic in TOPICS.items():
        assert f"{title}: {topic.page}" in said
    for word in (
        "mmrl/PegInsertion-v0",
        "CartPole-v1",
        "coarse_camera",
        "ImageConv",
        "transformer",
        "sb3-sac",
        "staged",
    ):
        assert f" {word} " in said
