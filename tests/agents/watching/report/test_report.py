"""The page of `mmrl report`: what stands on it, of one run and of several, and of folders that somebody else made."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import av
import pytest
from rich.console import Console

from mmrl_agents.cli import main
from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.evaluation.evaluate_senses import evaluate_senses
from mmrl_agents.records.files import UnfitFile
from mmrl_agents.watching.report import report as making
from mmrl_agents.watching.report.report import ReportConfig
from mmrl_agents.worlds.trust import Untrusted
from tests.agents.watching.report.pages import ENV_ID, PageReader, episodes_in, page_of, registered
from tests.toys.pictures import EPISODE_STEPS, FPS
from tests.trainings import moment_in, trained_quietly

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def quiet() -> Console:
    return Console(file=io.StringIO())


def make_run(folder: Path, **changes: Any) -> Path:
    return trained_quietly(replace(moment_in(registered()), run_dir=folder, **changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was judged, with the worth of its senses."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "light")
    evaluate_run(EvaluateConfig(str(folder), episodes=4), quiet())
    evaluate_senses(EvaluateConfig(str(folder), episodes=4, senses=True), quiet())
    return folder


@pytest.fixture(scope="module")
def page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[PageReader, Path]:
    output = tmp_path_factory.mktemp("pages") / "page.html"
    return page_of(run, output=output, episodes=4), output


def test_the_page_needs_nothing_but_itself(page: tuple[PageReader, Path]) -> None:
    reader, path = page
    linked = [
        value for _, attributes in reader.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert linked
    assert [value for value in linked if not (value or "").startswith(("data:", "#"))] == []
    assert path.stat().st_size < 1_000_000


def test_success_stands_with_its_interval(page: tuple[PageReader, Path]) -> None:
    reader, _ = page
    # Every episode ends in success; Wilson's interval of 4 of 4.
    assert ["on record, evaluation.json", "4", "100.0 % [51.0, 100.0]"] in reader.rows
    assert ["played for this page", "4", "100.0 % [51.0, 100.0]"] in reader.rows
    assert [row[:2] for row in reader.rows if row[0] == "without eye"] == [["without eye", "100.0 % [51.0, 100.0]"]]


def test_the_worth_of_every_sense_is_a_bar(page: tuple[PageReader, Path]) -> None:
    reader, _ = page
    worth = {row[0]: row[1] for row in reader.rows if row[0] in ("eye", "clock")}
    assert worth == {"eye": "+0 points [+0, +0]", "clock": "+0 points [+0, +0]"}


def test_episodes_have_a_film_and_all_numbers_at_every_instant(page: tuple[PageReader, Path]) -> None:
    reader, path = page
    videos = reader.all("video")
    assert len(videos) == 3
    content = base64.b64decode((videos[0]["src"] or "").removeprefix("data:video/mp4;base64,"))
    with av.open(io.BytesIO(content)) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate, stream.frames) == ("vp9", FPS, EPISODE_STEPS + 1)
    episodes = episodes_in(path)
    assert [episode["hz"] for episode in episodes] == [FPS] * 3
    # clock (steps, 1), action, value and reward, at the reset and after each step.
    assert [len(pane) for pane in episodes[0]["panes"]] == [EPISODE_STEPS + 1] * 4
    clock, action, _, reward = episodes[0]["panes"]
    assert clock == [[float(step), 1.0] for step in range(EPISODE_STEPS + 1)]
    assert action[-1] == [None]
    assert reward == [[None], *[[0.0]] * EPISODE_STEPS]


def test_every_command_stands_on_the_page(page: tuple[PageReader, Path], run: Path) -> None:
    reader, path = page
    commands = {row[0]: row[1] for row in reader.rows if len(row) == 2 and row[1].startswith("mmrl ")}
    assert commands["train again"] == f"mmrl train --config {run / 'config.json'}"
    assert commands["evaluate"] == f"mmrl evaluate {run} --episodes 4"
    assert commands["worth of the senses"] == f"mmrl evaluate {run} --episodes 4 --senses"
    assert commands["film the first episode below"].startswith(f"mmrl watch {run} --seed 2000")
    assert f"mmrl report {run} --output {path} --episodes 4" in reader.words


def test_incidents_and_versions_are_told(page: tuple[PageReader, Path]) -> None:
    reader, _ = page
    assert ["evaluation.json: episodes ended by physics that went wrong", "0"] in reader.rows
    assert ["updates left out because a gradient was not finite", "0"] in reader.rows
    (torch,) = [row for row in reader.rows if row[0] == "torch"]
    assert len(set(torch[1:])) == 1  # of training, both evaluations and this page


def test_a_run_that_was_never_judged_says_what_to_do(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "new run")
    reader = page_of(folder, output=tmp_path / "page.html", episodes=0)
    assert f"No evaluation of these weights is on record: run mmrl evaluate '{folder}'" in reader.words
    assert f"run mmrl evaluate '{folder}' --senses" in reader.words
    assert reader.all("video") == []


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is no run folder: it has no config\.json; policies that come with"):
        page_of(tmp_path, output=tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_several_runs_are_compared(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "dim", seed=5)
    reader = page_of(run, other, output=tmp_path / "page.html", episodes=0)
    rows = {row[0]: row for row in reader.rows}
    assert rows["light"][1:3] == ["100.0 % [51.0, 100.0]", "4 on record"]
    assert rows["dim"][1] == "never judged"
    assert rows["dim"][5] == "5"  # its seed
    # The same two runs as a folder that holds them, one a link.
    (tmp_path / "light").symlink_to(run)
    again = page_of(tmp_path, output=tmp_path / "again.html", episodes=0)
    assert {"light", "dim"} <= {row[0] for row in again.rows}


def test_an_evaluation_from_elsewhere_goes_to_the_run_with_its_weights(run: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    evaluate_run(EvaluateConfig(str(run), episodes=2, seed=7, output=elsewhere), quiet())
    reader = page_of(run, output=tmp_path / "page.html", episodes=0, evaluations=(elsewhere,))
    assert ["on record, elsewhere.json", "2", "100.0 % [34.2, 100.0]"] in reader.rows
    other = make_run(tmp_path / "other", seed=9)
    with pytest.raises(ValueError, match=r"elsewhere\.json would have no effect: no run has its weights"):
        page_of(other, output=tmp_path / "page.html", episodes=0, evaluations=(elsewhere,))
    with pytest.raises(UnfitFile, match="is not what mmrl evaluate writes"):
        page_of(run, output=tmp_path / "page.html", episodes=0, evaluations=(run / "config.json",))


def test_an_evaluation_of_other_weights_is_named_and_not_shown(run: Path, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "other", seed=3)
    (folder / "evaluation.json").write_bytes((run / "evaluation.json").read_bytes())
    reader = page_of(folder, output=tmp_path / "page.html", episodes=0)
    assert "evaluation.json is of other weights" in reader.words
    assert [row for row in reader.rows if row[0].startswith("on record")] == []


def test_unset_the_weights_are_those_that_were_judged(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "checkpoints" / "best.pt").write_bytes(
        (make_run(tmp_path / "before", seed=4) / "checkpoints" / "step_000000032.pt").read_bytes()
    )
    evaluate_run(EvaluateConfig(str(folder), episodes=2, checkpoint="last"), quiet())
    judged = page_of(folder, output=tmp_path / "page.html", episodes=0)
    assert ["on record, evaluation.json", "2", "100.0 % [34.2, 100.0]"] in judged.rows
    best = page_of(folder, output=tmp_path / "page.html", episodes=0, checkpoint="best")
    assert "evaluation.json is of other weights" in best.words


def test_what_files_say_cannot_become_part_of_the_page(run: Path, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "copy")
    for name in ("evaluation.json", "senses.json"):
        document = json.loads((folder / name).read_text())
        document["rows"][1]["label"] = document["versions"]["torch"] = EVIL
        (folder / name).write_text(json.dumps(document))
    config = json.loads((folder / "config.json").read_text())
    config["machine"]["processor"] = f"{EVIL}\x1b[31m"
    (folder / "config.json").write_text(json.dumps(config))
    metrics = folder / "metrics.jsonl"
    metrics.write_text("".join(json.dumps({"step": step, EVIL: step}) + "\n" for step in (1, 2)))
    reader = page_of(folder, output=tmp_path / "page.html", episodes=0)
    assert len(reader.all("script")) == 1  # ours
    assert reader.all("img") == []
    assert any(EVIL in row for row in reader.rows)
    assert "\\x1b[31m" in reader.words
    assert "you did not measure them" in reader.words  # the mark is void


def copied(run: Path, folder: Path) -> Path:
    return Path(copytree(run, folder))


@pytest.mark.parametrize(
    "damage",
    [
        {"rows": []},
        {"rows": [{"label": "all"}]},
        {"rows": [1, None]},
        {"rows": [{"label": [], "success_at_end": {"trials": 1, "rate": "x", "wilson_95": []}}]},
    ],
)
def test_a_damaged_evaluation_is_a_sentence(run: Path, tmp_path: Path, damage: dict[str, Any]) -> None:
    folder = copied(run, tmp_path / "copy")
    document = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps({**document, **damage}))
    (folder / "senses.json").unlink()
    (folder / "status.json").write_text("{")
    (folder / "metrics.jsonl").write_text('{"step": 1\n[]\n{"step": [], "mean_return": {}}\n')
    reader = page_of(folder, output=tmp_path / "page.html", episodes=0)
    assert "a file of the run is not as this version writes it" in reader.words
    assert "no status of a run" in reader.words


def test_a_run_without_weights_has_a_page_of_what_there_is(run: Path, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "copy")
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    reader = page_of(folder, output=tmp_path / "page.html", episodes=4)
    assert "There are no weights to judge or to film" in reader.words
    assert ENV_ID in reader.words


def test_code_of_somebody_else_is_not_imported(run: Path, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    config["train"]["env"] = "antigravity:make"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Untrusted, match="antigravity"):
        page_of(folder, output=tmp_path / "page.html", episodes=4)


def test_a_page_that_is_too_large_is_not_written(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MOST_BYTES", 10_000)
    with pytest.raises(ValueError, match="name fewer runs, or leave out the films with --no-films"):
        page_of(run, output=tmp_path / "page.html", episodes=0)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"runs": ()}, "name a run"),
        ({"episodes": -1}, "episodes must not be negative, got -1"),
        ({"seed": -1}, "seed must not be negative, got -1"),
        ({"max_seconds": 0.0}, r"max_seconds must be positive, got 0\.0"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ReportConfig(**{"runs": ("x",), **settings})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"episodes": 0, "films": False, "seed": 3}, r"films, seed would have no effect: no episode is played"),
        ({"films": False, "max_seconds": 3.0}, "max_seconds would have no effect: nothing is filmed"),
    ],
)
def test_settings_without_effect_are_refused(
    run: Path, tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        page_of(run, output=tmp_path / "page.html", **settings)


def test_it_is_a_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run), "--episodes", "0", "--output", str(tmp_path / "page.html")]) == 0
    assert "page.html, 0.0 MB" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert main(["report", str(run), "--episodes", "0", "--max-seconds", "30"]) == 2
    assert "max_seconds would have no effect" in capsys.readouterr().err
