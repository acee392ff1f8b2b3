"""A kind of sense in one file: declared, encoded, read from a foreign space, listed, and trained with.

K points of a set, each a row (x, y, z, exists); B rows, D features.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor, nn

from mmrl.encoders import Encoder, Networks
from mmrl.encoders.layers import mlp
from mmrl.modality import EncoderSpec, Kind, Modality, SpaceReader, register_kind
from mmrl.modality.kinds import KINDS
from mmrl.modality.space_reading import Reading, Unreadable, to_floats
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.cli import main
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import open_run, train
from mmrl_agents.training.trainer import Trainer
from tests.toys.lessons import Nearest


@dataclass(frozen=True)
class Points(EncoderSpec):
    """A network over a set of points (K, 4) in any order, the last column being 1 where the point exists."""

    features: int = 8
    """Size of the encoding, and of a token."""

    def check(self, modality: Modality) -> None:
        if len(modality.shape) != 2 or modality.shape[1] != 4 or modality.history is not None:
            raise ValueError(f"modality {modality.name!r}: Points reads a set (K, 4), got shape {modality.shape}")


class PointTokens(Encoder):
    """Each point by itself, (B, K, 4) -> (B, K, D); zeros where none exists."""

    def __init__(self, spec: Points, modality: Modality) -> None:
        super().__init__()
        self.tokens, self.features = modality.shape[0], spec.features
        self.layers = mlp((3, spec.features), nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x[..., 3:] > 0.5, self.layers(self._floats(x[..., :3])), 0)


class PointEncoder(PointTokens):
    """The largest of each feature over all points, (B, K, 4) -> (B, D)."""

    def __init__(self, spec: Points, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.tokens = None

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).amax(dim=1)


NETWORKS = Networks(PointEncoder, PointTokens)


def read_points(space: spaces.Space[Any]) -> Reading:
    """A Box (K, 4)."""
    if not isinstance(space, spaces.Box) or len(space.shape) != 2 or space.shape[1] != 4:
        raise Unreadable(f"reads a Box (K, 4), not {space}")
    return Reading(space.shape, to_floats(space.shape), Points())


POINTS = Kind("points", Points, f"{__name__}:NETWORKS", {"points": SpaceReader(read_points)})


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    register_kind(POINTS)
    yield
    del KINDS["points"]


def tiny(folder: Path, **settings: Any) -> TrainConfig:
    ppo = PPOConfig(num_steps=8, minibatch_size=16, epochs=1)
    return TrainConfig(
        f"{Nearest.__module__}:Nearest",
        num_worlds=2,
        total_steps=64,
        threads=1,
        ppo=ppo,
        evaluate_episodes=0,
        run_dir=folder / "run",
        modalities={"cloud.kind": "points", "cloud.features": 6, **settings},
    )


@pytest.mark.parametrize("fusion", ["concat", "attention", "early"])
def test_it_trains(fusion: str, tmp_path: Path) -> None:

    config = tiny(tmp_path)
    config = replace(config, policy=replace(config.policy, fusion=fusion))
    assert np.isfinite(train(config).metrics["policy_loss"])


def test_its_networks_learn_and_a_point_that_does_not_exist_says_nothing(tmp_path: Path) -> None:
    trainer = Trainer(tiny(tmp_path), open_run(tiny(tmp_path)))
    policy = trainer.policy
    assert isinstance(policy, ActorCritic)
    before = {name: weight.clone() for name, weight in policy.named_parameters() if "cloud" in name}
    trainer.begin()
    trainer.advance()
    trainer.close()
    after = dict(policy.named_parameters())
    assert before
    assert all(not torch.equal(after[name], weight) for name, weight in before.items() if "encoders" in name)
    cloud = torch.rand(3, 5, 4).round(decimals=1)
    cloud[:, 3:, 3] = 0
    other = torch.cat([cloud[:, [2, 0, 1]], torch.full((3, 2, 4), 7.0)], dim=1)
    other[:, 3:, 3] = 0
    torch.testing.assert_close(policy.distribution({"cloud": cloud}).mean, policy.distribution({"cloud": other}).mean)


def test_it_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "encoders"]) == 0
    assert "points: A network over a set of points (K, 4)" in capsys.readouterr().out


def test_its_settings_are_checked_as_those_of_every_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no setting 'depth'; with Points there are kind, .*features"):
        Trainer(tiny(tmp_path, **{"cloud.depth": 3}), open_run(tiny(tmp_path)))
