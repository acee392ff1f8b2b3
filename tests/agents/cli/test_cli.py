"""The command line from end to end, at the smallest budget: peg insertion by touch, without a camera."""

import json
from contextlib import closing
from pathlib import Path
from typing import cast

import av
import pytest

from mmrl.fusion import FUSIONS, sense_key
from mmrl_agents.cli import main
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.records.checkpoint import load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_envs.vector_env import RobotVectorEnv

ENV_ID = "mmrl/PegInsertion-v0"
TOUCH = ("force_torque", "proprioception")
# 4 worlds x 8 steps are 32 an update: one rollout to look around and nine to learn from.
SMALL = [
    *("train", ENV_ID, "--num-worlds", "4", "--total-steps", "320", "--threads", "1", "--device", "cpu"),
    *("--ppo.num-steps", "8", "--ppo.minibatch-size", "16", "--ppo.epochs", "1", "--evaluate-episodes", "0"),
]
USUAL = {"--sensors": TOUCH, "--set": ("max_episode_steps=6",)}


def small_training(*changes: str) -> list[str]:
    """A small training with changes, which may give an option that it has usually: twice would be refused."""
    usual = ((option, *values) for option, values in USUAL.items() if option not in changes)
    return [*SMALL, *(word for words in usual for word in words), *changes]


TRAIN = small_training()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "peg"
    assert main([*TRAIN, "--run-dir", str(folder)]) == 0
    return folder


