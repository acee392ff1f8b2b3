"""An objective in one file: its settings, its network, its loss; trained with by name, listed, saved and left behind.

B rows, D numbers of a sense.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mmrl.modality import Modality
from mmrl.perception import Perception, Seen
from mmrl.policy.actor_critic import ActorCritic
from mmrl.representation import OBJECTIVES, Batch, Objective, ObjectiveConfig
from mmrl_agents.cli import main
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import open_run, train
from mmrl_agents.training.trainer import Trainer


@dataclass(frozen=True)
class Reconstruction(ObjectiveConfig):
    """The squared error of a vector as decoded from the joint vector of the senses."""

    sense: str = "observation"
    """The sense that is decoded."""
    hidden: int = 8
    """Units of the decoder."""

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        return Decoder(self, perception.features, senses[self.sense].shape[0])


class Decoder(Objective):
    """(B, features) -> (B, D), and its mean squared error."""

    def __init__(self, config: Reconstruction, features: int, numbers: int) -> None:
        super().__init__()
        self.sense = config.sense
        self.layers = nn.Sequential(nn.Linear(features, config.hidden), nn.Tanh(), nn.Linear(config.hidden, numbers))

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        error: Tensor = self.layers(seen.fused) - batch.observations[self.sense]
        return error.square().mean()


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    OBJECTIVES["reconstruction"] = Reconstruction
    yield
    OBJECTIVES.pop("reconstruction", None)


def config(folder: Path, **settings: float) -> TrainConfig:
    return TrainConfig(
        "CartPole-v1",
        recipe="none",
        num_worlds=4,
        total_steps=4 * 32 * 6,
        threads=1,
        ppo=PPOConfig(num_steps=32, minibatch_size=64, epochs=4, learning_rate=3e-3, anneal=False),
        objectives={f"reconstruction.{name}": value for name, value in settings.items()},
        evaluate_episodes=0,
        run_dir=folder / "run",
    )


def test_it_is_trained_with_by_name_and_its_loss_falls(tmp_path: Path) -> None:
    result = train(config(tmp_path, weight=0.5, hidden=16))
    rows = [json.loads(line) for line in (result.run_dir / "metrics.jsonl").read_text().splitlines()]
    losses = [row["reconstruction_loss"] for row in rows if "reconstruction_loss" in row]
    assert losses[-1] < 0.7 * losses[0]


def test_a_weight_of_0_shows_the_loss_and_teaches_the_encoders_nothing(tmp_path: Path) -> None:
    policies = []
    for name, weight in (("idle", 0.0), ("without", None), ("at_work", 0.5)):
        settings = config(tmp_path / name, **({} if weight is None else {"weight": weight}))
        trainer = Trainer(settings, open_run(settings))
        assert isinstance(trainer.policy, ActorCritic)
        assert set(trainer.policy.objectives) == (set() if weight is None else {"reconstruction"})
        before = trainer.policy.perception.state_dict()["encoders./observation.layers.0.weight"].clone()
        trainer.begin()
        trainer.advance()
        trainer.close()
        assert ("reconstruction_loss" in trainer.metrics) == (weight is not None)
        policies.append((before, trainer.policy))
    # An actor's first draws are the same with and without; the critic's come after those of the objective.
    assert torch.equal(policies[0][0], policies[1][0])
    decoders = [
        dict(policy.named_parameters())["objectives.reconstruction.layers.0.weight"] for _, policy in policies[::2]
    ]
    assert torch.isfinite(decoders[0]).all()
    assert not torch.equal(*decoders)


def test_a_policy_acts_without_it_even_where_nobody_knows_it_any_more(tmp_path: Path) -> None:
    result = train(config(tmp_path, weight=0.5))
    del OBJECTIVES["reconstruction"]
    trained = load_policy(result.run_dir)
    assert not any("objectives" in name for name in trained.policy.state_dict())
    assert trained.config.objectives == {"reconstruction": {"weight": 0.5}}


def test_it_goes_on_where_a_run_is_resumed(tmp_path: Path) -> None:
    whole = config(tmp_path / "whole", weight=0.5)
    half = replace(config(tmp_path / "half", weight=0.5), total_steps=4 * 32 * 3)
    train(whole)
    train(half)
    train(TrainConfig("CartPole-v1", resume=half.run_dir, total_steps=whole.total_steps))
    ours, theirs = (_weights_of(run) for run in (whole.run_dir, half.run_dir))
    assert any(name.startswith("objectives.reconstruction") for name in ours)
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name]), name


def _weights_of(run: Path | None) -> Mapping[str, Tensor]:
    assert run is not None
    weights: Mapping[str, Tensor] = RunFolder.open(run).load("last")[1]["policy"]
    return weights


def test_it_is_listed_with_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "objectives"]) == 0
    printed = capsys.readouterr().out
    assert "state" in printed
    assert "reconstruction" in printed
    assert "The squared error of a vector as decoded" in printed


def test_an_agent_that_learns_from_none_refuses_it(tmp_path: Path) -> None:
    settings = TrainConfig(
        "CartPole-v1", "reinforce", "none", objectives={"reconstruction.weight": 1}, run_dir=tmp_path / "run"
    )
    with pytest.raises(ValueError, match=r"objectives\.reconstruction would have no effect: agent reinforce learns"):
        train(settings)
