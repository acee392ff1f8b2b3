import pytest
import torch

from mmrl.fusion import find_fusion, make_fusion
from mmrl.modality import MLP, ImageConv, Modality, TemporalConv

SENSES = {
    "camera": Modality("camera", (8, 8, 3), 20, ImageConv((4,), (3,), (2,)), dtype="uint8"),
    "wrench": Modality("wrench", (6,), 1000, TemporalConv(squash=(1.0,)), history=32),
    "arm": Modality("arm", (4,), 500, MLP(squash=(1.0, 10.0)), history=16),
}


def test_encoders_put_every_sense_on_one_clock() -> None:
    fusion, options = find_fusion("early", {"ticks": 4, "pixels": 2})
    encoders = fusion.make_encoders(SENSES, options)
    assert {name: encoder.size for name, encoder in encoders.items()} == {
        "camera": (4, 2 * 2 * 3),
        "wrench": (4, 6),
        "arm": (4, 2 * 4),
    }
    assert not any(list(encoder.parameters()) for encoder in encoders.values())


def test_what_lies_in_the_past_matters() -> None:
    torch.manual_seed(0)
    fusion = make_fusion("early", {"wrench": (8, 2)}, 4)
    signal = torch.randn(1, 8, 2)
    for tick in range(8):
        changed = signal.clone()
        changed[0, tick] += 1
        assert not torch.allclose(fusion({"wrench": changed}), fusion({"wrench": signal}))


def test_different_clocks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one clock, got instants {'camera': 3, 'wrench': 4}"):
        make_fusion("early", {"camera": (3, 2), "wrench": (4, 2)}, 4)
