"""A learning algorithm of one's own, whole in this file: registered by one call, trained through the command line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch

from mmrl.policy.actor_critic import ActorCritic
from mmrl.settings.documents import fit
from mmrl_agents import algorithms
from mmrl_agents.algorithms import Algorithm, find_algorithm, register_algorithm
from mmrl_agents.cli import main
from mmrl_agents.experience.episodes import Ended
from mmrl_agents.experience.games import Games
from mmrl_agents.learning.agent import Resources, Setting
from mmrl_agents.settings.config import TrainConfig
from tests.trainings import json_lines


@dataclass(frozen=True)
class CrossEntropyConfig:
    """Settings of the cross-entropy method."""

    games: int = 16
    """Games between two updates, a multiple of the number of worlds."""
    elite: float = 0.25
    """Share of the games that is learned from, those with the highest returns."""
    learning_rate: float = 1e-2
    """Step size of Adam."""
    steps: int = 8
    """Gradient steps of an update."""

    def __post_init__(self) -> None:
        fit(self, "agent_options.")
        if not 0 < self.elite <= 1:
            raise ValueError(f"agent_options.elite must lie in (0, 1], got {self.elite}")


class CrossEntropyAgent:
    """The cross-entropy method on actions (Rubinstein 1999): imitate the best games of the last batch."""

    begins_in_mid_episode = False
    scores_episodes = False
    last_error = ""

    def __init__(self, setting: Setting, policy: ActorCritic, resources: Resources) -> None:
        self.policy, self.config = policy, setting.settings
        self.games = Games(
            setting.envs, policy, resources.statistics, resources.acting, setting.dropout(), setting.episode_limit
        )
        self.optimizer = torch.optim.Adam(policy.parameters(), self.config.learning_rate)
        self.start = self.games.start

    def warm_up(self) -> int:
        return 0

    def collect(self) -> int:
        self.games.play(self.config.games)
        return len(self.games)

    def update(self) -> dict[str, float]:
        returns = torch.tensor([sum(step.reward for step in game) for game in self.games.finished])
        level = returns.quantile(1.0 - self.config.elite)
        (_, samples), *_ = self.games.samples(len(self.games))
        chosen = (returns >= level).repeat_interleave(self.games.lengths)
        loss = torch.zeros(())
        for _ in range(self.config.steps):
            log_prob = self.policy.distribution(samples.observations, samples.present).log_prob(samples.actions)
            loss = -log_prob[chosen].mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return {"policy_loss": loss.item(), "elite_return": level.item(), "skipped_updates": 0.0}

    def set_progress(self, fraction: float) -> float:
        return float(self.config.learning_rate)

    def ended(self) -> list[Ended]:
        return self.games.ended

    def state_dict(self) -> dict[str, object]:
        return {"optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])

    def rollout_state(self) -> dict[str, Any]:
        return self.games.state_dict()

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        self.games.load_state_dict(state, options)


CROSS_ENTROPY: Algorithm[ActorCritic] = Algorithm(
    "cross-entropy",
    "The cross-entropy method: imitate the best games.",
    CrossEntropyConfig,
    CrossEntropyAgent,
    defaults={"num_worlds": 8},
    plays_whole_episodes=True,
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered here and nowhere else."""
    monkeypatch.setattr(algorithms, "_registered", dict(algorithms._registered))
    register_algorithm(CROSS_ENTROPY)


def training(folder: Path, *more: str) -> list[str]:
    usual = ["--run-dir", str(folder), "--threads", "1", "--device", "cpu", "--evaluate-episodes", "0"]
    return ["train", "CartPole-v1", "--agent", "cross-entropy", *usual, *more]


def test_it_is_trained_judged_and_resumed_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main([*training(run, "--total-steps", "300"), "--agent-options", "elite=0.5", "learning_rate=0.02"]) == 0
    config = json.loads((run / "config.json").read_text())["train"]
    assert (config["agent"], config["agent_options"]) == ("cross-entropy", {"elite": 0.5, "learning_rate": 0.02})
    assert config["num_worlds"] == 8
    before = json_lines(run / "metrics.jsonl")
    assert all(row["learning_rate"] == 0.02 and "elite_return" in row for row in before)
    assert main(["train", "--resume", str(run), "--total-steps", "800"]) == 0
    assert json_lines(run / "metrics.jsonl")[: len(before)] == before
    assert len(json_lines(run / "metrics.jsonl")) > len(before)
    assert main(["evaluate", str(run), "--episodes", "2", "--num-worlds", "2"]) == 0


