"""A training that torchrun starts again goes on in the folder that it began, and in no other's."""

from pathlib import Path

import pytest

from mmrl_agents.cli.restarting import going_on
from mmrl_agents.cli.words import training_in
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import train
from tests.trainings import json_lines

WORDS = ("CartPole-v1", "--num-worlds", "2", "--ppo.num-steps", "16", "--ppo.minibatch-size", "16", "--total-steps")


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set what torchrun sets in its processes."""
    place = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in {**place, "TORCHELASTIC_RUN_ID": "night"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def asked(*words: str) -> tuple[TrainConfig, list[str]]:
    """The settings of a command and its words."""
    all_words = [*WORDS, *words, "--evaluate-episodes", "0", "--device", "cpu", "--threads", "1"]
    config = training_in(all_words)
    assert config is not None
    return config, all_words


def test_a_training_goes_on_in_the_folder_that_its_job_began_and_in_no_other(
    job: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    folder = ("--run-dir", str(run))
    first = going_on(*asked("64", *folder))
    assert first.resume is None  # nothing has begun
    train(first)
    for written in (folder, (f"--run-dir={run}",)):
        again = going_on(*asked("128", *written))
        assert (again.resume, again.run_dir) == (run, None)
    assert train(again).steps == 128
    steps = [line["step"] for line in json_lines(run / "metrics.jsonl")]
    assert steps == sorted(set(steps))
    for another in ("morning", "none"):  # as all jobs without a name are called
        job.setenv("TORCHELASTIC_RUN_ID", another)
        config = going_on(*asked("128", *folder))
        assert config.resume is None
        with pytest.raises(FileExistsError, match="continue it with --resume"):
            train(config)
