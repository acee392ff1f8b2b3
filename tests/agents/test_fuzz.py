"""Damaged input of every kind: a clear error and exit status 2, or success; never a traceback, never a changed file.

Command lines, run configurations and checkpoints, broken at random. What is asked for stays small whatever the
damage: the budget comes last on the command line, and the last word counts.
"""

import contextlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from mmrl_agents.cli import main
from mmrl_agents.cli.commands import COMMANDS
from mmrl_agents.records.checkpoint import load_checkpoint, save_checkpoint
from mmrl_agents.records.runs import RunFolder

BUDGET = [
    *("--num-worlds", "2", "--total-steps", "32", "--threads", "1", "--device", "cpu", "--evaluate-episodes", "0"),
    *("--ppo.num-steps", "8", "--ppo.minibatch-size", "16", "--ppo.epochs", "1"),
]
LOOK = ["--episodes", "1", "--num-worlds", "1", "--device", "cpu"]
PHASES = (Phase.explicit, Phase.generate)
FEW = settings(
    max_examples=12, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
MANY = settings(FEW, max_examples=40)

TEXT = st.text(max_size=8) | st.sampled_from(
    ["", "-", "--", "=", "\0", "a=b", "[1,", "{", "nan", "1e999", "-1", "../.."]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    run = tmp_path_factory.mktemp("fuzz") / "run"
    assert main(["train", "CartPole-v1", "--run-dir", str(run), *BUDGET]) == 0
    return run


@contextlib.contextmanager
def copied(run: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(run, Path(folder) / "run"))


def said(arguments: Sequence[str]) -> tuple[int, str]:
    """Exit status and everything printed; an exception that comes through is the failure looked for."""
    out, err = StringIO(), StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium's remarks on ids and render modes
        try:
            status = main(list(arguments))
        except SystemExit as stopped:  # while the arguments are read
            status = 0 if stopped.code is None else int(stopped.code)
    return status, out.getvalue() + err.getvalue()


def check(arguments: Sequence[str]) -> int:
    status, text = said(arguments)
    assert status in (0, 2), text
    assert "Traceback" not in text
    if status == 2:
        assert text.strip(), "refused without a word"
    return status


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@MANY
@given(arguments=st.lists(TEXT | st.sampled_from([*COMMANDS, "--help", "all", "pretrained:nothing"]), max_size=4))
def test_any_command_line_is_answered(arguments: list[str]) -> None:
    assume(arguments[:1] != ["train"])  # below, within a budget
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        check(arguments)


@MANY
@given(
    option=st.sampled_from(
        [
            *("--set", "--context", "--sensors", "--seed", "--ppo.gamma", "--ppo.learning-rate", "--policy.fusion"),
            *(
                "--policy.actor-hidden",
                "--time-limit-minutes",
                "--keep-checkpoints",
                "--run-dir",
                "--agent",
                "--resume",
            ),
        ]
    ),
    values=st.lists(
        TEXT | st.sampled_from(["max_episode_steps=0", "render_mode=3", "sutton_barto_reward=x"]), max_size=2
    ),
)
def test_any_option_of_a_training_is_answered(option: str, values: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        check(["train", "CartPole-v1", option, *values, *BUDGET])


@FEW
@given(
    setting=st.sampled_from(["context", "control_hz", "physics_hz", "max_episode_steps", "action", "reward", "senses"]),
    value=st.sampled_from(["0", "-1", "abc", "[1, 2]", "{a: 1}", "null", "1.5", "true"]),
)
def test_any_argument_of_an_environment_is_answered(setting: str, value: str) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        touch = ["--sensors", "proprioception", "--set", f"{setting}={value}"]
        check(["train", "mmrl/PegInsertion-v0", *touch, *BUDGET])


@MANY
@given(
    name=st.text(max_size=12) | st.sampled_from(["a:b", ":", "mmrl/", "/", "CartPole", "-v0", "x-v1", "os:CartPole-v1"])
)
def test_any_name_of_an_environment_is_answered(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        check(["train", name, *BUDGET])


def damaged(document: Any, data: st.DataObject) -> Any:
    """The document with one value somewhere in it replaced or removed."""
    if not isinstance(document, dict | list) or not document or data.draw(st.integers(0, 4)) == 0:
        return data.draw(JSON)
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = data.draw(st.sampled_from(keys))
    changed = document.copy()
    if data.draw(st.booleans()):
        changed[key] = damaged(changed[key], data)
    else:
        del changed[key]
    return changed


@MANY
@given(data=st.data(), command=st.sampled_from(["evaluate", "train", "export", "runs"]))
def test_any_run_configuration_is_answered(good: Path, data: st.DataObject, command: str) -> None:
    with copied(good) as run:
        document = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps(damaged(document, data)))
        answer_and_leave_checkpoints_alone(run, command)


@FEW
@given(content=st.binary(max_size=30), command=st.sampled_from(["evaluate", "train", "export", "runs"]))
def test_a_configuration_of_random_bytes_is_answered(good: Path, content: bytes, command: str) -> None:
    with copied(good) as run:
        (run / "config.json").write_bytes(content)
        answer_and_leave_checkpoints_alone(run, command)


def answer_and_leave_checkpoints_alone(run: Path, command: str) -> None:
    before = contents(run / "checkpoints")
    arguments = {
        "evaluate": ["evaluate", str(run), *LOOK],
        "train": ["train", "--resume", str(run), *BUDGET],
        "export": ["export", str(run), str(run.parent / "exported")],
        "runs": ["runs", str(run)],
    }[command]
    if check(arguments) == 2 or command != "train":
        assert contents(run / "checkpoints") == before


@FEW
@given(data=st.data(), command=st.sampled_from(["evaluate", "train", "export"]))
def test_a_whole_checkpoint_of_any_content_is_answered(good: Path, data: st.DataObject, command: str) -> None:
    """Well written and sealed, but not what this run would have saved."""
    with copied(good) as run:
        path = RunFolder(run).checkpoint("last")
        state = damaged(load_checkpoint(path), data)
        assume(isinstance(state, dict))
        save_checkpoint(path, state)
        (run / "checkpoints" / "best.pt").unlink(missing_ok=True)
        answer_and_leave_checkpoints_alone(run, command)


@FEW
@given(kept=st.floats(0, 1, exclude_max=True), command=st.sampled_from(["evaluate", "train", "export"]))
def test_a_truncated_checkpoint_is_answered(good: Path, kept: float, command: str) -> None:
    with copied(good) as run:
        path = RunFolder(run).checkpoint("last")
        path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
        (run / "checkpoints" / "best.pt").unlink(missing_ok=True)
        before = contents(run)
        arguments = {
            "evaluate": ["evaluate", str(run), *LOOK],
            "train": ["train", "--resume", str(run), *BUDGET],
            "export": ["export", str(run), str(run.parent / "exported")],
        }[command]
        status, text = said(arguments)
        assert status == 2
        assert "truncated" in text
        assert contents(run) == before