def refusal(args: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line in which a command says what is wrong."""
    capsys.readouterr()
    assert main(args) == 2
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1, said
    return said


def test_train_leaves_a_run(run: Path) -> None:
    document = json.loads((run / "config.json").read_text())
    assert document["env_id"] == ENV_ID
    assert set(document["senses"]) == set(TOUCH)
    state = load_checkpoint(RunFolder(run).checkpoint("last"))
    assert (state["step"], state["updates"]) == (320, 9)
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 9


def test_evaluate_prints_a_row_per_sense_and_writes_them(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["evaluate", str(run), "--episodes", "4", "--num-worlds", "4", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    labels = ["all senses", "without force_torque", "without proprioception"]
    assert all(label in said for label in labels)
    document = json.loads((run / "evaluation.json").read_text())
    assert sorted(row["label"] for row in document["rows"]) == labels
    assert all(row["success_at_end"]["trials"] == 4 for row in document["rows"])


def test_watch_writes_a_video(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "peg.mp4"
    assert main(["watch", str(run), "--episodes", "1", "--output", str(path), "--device", "cpu"]) == 0
    with av.open(str(path)) as video:
        frames = sum(1 for _ in video.decode(video=0))
    # The first observation, six steps, and 0.75 s at 20 Hz in which the last frame stands still.
    assert frames == 1 + 6 + 15
    assert path.with_suffix(".png").is_file()


def test_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "all"]) == 0
    said = capsys.readouterr().out
    kinds = ("environments", "figures", "sensors", "encoders", "fusions", "probes", "aligners", "agents", "pretrained")
    names = (ENV_ID, "CartPole-v1", *TOUCH, "camera", "TemporalConv", "ImageConv", "MLP", "concat", "ppo")
    for word in (*kinds, *names):
        assert word in said
    assert main(["list", "sensors"]) == 0
    assert ENV_ID not in capsys.readouterr().out


def test_options_of_a_fusion_are_recorded_and_used_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    chosen = ["--fusion=transformer", "--fusion-options", "heads=2", "dim=6"]
    assert main([*TRAIN, *chosen, "--total-steps", "64", "--run-dir", str(folder)]) == 0
    policy = json.loads((folder / "config.json").read_text())["train"]["policy"]
    assert (policy["fusion"], policy["fusion_options"]) == ("transformer", {"heads": 2, "dim": 6})
    assert main(["train", "--resume", str(folder), "--total-steps", "96"]) == 0
    trained = load_policy(folder, checkpoint="last")
    assert trained.policy.perception.fusion.get_parameter("class_token").shape == (6,)
    assert trained.policy.perception.fusion.get_submodule("blocks.0.attention").heads == 2


def test_senses_and_gains_given_on_the_command_line_are_recorded_resumed_and_judged(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    given = [
        *("--sensors", "camera:height=24,width=32,fovy=70", "proprioception"),
        *("--set", "max_episode_steps=6", "impedance.stiffness=900"),
        *("--modalities", "camera.features=8", "proprioception.encoder=MLP", "proprioception.hidden=[6]"),
    ]
    assert main(small_training(*given, "--total-steps", "64", "--run-dir", str(folder))) == 0
    document = json.loads((folder / "config.json").read_text())
    assert document["train"]["sensors"][0] == "camera:height=24,width=32,fovy=70"
    assert document["train"]["env_kwargs"] == {"max_episode_steps": 6, "impedance": {"stiffness": 900}}
    camera = document["senses"]["camera"]
    assert camera["shape"] == [24, 32, 3]
    assert "features=8" in camera["encoder"]
    assert main(["train", "--resume", str(folder), "--total-steps", "96"]) == 0
    trained = load_policy(folder, checkpoint="last")
    assert trained.policy.get_submodule(f"perception.encoders.{sense_key('camera')}").size == 8
    with closing(trained.worlds.make(1)) as envs:
        worlds = cast(RobotVectorEnv, envs.unwrapped)
        assert worlds.task.impedance.stiffness == 900
    judged = ["evaluate", str(folder), "--episodes", "2", "--no-without", "--device", "cpu", "--checkpoint", "last"]
    assert main(judged) == 0


def test_what_a_run_began_with_is_not_given_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, name in (
        (["--seed", "1"], "seed"),
        (["--recipe", "tight"], "recipe"),
        (["--policy.log-std-init", "0"], "policy.log_std_init"),
        (["--run-dir", "elsewhere"], "run_dir"),
    ):
        said = refusal(["train", *words, "--resume", str(run)], capsys)
        assert f"{name} would have no effect: the run in {run} goes on with what it began with" in said
    said = refusal(["train", "CartPole-v1", "--resume", str(run)], capsys)
    assert f"CartPole-v1 would have no effect: the run in {run} goes on in {ENV_ID}" in said
    assert json.loads((run / "config.json").read_text())["train"]["policy"]["log_std_init"] == -0.5
    assert main(["train", ENV_ID, "--resume", str(run), "--print-config"]) == 0  # the same one again misleads nobody


def test_list_tells_what_each_fusion_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list", "fusions"]) == 0
    said = capsys.readouterr().out
    for name, fusion in FUSIONS.items():
        assert fusion.__doc__ is not None
        row = next(line for line in said.splitlines() if f" {name} " in line)
        assert fusion.__doc__.splitlines()[0] in row


def test_a_used_folder_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(run.rglob("*"))
    assert "exists and is not empty; continue it with --resume" in refusal([*TRAIN, "--run-dir", str(run)], capsys)
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (["--sensors", "nose"], ["'nose'", *TOUCH, "camera"]),
        (["--context", "clearence_mm=1.0"], ["'clearence_mm'", "'clearance_mm'", "'friction'"]),
        (["--context", "shape=star"], ["'star'", "'round'", "'square'"]),
        (["--context", "clearance_mm=-1"], ["'clearance_mm'", "-1"]),
        (["--policy.fusion", "blend"], ["'blend'", "concat"]),
        (["--fusion", "blend"], ["'blend'", "concat"]),
        (["--policy.fusion", "tagm", "--policy.fusion-options", "heads=4"], ["'heads'", "attention", "sharpness"]),
        (["--policy.fusion", "lowrank", "--policy.fusion-options", "rank=0"], ["LowRankOptions.rank", "0"]),
        (["--set", "wheels=3"], ["'wheels'", "control_hz", "impedance"]),
        (["--set", "impedance.stifness=3"], ["stifness", "stiffness"]),
        (["--set", "reward_weights.sucess=3"], ["sucess", "success"]),
        (["--set", "control_hz=10", "control_hz.x=3"], ["control_hz.x", "which is 10 and has no parts"]),
        (["--modalities", "nose.features=8"], ["'nose'", *TOUCH]),
        (["--modalities", "force_torque.feats=8"], ["'feats'", "features", "channels"]),
        (["--sensors", "camera:hight=8"], ["hight", "height", "fovy"]),
    ],
)
def test_a_wrong_name_is_answered_with_those_there_are(
    changes: list[str], parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(small_training("--run-dir", str(tmp_path / "run"), *changes), capsys)
    for part in parts:
        assert part in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mmrl/PegInsertoin-v0", "PegInsertoin", "mmrl/PegInsertion-v7", "mrml/Peg-v0"])
def test_an_unknown_environment_is_answered_with_those_there_are(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(["train", name, "--run-dir", str(tmp_path / "run")], capsys)
    assert name.rpartition("/")[2].partition("-")[0] in said or "mrml" in said
    assert ENV_ID in said.partition("Of mmrl there are: ")[2]
    assert list(tmp_path.iterdir()) == []


def test_values_out_of_range_are_refused_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert "num_worlds must be at least 1, got 0" in refusal([*TRAIN, "--num-worlds", "0"], capsys)


def test_a_policy_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("evaluate", "watch"):
        assert "'nothing'; those shipped are:" in refusal([command, "pretrained:nothing"], capsys)
        assert "no run folder" in refusal([command, str(tmp_path)], capsys)
        assert "no run folder" in refusal([command, str(tmp_path / "gone")], capsys)


def test_resume_goes_on_with_the_settings_of_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert main([*TRAIN, "--total-steps", "64", "--run-dir", str(folder)]) == 0
    assert main(["train", "--resume", str(folder), "--total-steps", "128"]) == 0
    state = load_checkpoint(RunFolder(folder).checkpoint("last"))
    assert (state["step"], set(state["senses"])) == (128, set(TOUCH))
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == [64, 96, 128]


def test_a_checkpoint_of_other_senses_is_refused_by_name(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(["train", "--resume", str(run), "--sensors", "proprioception", "hole_estimate"], capsys)
    assert "force_torque is missing in the environment" in said
    assert "hole_estimate is unknown to the checkpoint" in said
    assert "proprioception" not in said
    assert set(json.loads((run / "config.json").read_text())["senses"]) == set(TOUCH)