def test_it_learns(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(training(run, "--total-steps", "6000", "--stop-at-return", "60")) == 0
    first, *_, last = (row["mean_return"] for row in json_lines(run / "metrics.jsonl"))
    assert first < 30  # as for drawn actions
    assert last > 1.5 * first


def test_it_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "agents"]) == 0
    listed = capsys.readouterr().out
    for name in ("ppo", "reinforce", "sb3-sac", "cross-entropy"):
        assert name in listed
    assert "imitate the best games" in listed


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"agent": "cross-entropy", "agent_options": {"elite": 2}},
            r"agent_options\.elite must lie in \(0, 1\], got 2",
        ),
        ({"agent": "cross-entropy", "agent_options": {"lr": 1}}, "CrossEntropyConfig has no lr; it has games, elite"),
        ({"agent": "cross_entropy"}, "there is no agent 'cross_entropy'; there are ppo, reinforce, .*cross-entropy"),
    ],
)
def test_bad_names_and_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig("CartPole-v1", **settings)


def test_settings_that_it_does_not_read_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*training(tmp_path / "run"), "--ppo.epochs", "2"]) == 2
    assert "ppo.epochs would have no effect: agent cross-entropy has settings" in capsys.readouterr().err
    assert main(["train", "CartPole-v1", "--agent-options", "elite=0.5", "--run-dir", str(tmp_path / "run")]) == 2
    assert "agent_options.elite would have no effect: the settings of agent ppo are a part" in capsys.readouterr().err


def test_a_name_is_given_once() -> None:
    register_algorithm(CROSS_ENTROPY)
    other: Algorithm[ActorCritic] = Algorithm("cross-entropy", "Another.", CrossEntropyConfig, CrossEntropyAgent)
    with pytest.raises(ValueError, match="the name 'cross-entropy' is taken by another algorithm: The cross-entropy"):
        register_algorithm(other)


class Halted(CrossEntropyAgent):
    """An agent that lacks two calls."""

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in ("ended", "last_error")]


def test_an_agent_that_lacks_a_call_is_refused_and_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(algorithms._registered, "cross-entropy", replace(CROSS_ENTROPY, agent=Halted))
    assert main(training(tmp_path / "run")) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "the agent of 'cross-entropy', Halted, lacks ended, last_error; mmrl_agents.learning.agent.Agent says" in said
    )
    assert not (tmp_path / "run").exists()


def test_an_installed_package_offers_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(algorithms._registered, "cross-entropy")
    offered = EntryPoint("cross-entropy", f"{__name__}:CROSS_ENTROPY", algorithms.ENTRY_POINT_GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: CROSS_ENTROPY)
    monkeypatch.setattr(algorithms, "entry_points", lambda group: [offered] if group == "mmrl.algorithms" else [])
    assert find_algorithm("cross-entropy") is CROSS_ENTROPY
    monkeypatch.setattr(EntryPoint, "load", lambda self: CrossEntropyAgent)
    monkeypatch.delitem(algorithms._registered, "cross-entropy")
    with pytest.raises(ValueError, match="must be an Algorithm of the name 'cross-entropy', it is"):
        find_algorithm("cross-entropy")


OFFER = """
from mmrl_agents.algorithms import Algorithm
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.ppo_agent import PPOAgent
ALGORITHM = Algorithm("twice", "By {0}.", PPOConfig, PPOAgent)
"""


def offer(folder: Path, package: str, name: str = "twice") -> None:
    """The files that pip leaves of a package that offers one algorithm."""
    (folder / f"{package}.py").write_text(OFFER.format(package))
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[mmrl.algorithms]\n{name} = {package}:ALGORITHM\n")


def test_a_name_that_two_packages_offer_is_refused_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("one_of_a_test", "other_of_a_test"):
        offer(tmp_path, package)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    one, other = (f"{package} ({package}:ALGORITHM)" for package in ("one_of_a_test", "other_of_a_test"))
    either = (f"{one} and {other}", f"{other} and {one}")
    clash = [f"'twice' of mmrl.algorithms is offered by {both}: uninstall all but one of them" for both in either]
    for command in (["list"], ["list", "agents"], ["train", "CartPole-v1", "--agent", "twice"]):
        status = main(command)
        said = capsys.readouterr()
        assert any(sentence in said.out + said.err for sentence in clash), said
        assert (status, "sb3-sac" in said.out) == ((0, True) if command[0] == "list" else (2, False))


def test_a_name_of_ours_stays_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(tmp_path, "third_of_a_test", "ppo")
    (tmp_path / "third_of_a_test.py").write_text(OFFER.format("third").replace('"twice"', '"ppo"'))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["list", "agents"]) == 0
    said = capsys.readouterr().out
    assert "third_of_a_test (third_of_a_test:ALGORITHM) offers 'ppo', which is taken by another: Proximal" in said
    assert find_algorithm("ppo").summary.startswith("Proximal")
