"""A policy for every subset of the senses: trained once each, resumed, judged on the same episodes, reported."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from rich.console import Console

from mmrl_agents.ablation import ablation
from mmrl_agents.ablation.ablation import AblateConfig, AblationResult, ablate
from mmrl_agents.ablation.subsets import expand, senses_and_choice
from mmrl_agents.cli import main
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.records.run_status import read_status
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from tests.toys.breaking import Deaf
from tests.toys.lessons import Guess

SENSES = ("eye", "ear", "nose")


gym.register(id="Guess-v0", entry_point=Guess)
GUESS = TrainConfig(
    env="Guess-v0",
    num_worlds=2,
    total_steps=96,
    threads=1,
    device="cpu",
    ppo=PPOConfig(num_steps=16, minibatch_size=16, epochs=1),
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    Guess.interrupt_after = None


def quietly(config: AblateConfig) -> tuple[AblationResult, str]:
    text = StringIO()
    result = ablate(config, Console(file=text, width=500))
    return result, text.getvalue()


def guess(folder: Path, **changes: Any) -> AblateConfig:
    return replace(AblateConfig(GUESS, seeds=(1, 2), episodes=8, folder=folder), **changes)


def modified(folder: Path) -> dict[str, float]:
    """When each checkpoint and evaluation was written."""
    return {
        str(p.relative_to(folder)): p.stat().st_mtime_ns for p in [*folder.rglob("*.pt"), *folder.rglob("ev*.json")]
    }


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = RunFolder(folder).load("last")[1]["policy"]
    return state


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["all"], ["eye+ear+nose", "eye+ear", "eye+nose", "ear+nose", "eye", "ear", "nose"]),
        (["single"], ["eye+ear+nose", "eye", "ear", "nose"]),
        (["leave-one-out"], ["eye+ear+nose", "ear+nose", "eye+nose", "eye+ear"]),
        (["nose+eye", "ear", "ear"], ["eye+nose", "ear"]),
        (["single", "ear+nose"], ["eye+ear+nose", "eye", "ear", "nose", "ear+nose"]),
    ],
)
def test_words_stand_for_subsets(words: list[str], expected: list[str]) -> None:
    assert ["+".join(subset) for subset in expand(words, SENSES)] == expected


@pytest.mark.parametrize("word", ["tongue", "eye+tongue", "eye+eye", "", "each"])
def test_words_that_are_no_subset_are_named(word: str) -> None:
    with pytest.raises(
        ValueError, match=rf"{re.escape(repr(word))} is no subset.*single, leave-one-out.*eye, ear, nose"
    ):
        expand([word], SENSES)


def test_every_subset_is_trained_and_judged_on_the_same_episodes(tmp_path: Path) -> None:
    folder = tmp_path / "ablation"
    result, said = quietly(guess(folder, seeds=(2,)))
    assert [f"training {i} of 3" in said for i in range(1, 5)] == [True] * 3 + [False]
    manifest = json.loads((folder / "ablation.json").read_text())
    assert manifest["subsets"] == ["ear+eye", "ear", "eye"]
    assert manifest["seeds"] == [2]
    for subset in manifest["subsets"]:
        for seed in manifest["seeds"]:
            run = folder / subset / f"seed_{seed}"
            assert set(json.loads((run / "config.json").read_text())["senses"]) == set(subset.split("+"))
            assert read_status(run / "status.json").state == "finished"
            judged = json.loads((run / "evaluation.json").read_text())
            (row,) = judged["rows"]  # what it does without a sense is in the report of the policy that was trained so
            assert (judged["seed"], row["success_at_end"]["trials"]) == (10_000, 8)
    assert result.report is not None
    document = json.loads((folder / "results.json").read_text())
    assert document["score"] == "success_at_end"
    assert document["curve_metric"] == "success_rate"
    assert {"+".join(entry["senses"]) for entry in document["subsets"]} == set(manifest["subsets"])
    for entry in document["subsets"]:
        assert entry["score"]["by_seed"] == {"2": entry["score"]["iqm"]}
        assert len(entry["curve"]["steps"]) == len(entry["curve"]["iqm"]) > 10
    assert (folder / "curves.png").stat().st_size > 10_000
    assert "ear, eye" in said


def test_what_is_finished_is_left_alone_and_seeds_may_be_added(tmp_path: Path) -> None:
    folder = tmp_path / "ablation"
    quietly(guess(folder, subsets=("eye",), seeds=(1,)))
    before = modified(folder)
    assert len(before) == 2  # its last weights and how they were judged
    _, said = quietly(guess(folder, subsets=("eye",), seeds=(1,)))
    assert "training" not in said
    assert modified(folder) == before
    # Other episodes are judged anew, without training.
    _, said = quietly(guess(folder, subsets=("eye",), seeds=(1,), episodes=12))
    assert "training" not in said
    row = json.loads((folder / "eye" / "seed_1" / "evaluation.json").read_text())["rows"][0]
    assert row["success_at_end"]["trials"] == 12
    before = modified(folder)
    result, said = quietly(guess(folder, subsets=("eye", "ear"), seeds=(1, 2), episodes=12))
    assert "training 2 of 4: ear, seed 1" in said
    assert {name: when for name, when in modified(folder).items() if name in before} == before
    assert result.report is not None
    for subset in result.report.subsets:
        rates = [subset.score.by_seed[seed] for seed in (1, 2)]
        assert subset.score.value == pytest.approx(sum(rates) / 2)  # nothing is trimmed of two
        assert (subset.score.low, subset.score.high) == (min(rates), max(rates))
    assert json.loads((folder / "ablation.json").read_text())["subsets"] == ["eye", "ear"]
    # The report is of all that played the same episodes, also where the last command was about a part of it.
    result, said = quietly(guess(folder, subsets=("ear",), seeds=(2,), episodes=12))
    assert "training" not in said
    assert result.report is not None
    assert {subset.senses: sorted(subset.score.by_seed) for subset in result.report.subsets} == {
        ("eye",): [1, 2],
        ("ear",): [1, 2],
    }
    result, _ = quietly(guess(folder, subsets=("ear",), seeds=(2,), episodes=8))
    assert result.report is not None
    assert {subset.senses: list(subset.score.by_seed) for subset in result.report.subsets} == {("ear",): [2]}


def test_a_folder_that_an_older_version_began_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "ablation"
    quietly(guess(folder, subsets=("eye",), seeds=(1,)))
    path = folder / "ablation.json"
    manifest = json.loads(path.read_text())
    manifest["train"]["reinforce"]["value_coef"] = 0.5  # a setting that is no more
    del manifest["train"]["policy"]["separate_critic"]  # one that has come since
    path.write_text(json.dumps(manifest))
    quietly(guess(folder, subsets=("ear",), seeds=(1,)))
    assert json.loads(path.read_text())["subsets"] == ["eye", "ear"]


gym.register(id="Deaf-v0", entry_point=Deaf)


def test_a_training_that_fails_stops_no_other(tmp_path: Path) -> None:
    """The first meets a reward that is no number in step 80, after an update; the second is trained and judged."""
    config = replace(
        guess(tmp_path / "folder", subsets=("ear", "eye"), seeds=(1,)), train=replace(GUESS, env="Deaf-v0")
    )
    with pytest.raises(
        ValueError, match=r"trainings failed: .*folder/ear/seed_1: .*is nan, not a finite number"
    ) as raised:
        ablate(config, Console(quiet=True))
    assert "eye" not in str(raised.value)
    results = json.loads((tmp_path / "folder" / "results.json").read_text())
    assert [subset["senses"] for subset in results["subsets"]] == [["eye"]]


def test_a_copied_folder_is_not_judged_again(tmp_path: Path) -> None:
    config = guess(tmp_path / "here", subsets=("eye",), seeds=(1,))
    quietly(config)
    (tmp_path / "here").rename(tmp_path / "there")
    path = next((tmp_path / "there").glob("eye/seed_1/evaluation.json"))
    before = path.stat().st_mtime_ns
    result, _ = quietly(guess(tmp_path / "there", subsets=("eye",), seeds=(1,)))
    assert path.stat().st_mtime_ns == before
    assert result.report is not None


def test_what_somebody_else_judged_is_judged_again(tmp_path: Path) -> None:
    config = guess(tmp_path / "here", subsets=("eye",), seeds=(1,))
    quietly(config)
    path = next((tmp_path / "here").glob("eye/seed_1/evaluation.json"))
    played = json.loads(path.read_text())
    path.write_text(json.dumps(played | {"rows": [{**played["rows"][0], "mean_return": 1e6}]}))
    quietly(config)
    assert json.loads(path.read_text())["rows"] == played["rows"]


def test_a_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "ablation"
    config = guess(folder, subsets=("eye",), seeds=(1,))
    quietly(config)
    other = replace(config, train=replace(GUESS, total_steps=128, sense_dropout=0.1, keep_checkpoints=9))
    with pytest.raises(ValueError, match=r"is an ablation of other settings \(total_steps, sense_dropout\)"):
        ablate(other)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match=r"full is not empty and no ablation: it has no ablation.json"):
        ablate(guess(tmp_path / "full"))


def test_an_interrupted_ablation_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "ablation"
    quietly(guess(whole, subsets=("eye", "ear"), seeds=(1,)))
    Guess.interrupt_after = 96 + 16 + 24  # within the second training; judging the first takes 8 x 4 steps besides
    Guess.interrupt_after += 32
    result, said = quietly(guess(folder, subsets=("eye", "ear"), seeds=(1,)))
    assert result.interrupted
    assert result.report is None
    assert "go on with the same command" in said
    state = read_status(folder / "ear" / "seed_1" / "status.json")
    assert (state.state, 0 < state.step < 96) == ("interrupted", True)
    Guess.interrupt_after = None
    result, said = quietly(guess(folder, subsets=("eye", "ear"), seeds=(1,)))
    assert not result.interrupted
    assert "training 2 of 2: ear, seed 1" in said
    assert "training 1 of 2" not in said
    for subset in ("eye", "ear"):
        one, other = (weights(path / subset / "seed_1") for path in (whole, folder))
        assert all(torch.equal(one[name], other[name]) for name in one)


TOY = """
import gymnasium as gym, numpy as np, time
from gymnasium import spaces

