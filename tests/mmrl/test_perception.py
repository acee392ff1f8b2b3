"""Encoders and fusion together: what is seen, of which senses, and with whose weights."""

import numpy as np
import pytest
import torch
from torch import Tensor

from mmrl.inputs import Memory
from mmrl.modality import MLP, ImageConv, Modality, TemporalConv
from mmrl.perception import Perception
from mmrl.policy.older_weights import rename_older_weights

SENSES = {
    "camera": Modality("camera", (10, 10, 3), 20, ImageConv((4, 5), (4, 3), (2, 1), features=6), dtype="uint8"),
    "wrench": Modality("wrench", (6,), 1000, TemporalConv((4, 5), features=7), history=8),
    "arm.state": Modality("arm.state", (4,), 500, MLP((7,), features=5), history=3),
}
ROWS = 4


def observation() -> dict[str, Tensor]:
    rng = np.random.default_rng(0)
    return {
        name: torch.from_numpy(rng.integers(0, 99, (ROWS, *sense.window_shape)).astype(sense.dtype))
        for name, sense in SENSES.items()
    }


def test_what_is_seen_is_each_encoding_and_their_fusion() -> None:
    perception, readings = Perception(SENSES, features=12), observation()
    seen = perception(readings)
    assert {name: x.shape for name, x in seen.encodings.items()} == {
        "camera": (ROWS, 6),
        "wrench": (ROWS, 7),
        "arm.state": (ROWS, 5),
    }
    for name, reading in readings.items():
        torch.testing.assert_close(seen.encodings[name], perception.encoder(name)(reading))
    torch.testing.assert_close(seen.fused, perception.fusion(seen.encodings))
    assert (seen.fused.shape, perception.features, perception.width) == ((ROWS, 12), 12, 12)
    assert seen.memory is None


def test_tokens_and_experts_are_as_their_fusions_have_them() -> None:
    tokens = Perception(SENSES, "attention", 12)(observation()).encodings
    assert tokens["wrench"].shape == (ROWS, 2, 5)  # 8 readings halved twice
    late = Perception(SENSES, "late", 12)
    # three experts of 12 numbers each, each with its presence
    assert (late.experts, late.width, late.features) == (3, 12, 39)


def test_a_memory_is_carried_on() -> None:
    perception = Perception(SENSES, "gru", 12)
    memory = Memory(torch.zeros(2, perception.state_size), torch.zeros(2, 2, dtype=torch.bool))
    seen = perception(observation(), memory=memory)
    assert seen.fused.shape == (ROWS, 12)
    assert seen.memory is not None
    assert seen.memory.shape == (2, perception.state_size)
    with pytest.raises(ValueError, match="give it a Memory"):
        perception(observation())


def test_only_its_own_senses_are_read() -> None:
    torch.manual_seed(0)
    perception, readings = Perception({"wrench": SENSES["wrench"]}, features=0), observation()
    alone = perception({"wrench": readings["wrench"]}).fused
    torch.testing.assert_close(perception(readings).fused, alone)
    torch.testing.assert_close(alone, perception.encoder("wrench")(readings["wrench"]))
    perception.update_statistics(readings)  # nor learned of


def test_readings_of_another_shape_are_refused_where_that_is_asked_for() -> None:
    perception = Perception(SENSES, features=12)
    perception.require(observation(), None)
    with pytest.raises(ValueError, match=r"'wrench'.*\(4, 8, 6\), got \(4, 6\)"):
        perception.require(observation() | {"wrench": torch.zeros(4, 6)}, None)


def test_weights_under_their_older_names_are_loaded() -> None:
    torch.manual_seed(0)
    ours, theirs = (torch.nn.ModuleDict({"seen": Perception(SENSES, features=12)}) for _ in range(2))
    older = {name.replace("seen.", "eyes.", 1): weight for name, weight in theirs.state_dict().items()}
    rename_older_weights(ours, [("eyes.", "seen.")])
    ours.load_state_dict(older)
    torch.testing.assert_close(ours["seen"](observation()).fused, theirs["seen"](observation()).fused)
    assert next(iter(older)).startswith("eyes.")  # what was given stays as it was
    with pytest.raises(RuntimeError, match=r"nose\.fusion"):
        ours.load_state_dict({name.replace("eyes.", "nose."): weight for name, weight in older.items()})
