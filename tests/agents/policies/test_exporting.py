"""Policies as graphs: they act as the network does, without the suite that trained it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from numpy.typing import NDArray

import mmrl
from mmrl.deploy import Runner
from mmrl.deploy.document import PolicyDocument
from mmrl.deploy.exported import ACTION, MEMORY, NEXT_MEMORY, PRESENT, open_exported
from mmrl.fusion import FUSIONS
from mmrl.modality import MLP, Custom, ImageConv, Modality, TemporalConv
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.cli import main
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.graphs import WRITERS, ActingGraph
from tests.trainings import POLE, trained_quietly

SENSES = {
    "camera": Modality("camera", (12, 12, 3), 20, ImageConv((4,), (3,), (2,), features=8), dtype="uint8"),
    "wrench": Modality("wrench", (6,), 1000, TemporalConv((4, 8), features=8), history=8, unit="N"),
    "pose": Modality("pose", (3,), 20, MLP((8,), 8), low=-1.0, high=1.0, labels=("x", "y", "z")),
}
SPACE = spaces.Box(-0.2, 0.2, (2,))


def network(fusion: str = "concat") -> ActorCritic:
    torch.manual_seed(0)
    policy = ActorCritic(SENSES, SPACE, PolicyConfig(fusion=fusion, fused_features=16)).eval()
    torch.nn.init.normal_(policy.head.linear.weight, std=0.3)
    return policy


def written(folder: Path, policy: ActorCritic, file_format: str) -> Path:
    """A folder with the policy as a graph."""
    weights = f"model.{file_format}"
    (folder / weights).write_bytes(WRITERS[file_format](ActingGraph(policy, SPACE)))
    PolicyDocument("toy", 20.0, SENSES, SPACE, policy.state_size, weights, {"mmrl": "0"}).write(folder)
    return folder


def observation(rows: int, seed: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return {
        "camera": rng.integers(0, 256, (rows, 12, 12, 3)).astype(np.uint8),
        "wrench": rng.normal(0, 5, (rows, 8, 6)).astype(np.float32),
        "pose": rng.normal(size=(rows, 3)).astype(np.float32),
    }


def require_same(folder: Path, policy: ActorCritic) -> None:
    """The graph acts as the network does, for any number of rows, with senses missing, and over time."""
    exported, judged = open_exported(folder, trust=["pt2"]), TorchPolicy(policy, SPACE)
    missing = {"camera": np.array([True, False, True]), "pose": np.array([True, True, False])}
    for seed, present in enumerate(({}, missing, {})):
        seen = observation(3, seed)
        np.testing.assert_allclose(exported.act(seen, present), judged.act(seen, present), atol=1e-5)
    exported.reset()
    judged.reset(np.arange(3))
    one = observation(1, 9)
    expected = judged.act(one, {"wrench": np.zeros(1, np.bool_)})
    del one["wrench"]
    acted = exported.act({name: array[0] for name, array in one.items()}, {"wrench": False})
    np.testing.assert_allclose(acted, expected[0], atol=1e-5)


@pytest.mark.parametrize(("fusion", "file_format"), [("lstm", "pt2"), ("concat", "pt2")])
def test_a_graph_acts_as_the_network_does(fusion: str, file_format: str, tmp_path: Path) -> None:
    policy = network(fusion)
    require_same(written(tmp_path, policy, file_format), policy)


@pytest.mark.slow
@pytest.mark.parametrize("file_format", WRITERS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_is_a_graph(fusion: str, file_format: str, tmp_path: Path) -> None:
    policy = network(fusion)
    require_same(written(tmp_path, policy, file_format), policy)


def test_a_run_is_exported_and_driven_without_the_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a process that loads neither torch nor the packages of environments and training."""
    run = trained_quietly(replace(POLE, run_dir=tmp_path / "run"))
    given = tmp_path / "given"
    assert main(["export", str(run), str(given), "--format", "onnx"]) == 0
    assert f"wrote {given}" in capsys.readouterr().out
    assert {path.name for path in given.iterdir()} == {"README.md", "model.onnx", "policy.json"}
    program = f"""
import sys
from mmrl.deploy import Runner
runner = Runner({str(given)!r}, hz=50)
runner.push("observation", 0.0, [0.1, 0.2, 0.3, 0.4])
print(int(runner.tick(0.0)))
assert not {{"torch", "mmrl_envs", "mmrl_agents", "mujoco"}} & set(sys.modules), sys.modules
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    here = Runner(mmrl.load(run), hz=50)
    here.push("observation", 0.0, [0.1, 0.2, 0.3, 0.4])
    assert int(said.stdout) == int(here.tick(0.0))


def test_the_document_says_what_is_read_and_what_actions_mean(tmp_path: Path) -> None:
    words = {"instruction": ("insert", "the", "peg")}
    PolicyDocument("toy", 20.0, SENSES, SPACE, 5, "model.onnx", {"mmrl": "0"}, words).write(tmp_path)
    read = PolicyDocument.read(tmp_path)
    assert read.vocabularies == words
    for name, sense in SENSES.items():
        same = read.senses[name]
        assert (same.shape, same.history, same.rate_hz, same.units, same.labels) == (
            sense.shape,
            sense.history,
            sense.rate_hz,
            sense.units,
            sense.labels,
        )
        assert same.space == sense.space
    assert read.action_space == SPACE
    assert (read.hz, read.memory, read.environment) == (20.0, 5, "toy")
    choice = replace(read, action_space=spaces.Discrete(3, start=1), weights="a.pt2")
    choice.write(tmp_path)
    assert PolicyDocument.read(tmp_path).action_space == spaces.Discrete(3, start=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 7}, r"policy.json is no description of a policy: .*version 7, this mmrl reads 1"),
        ({"weights": "../model.onnx"}, "are no file beside it"),
        ({"weights": "model.exe"}, r"model.exe is of no known format: .onnx, .pt2"),
        ({"weights": "other.onnx"}, "names other.onnx, which is not there"),
        ({"weights": "broken.onnx"}, "broken.onnx is no ONNX file"),
        ({"weights": "broken.pt2"}, "broken.pt2 is no file of torch.export"),
        ({"senses": [{}]}, "KeyError"),
        ({"action": {"kind": "dance"}}, "actions of the kind 'dance'"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    PolicyDocument("toy", 20.0, SENSES, SPACE, 0, "model.onnx", {}).write(tmp_path)
    for name in ("broken.onnx", "broken.pt2", "model.exe"):
        (tmp_path / name).write_bytes(b"nothing")
    document = json.loads((tmp_path / "policy.json").read_text()) | change
    (tmp_path / "policy.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message):
        mmrl.load(tmp_path, trust=["pt2"])


def test_a_file_that_may_run_code_is_loaded_where_it_is_trusted_alone(tmp_path: Path) -> None:
    written(tmp_path, network(), "pt2")
    for load in (mmrl.load, Runner):
        with pytest.raises(ValueError, match=r"may run any code: .* trust=\['pt2'\]"):
            load(tmp_path)
    assert mmrl.load(tmp_path, trust=["pt2"]).hz == 20.0


class Deciding(torch.nn.Module):
    """An encoder whose code depends on what it reads."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :4] if float(x.sum()) > 0 else -x[:, :4]


def test_a_network_that_is_no_graph_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    senses = {"pose": Modality("pose", (5,), 20, Custom("an.encoder:Deciding", features=4))}
    monkeypatch.setitem(sys.modules, "an", ModuleType("an"))
    encoders = ModuleType("an.encoder")
    vars(encoders)["Deciding"] = Deciding
    monkeypatch.setitem(sys.modules, "an.encoder", encoders)
    policy = ActorCritic(senses, SPACE, PolicyConfig(fused_features=0)).eval()
    with pytest.raises(ValueError, match=r"the network is no graph.*Its senses: pose \(Custom\)"):
        WRITERS["pt2"](ActingGraph(policy, SPACE))


def test_the_names_of_inputs_and_outputs_are_flat() -> None:
    graph = ActingGraph(network("lstm"), SPACE)
    assert list(graph.inputs()) == [*SENSES, *(PRESENT.format(name) for name in SENSES), MEMORY]
    assert graph.outputs == [ACTION, NEXT_MEMORY]