class Slow(gym.Env):
    observation_space = spaces.Dict({name: spaces.Box(-1.0, 1.0, (1,), np.float32) for name in ("eye", "ear")})
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self.see(), {}

    def see(self):
        return {name: self.np_random.uniform(-1, 1, 1).astype(np.float32) for name in ("eye", "ear")}

    def step(self, action):
        self.count += 1
        time.sleep(0.002)
        return self.see(), float(action), False, self.count == 5, {}

gym.register(id="Slow-v0", entry_point=Slow)
"""


@pytest.mark.slow
def test_a_killed_ablation_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command line, in a world without success, killed while it writes whatever it happens to write."""
    (tmp_path / "slow_world.py").write_text(TOY)
    monkeypatch.chdir(tmp_path)
    command = [
        *("ablate", "slow_world:Slow-v0", "--subsets", "ear", "eye", "--seeds", "1", "--episodes", "2"),
        *("--folder", "all", "--num-worlds", "2", "--total-steps", "160", "--threads", "1", "--device", "cpu"),
        *("--checkpoint-every-minutes", "0", "--ppo.num-steps", "8", "--ppo.minibatch-size", "8", "--ppo.epochs", "1"),
    ]
    second = tmp_path / "all" / "eye" / "seed_1" / "metrics.jsonl"
    with subprocess.Popen([sys.executable, "-m", "mmrl_agents", *command], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while process.poll() is None and not second.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    first = modified(tmp_path / "all" / "ear")
    assert main(command) == 0
    assert modified(tmp_path / "all" / "ear") == first
    document = json.loads((tmp_path / "all" / "results.json").read_text())
    assert document["score"] == "mean_return"
    assert [entry["score"]["bootstrap_95"] for entry in document["subsets"]] == [None] * 2
    steps = [json.loads(line)["step"] for line in second.read_text().splitlines()]
    assert steps == sorted(set(steps))
    assert steps[-1] == 160


def test_robots_are_built_with_the_sensors_of_the_subset(tmp_path: Path) -> None:
    """And the noise of a sensor that is gone does not disturb the others, in contexts and curricula."""
    base = TrainConfig(
        env="mmrl/PegInsertion-v0",
        sensors=("force_torque", "proprioception"),
        context={"force_torque_noise": 0.5, "friction": 0.3},
    )
    senses, choose = senses_and_choice(base)
    assert senses == base.sensors
    alone = choose(base, senses, ("proprioception",))
    assert alone.sensors == ("proprioception",)
    assert alone.context == {"friction": 0.3}
    assert choose(base, senses, senses) == base


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["CartPole-v1"], "CartPole-v1 has observation and no choice of senses: there is nothing to ablate"),
        (["Guess-v0", "--seed", "3"], "seed would have no effect: an ablation chooses it for every training by itself"),
        (
            ["Guess-v0", "--run_dir=x"],
            "run_dir would have no effect: an ablation chooses it",
        ),
        (["Guess-v0", "--subsets", "smell"], "'smell' is no subset of the senses; .* some of ear, eye"),
        (["--subsets", "smell", "--seeds", "3", "--", "Guess-v0"], "'smell' is no subset of the senses"),
        (["--seeds", "3", "--total-steps", "9", "Nothing-v0"], "Nothing"),
    ],
)
def test_what_cannot_be_ablated_is_named(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ablate", *args]) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": (1, 1)}, r"seeds must be given, each once, got \(1, 1\)"),
        ({"seeds": ()}, r"seeds must be given, each once, got \(\)"),
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"subsets": ()}, "no subsets given; there are all, single, leave-one-out"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AblateConfig(GUESS, **settings)


def test_settings_that_change_no_result_exist() -> None:
    assert set(vars(GUESS)) >= ablation._WITHOUT_EFFECT


def test_a_run_that_is_a_link_is_not_written_to(tmp_path: Path) -> None:
    config = guess(tmp_path / "here", subsets=("eye",), seeds=(1,))
    quietly(config)
    run = (tmp_path / "here" / "eye" / "seed_1").rename(tmp_path / "of another")
    (tmp_path / "here" / "eye" / "seed_1").symlink_to(run)
    with pytest.raises(ValueError, match="seed_1 is a symbolic link, not a folder"):
        ablate(config, Console(quiet=True))
