"""Policies that read sets and words, as graphs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.deploy.document import PolicyDocument
from mmrl.deploy.exported import open_exported
from mmrl.modality import DeepSets, Modality, WordBag
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.graphs import WRITERS, ActingGraph

SENSES = {
    "holes": Modality("holes", (4, 5), 20, DeepSets((16,), 8)),
    "instruction": Modality("instruction", (6,), 20, WordBag(("the", "red", "hole"), 8), dtype="uint8", high=3),
}
SPACE = spaces.Box(-1.0, 1.0, (2,))


def observation(seed: int) -> dict[str, NDArray[Any]]:
    """Three rows: all there, an element and words missing, no element and no word."""
    rng = np.random.default_rng(seed)
    holes = rng.normal(size=(3, 4, 5)).astype(np.float32)
    holes[..., 4] = 1.0
    holes[1, 2, 4], holes[2, :, 4] = 0.0, 0.0
    words = rng.integers(1, 4, (3, 6)).astype(np.uint8)
    words[1, 3:], words[2] = 0, 0
    return {"holes": holes, "instruction": words}


def require_same(fusion: str, file_format: str, folder: Path) -> None:
    """The graph acts as the network does, with and without a sense."""
    torch.manual_seed(0)
    policy = ActorCritic(SENSES, SPACE, PolicyConfig(fusion=fusion, fused_features=16)).eval()
    torch.nn.init.normal_(policy.head.linear.weight, std=0.3)
    weights = f"model.{file_format}"
    (folder / weights).write_bytes(WRITERS[file_format](ActingGraph(policy, SPACE)))
    PolicyDocument("toy", 20.0, SENSES, SPACE, policy.state_size, weights, {"mmrl": "0"}).write(folder)
    exported, judged = open_exported(folder, trust=["pt2"]), TorchPolicy(policy, SPACE)
    for seed, present in enumerate(({}, {"holes": np.array([True, False, True])}, {})):
        seen = observation(seed)
        acted = exported.act(seen, present)
        np.testing.assert_allclose(acted, judged.act(seen, present), atol=1e-5)
        assert len(np.unique(acted, axis=0)) == 3


def test_a_graph_of_sets_and_words_acts_as_the_network_does(tmp_path: Path) -> None:
    require_same("transformer", "pt2", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("file_format", WRITERS)
@pytest.mark.parametrize("fusion", ["transformer", "attention", "concat", "early"])
def test_every_kind_of_fusion_is_a_graph_with_sets_and_words(fusion: str, file_format: str, tmp_path: Path) -> None:
    require_same(fusion, file_format, tmp_path)
