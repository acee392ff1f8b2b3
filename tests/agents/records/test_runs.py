import errno
import json
import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl_agents.records.checkpoint import CheckpointError, load_checkpoint
from mmrl_agents.records.files import write_json
from mmrl_agents.records.runs import DamagedCheckpoint, NotLogged, RunFolder, run_name


def test_name_says_what_ran() -> None:
    name = run_name("mmrl/PegInsertion-v0", "ppo", 3, datetime(2030, 1, 2, 3, 4, 5))
    assert name == "PegInsertion-v0_ppo_20300102-030405_s3"


def test_a_used_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"--resume .* another --run-dir"):
        RunFolder.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path).checkpoints.is_dir()


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no run folder: it has no config\.json"):
        RunFolder.open(tmp_path)


def test_config_comes_back(tmp_path: Path) -> None:
    RunFolder.create(tmp_path).write_config({"seed": 3, "senses": {"camera": {"shape": [2]}}})
    document = RunFolder.open(tmp_path).read_config()
    assert document == {"seed": 3, "senses": {"camera": {"shape": [2]}}}


def test_metrics_are_json_lines_and_scalars(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    run.log(64, {"loss": 0.5, "explained_variance": math.nan})
    run.log(128, {"loss": 0.25})
    run.close()
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    assert lines == [
        {"step": 64, "loss": 0.5, "explained_variance": None},
        {"step": 128, "loss": 0.25},
    ]
    assert list(tmp_path.glob("events.*"))


@contextmanager
def no_room_beyond(path: Path) -> Iterator[None]:
    """No file may get 10 bytes longer than this one is: the system writes what fits and refuses the rest."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("full", "logged"), [("metrics.jsonl", [64, 256]), ("events.*", [64, 128, 192, 256])])
def test_a_full_disk_costs_the_curves_what_comes_while_it_is_full(tmp_path: Path, full: str, logged: list[int]) -> None:
    """The file of events is the longer one, so that one limit meets both or that one alone."""
    run = RunFolder.create(tmp_path)
    run.log(64, {"loss": 0.5})
    (file,) = tmp_path.glob(full)
    with no_room_beyond(file):
        with pytest.warns(NotLogged, match=r"\[Errno 27\] .*; the curves will lack what comes"):
            run.log(128, {"loss": 0.4})
        run.log(192, {"loss": 0.3})  # without another warning, which would be an error here
    run.log(256, {"loss": 0.2})
    assert [json.loads(line)["step"] for line in run.metrics_path.read_text().splitlines()] == logged
    assert len(list(tmp_path.glob("events.*"))) == 1
    scalars = EventAccumulator(str(tmp_path)).Reload().Scalars("losses/loss")
    assert [scalar.step for scalar in scalars] == [64, 256]


def test_a_disk_without_any_room_is_left_without_empty_files(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    (tmp_path / "nothing").touch()
    with no_room_beyond(tmp_path / "nothing"), pytest.warns(NotLogged):
        run.log(64, {"loss": 0.5})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "nothing"]


def test_the_newest_checkpoint_is_kept_beyond_a_billion_steps(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    for step in (999_999_998, 999_999_999, 1_000_000_000):
        newest = run.save(step, {"step": step}, best=False, keep=2)
    assert run.checkpoint("last") == newest
    assert [load_checkpoint(path)["step"] for path in run.list_checkpoints()] == [999_999_999, 1_000_000_000]


def test_a_resumed_run_forgets_what_it_does_again(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    for step in (64, 128, 192):
        run.log(step, {"loss": 0.5})
    run.close()
    with run.metrics_path.open("a") as stream:
        stream.write('{"step": 25')  # cut short by a crash
    run.forget_metrics_after(128)
    steps = [json.loads(line)["step"] for line in run.metrics_path.read_text().splitlines()]
    assert steps == [64, 128]


def test_lines_that_are_no_text_are_forgotten(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    run.metrics_path.write_bytes(b'{"step": 64}\n\xff\xfe\n[3]\n{"step": "many"}\n{"step": 128}\n')
    run.forget_metrics_after(128)
    assert run.metrics_path.read_bytes() == b'{"step": 64}\n{"step": 128}\n'


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[1, 2]", b"", b"null"])
def test_a_damaged_config_is_named(tmp_path: Path, content: bytes) -> None:
    run = RunFolder.create(tmp_path)
    run.config_path.write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json: not"):
        RunFolder.open(tmp_path).read_config()


def test_newest_checkpoints_and_the_best_are_kept(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    for step in (1, 2, 3, 4, 5):
        run.save(step, {"step": step}, best=step == 2, keep=2)
    names = [path.name for path in run.list_checkpoints()]
    assert names == ["step_000000004.pt", "step_000000005.pt"]
    assert load_checkpoint(run.checkpoint("best")) == {"step": 2}
    assert load_checkpoint(run.checkpoint("last")) == {"step": 5}
    assert run.checkpoint(tmp_path / "other.pt") == tmp_path / "other.pt"


def test_best_is_last_until_one_was_judged(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        run.checkpoint("best")
    run.save(1, {"step": 1}, best=False, keep=2)
    assert run.checkpoint("best") == run.checkpoint("last")


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def saved(tmp_path: Path, best: int | None = None) -> RunFolder:
    run = RunFolder.create(tmp_path / "run")
    for step in (1, 2, 3):
        run.save(step, {"step": step}, best=step == best, keep=3)
    return run


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    run = saved(tmp_path)
    newest, before, _ = reversed(run.list_checkpoints())
    damage(newest)
    with pytest.warns(DamagedCheckpoint, match=rf"{newest.name}: truncated.* Taking .*{before.name} in its place"):
        assert run.load("last") == (before, {"step": 2})
    run.tidy(before)
    assert [path.name for path in sorted(run.checkpoints.iterdir())] == [
        "step_000000001.pt",
        "step_000000002.pt",
        "step_000000003.damaged",
    ]
    assert run.load("last") == (before, {"step": 2})  # no warning any more


def test_a_damaged_best_checkpoint_gives_way_to_the_newest(tmp_path: Path) -> None:
    run = saved(tmp_path, best=2)
    damage(run.best_path)
    with pytest.warns(DamagedCheckpoint, match=r"best\.pt: truncated.* Taking .*step_000000003\.pt"):
        assert run.load("best")[1] == {"step": 3}


def test_the_best_is_the_last_resort(tmp_path: Path) -> None:
    run = saved(tmp_path, best=2)
    for path in run.list_checkpoints():
        damage(path)
    with pytest.warns(DamagedCheckpoint, match=r"_000000003\.pt.*_000000002\.pt.*_000000001\.pt.* Taking .*best\.pt"):
        assert run.load("last") == (run.best_path, {"step": 2})
    run.tidy(run.best_path)
    assert run.list_checkpoints() == []
    assert run.load("last") == (run.best_path, {"step": 2})


def test_without_a_usable_checkpoint_all_are_named(tmp_path: Path) -> None:
    run = saved(tmp_path)
    for path in run.list_checkpoints():
        damage(path)
    with pytest.raises(CheckpointError, match=r"no usable checkpoint: .*_000000003.*_000000002.*_000000001"):
        run.load("last")


def test_a_named_file_is_not_replaced_by_another(tmp_path: Path) -> None:
    run = saved(tmp_path)
    damage(run.list_checkpoints()[0])
    with pytest.raises(CheckpointError, match=r"_000000001\.pt: truncated"):
        run.load(run.list_checkpoints()[0])


def test_a_full_disk_costs_no_older_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = saved(tmp_path)

    def full(path: Path, write: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mmrl_agents.records.checkpoint.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        run.save(4, {"step": 4}, best=True, keep=1)
    assert run.load("last")[1] == {"step": 3}
    assert len(run.list_checkpoints()) == 3


def test_half_written_files_are_removed_before_a_run_goes_on(tmp_path: Path) -> None:
    run = saved(tmp_path)
    for folder in (run.path, run.checkpoints):
        (folder / ".step_000000004.pt.unfinished-0123").write_bytes(b"half")
    run.tidy(run.checkpoint("last"))
    assert not list(run.path.rglob("*unfinished*"))
    assert len(run.list_checkpoints()) == 3


def test_what_was_logged_before_a_checkpoint_is_on_file(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    run.log(64, {"loss": 0.5})
    run.save(64, {"step": 64}, best=False, keep=1)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("losses/loss")] == [(64, 0.5)]
    run.close()


def test_tensorboard_reads_files_in_the_order_they_were_begun(tmp_path: Path) -> None:
    """Files of one second would be sorted by the number of their process."""
    for first in (1, 2, 3):
        run = RunFolder(tmp_path)
        for step in (first, first + 1):
            run.log(step, {"loss": float(first)})
        (newest,) = (path for path in tmp_path.glob("events.*") if ".old" not in path.name)
        stamp = newest.name.split(".")[3]
        newest.rename(tmp_path / f"events.out.tfevents.{stamp}.host.{9 - first}.old")
    events = EventAccumulator(str(tmp_path)).Reload().Scalars("losses/loss")
    assert [(event.step, event.value) for event in events] == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 3.0)]


def test_a_clock_that_is_set_back_costs_tensorboard_no_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for now, steps in ((2e9, (1, 2, 3)), (1e9, (3, 4)), (0.0, (5,))):
        monkeypatch.setattr("mmrl_agents.records.curves.time.time", lambda now=now: now)
        run = RunFolder(tmp_path)
        for step in steps:
            run.log(step, {"loss": now})
    events = EventAccumulator(str(tmp_path)).Reload().Scalars("losses/loss")
    assert [(event.step, event.value) for event in events] == [(1, 2e9), (2, 2e9), (3, 1e9), (4, 1e9), (5, 0.0)]


def test_numbers_that_are_none_are_on_the_curves(tmp_path: Path) -> None:
    RunFolder.create(tmp_path).log(1, {"loss": math.inf, "ratio": 1e300})
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [events.Scalars(name)[0].value for name in ("losses/loss", "updates/ratio")] == [math.inf, math.inf]


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("policy_loss", "losses/policy_loss"),
        ("entropy", "losses/entropy"),
        ("mean_return_20", "episodes/mean_return_20"),
        ("success_once_rate", "episodes/success_once_rate"),
        ("steps_per_second", "time/steps_per_second"),
        ("wall_time_s", "time/wall_time_s"),
        ("workers_lost", "incidents/workers_lost"),
        ("clipped_readings", "incidents/clipped_readings"),
        ("skipped_updates_in_all", "incidents/skipped_updates_in_all"),
        ("approx_kl", "updates/approx_kl"),
        ("learning_rate", "updates/learning_rate"),
        ("curriculum/level", "curriculum/level"),
        ("judged/success_rate", "judged/success_rate"),
    ],
)
def test_curves_stand_in_groups_and_metrics_keep_their_names(name: str, tag: str, tmp_path: Path) -> None:
    RunFolder.create(tmp_path).log(3, {name: 0.5})
    assert EventAccumulator(str(tmp_path)).Reload().Tags()["scalars"] == [tag]
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 3, name: 0.5}


def test_figures_of_a_task_stand_among_the_episodes(tmp_path: Path) -> None:
    RunFolder.create(tmp_path).log(3, {"swing_mm": 0.5, "approx_kl": 0.1}, of_episodes=["swing_mm"])
    tags = EventAccumulator(str(tmp_path)).Reload().Tags()["scalars"]
    assert set(tags) == {"episodes/swing_mm", "updates/approx_kl"}


def test_what_json_has_no_word_for_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"evaluation\.json cannot be written, a number in it is not finite"):
        write_json(tmp_path / "evaluation.json", {"rows": [{"mean_return": math.nan}]})
    run = RunFolder.create(tmp_path / "run")
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.log_contexts([{"context": {"slope": math.inf}}])
    assert not list(tmp_path.glob("*.json"))
    assert not run.contexts_path.exists()


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    run.write_config({"seed": 1})
    for value in (2**63, math.inf, deep(65)):
        with pytest.raises(ValueError, match=r"config\.json cannot be written"):
            run.write_config({"seed": value})
    assert run.read_config() == {"seed": 1}


def deep(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value
