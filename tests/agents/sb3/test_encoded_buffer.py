"""Replay of joint vectors in place of readings, where the perception is frozen."""

from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3.common.buffers import DictReplayBuffer

from mmrl_agents.cli import main
from mmrl_agents.records.checkpoint import load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.sb3 import agent
from mmrl_agents.sb3.encoded_buffer import EncodedReplayBuffer, keep_encodings

COMMON = (
    *("mmrl/PegInsertion-v0", "--num-worlds", "4", "--threads", "1", "--device", "cpu", "--evaluate-episodes", "0"),
    *("--sensors", "force_torque", "proprioception", "--set", "max_episode_steps=6"),
)
REPLAY = ("buffer_size=400", "learning_starts=40", "batch_size=16", "train_freq=4", "gradient_steps=2")


@pytest.fixture(scope="module")
def perception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose encoders have learned a little, and have statistics of readings."""
    folder = tmp_path_factory.mktemp("encoded") / "ppo"
    assert main(["train", *COMMON, "--total-steps", "256", "--recipe", "none", "--run-dir", str(folder)]) == 0
    return folder


def trained(name: str, perception: Path, folder: Path, frozen: bool) -> dict[str, Any]:
    freeze = ("--freeze", "perception") if frozen else ()
    options = ("--agent", f"sb3-{name}", "--sb3.options", *REPLAY, "--init", str(perception), *freeze)
    assert main(["train", *COMMON, *options, "--total-steps", "96", "--run-dir", str(folder)]) == 0
    state: dict[str, Any] = load_checkpoint(RunFolder(folder).checkpoint("last"))
    return state


@pytest.mark.parametrize("name", ["sac", "td3", "tqc"])
def test_a_frozen_perception_is_replayed_as_joint_vectors_and_learns_the_same(
    name: str, perception: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers: list[object] = []

    def watched(model: Any) -> bool:
        kept = keep_encodings(model)
        buffers.append(model.replay_buffer)
        return kept

    monkeypatch.setattr(agent, "keep_encodings", watched)
    encoded = trained(name, perception, tmp_path / "encoded", frozen=True)
    assert isinstance(buffers[0], EncodedReplayBuffer)
    assert buffers[0].observations.shape == (100, 4, 128)
    monkeypatch.setattr(agent, "keep_encodings", lambda model: False)
    readings = trained(name, perception, tmp_path / "readings", frozen=True)
    for weight, weights in encoded["policy"].items():
        torch.testing.assert_close(weights, readings["policy"][weight], rtol=1e-3, atol=1e-4)
    assert encoded["agent"]["n_updates"] == readings["agent"]["n_updates"] == 8


def test_a_perception_that_learns_is_replayed_as_readings(perception: Path, tmp_path: Path) -> None:
    buffers: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            agent, "keep_encodings", lambda model: [keep_encodings(model), buffers.append(model.replay_buffer)][0]
        )
        trained("sac", perception, tmp_path / "learning", frozen=False)
    assert isinstance(buffers[0], DictReplayBuffer)
