"""Sets and words in every fusion: the order of elements and words, and what is missing, change nothing."""

import pytest
import torch
from torch import Tensor

from mmrl.fusion import FUSIONS
from mmrl.inputs import Memory
from mmrl.modality import MLP, DeepSets, Modality, WordBag
from mmrl.perception import Perception

WORDS = WordBag(("insert", "into", "the", "red", "blue", "star", "hole"), features=8)
SENSES = {
    "holes": Modality("holes", (4, 5), 20, DeepSets(hidden=(16,), features=12)),
    "instruction": Modality("instruction", (6,), 20, WORDS, dtype="uint8", high=7),
    "pose": Modality("pose", (3,), 20, MLP(features=8)),
}
ATTENDING = ("attention", "transformer")
ROWS = 5


def observation() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    holes = torch.randn(ROWS, 4, 5, generator=generator)
    holes[..., 4] = 1.0
    holes[:, 3, 4] = 0.0
    words = torch.randint(1, 8, (ROWS, 6), generator=generator).to(torch.uint8)
    words[:, 4:] = 0
    return {"holes": holes, "instruction": words, "pose": torch.randn(ROWS, 3, generator=generator)}


def fused(perception: Perception, seen: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> Tensor:
    memory = Memory(torch.zeros(ROWS, perception.state_size), torch.ones(1, ROWS, dtype=torch.bool))
    joint: Tensor = perception(seen, present, memory if perception.state_size else None).fused
    return joint


def seen_by(fusion: str) -> Perception:
    torch.manual_seed(0)
    options = {"projection": 4} if fusion == "tensor" else {}
    return Perception(SENSES, fusion, features=16, options=options)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_is_missing_changes_nothing(fusion: str) -> None:
    perception, seen = seen_by(fusion), observation()
    before = fused(perception, seen)
    holes = seen["holes"].clone()
    holes[:, 3, :4] = 1e6
    assert (fused(perception, {**seen, "holes": holes}) - before).abs().max() == 0.0
    holes = seen["holes"].clone()
    holes[:, 0, :4] += 1.0
    assert (fused(perception, {**seen, "holes": holes}) - before).abs().max() > 1e-4  # what is there does


@pytest.mark.parametrize("fusion", [name for name in FUSIONS if name != "early"])
def test_the_order_of_elements_and_words_changes_nothing(fusion: str) -> None:
    """But for rounding where a fusion sums over tokens. Early fusion reads the elements side by side."""
    perception, seen = seen_by(fusion), observation()
    turned = {
        **seen,
        "holes": seen["holes"][:, [2, 3, 0, 1]],
        "instruction": seen["instruction"][:, [5, 3, 1, 0, 4, 2]],
    }
    difference = (fused(perception, turned) - fused(perception, seen)).abs().max()
    assert difference <= (1e-5 if fusion in ATTENDING else 0.0)


@pytest.mark.parametrize("fusion", ATTENDING)
def test_elements_and_words_are_tokens_of_their_own(fusion: str) -> None:
    perception = seen_by(fusion)
    assert {name: perception.encoder(name).size for name in SENSES} == {
        "holes": (4, 16),
        "instruction": (6, 8),
        "pose": 8,
    }
    assert not [key for key in perception.state_dict() if "positions" in key and "pose" not in key]


@pytest.mark.parametrize("fusion", ATTENDING)
def test_an_absent_sense_and_one_without_elements_are_masked_alike(fusion: str) -> None:
    perception, seen = seen_by(fusion), observation()
    nothing = {name: torch.zeros_like(x) if name in ("holes", "instruction") else x for name, x in seen.items()}
    absent = {name: torch.zeros(ROWS, dtype=torch.bool) for name in ("holes", "instruction")}
    unplugged = fused(perception, seen, absent)
    torch.testing.assert_close(fused(perception, nothing), unplugged)
    torch.testing.assert_close(fused(perception, {"pose": seen["pose"]}, absent), unplugged)
    assert (fused(perception, seen) - unplugged).abs().max() > 1e-3


@pytest.mark.parametrize("fusion", ATTENDING)
def test_rows_are_absent_one_by_one(fusion: str) -> None:
    perception, seen = seen_by(fusion), observation()
    present = {"holes": torch.tensor([True, False, True, True, False])}
    joint, all_there = fused(perception, seen, present), fused(perception, seen)
    none_there = fused(perception, seen, {"holes": torch.zeros(ROWS, dtype=torch.bool)})
    torch.testing.assert_close(joint, torch.where(present["holes"].unsqueeze(1), all_there, none_there))
