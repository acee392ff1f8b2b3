import pytest
import torch

from mmrl.fusion import Unfused


def test_the_only_encoding_is_handed_on() -> None:
    encoding = torch.randn(4, 3)
    unfused = Unfused({"image": 3})
    assert unfused({"image": encoding}) is encoding
    assert unfused.features == 3
    assert not list(unfused.parameters())


def test_an_absent_sense_is_zeros_without_gradient() -> None:
    encoding = torch.full((3, 2), 5.0, requires_grad=True)
    unfused = Unfused({"image": 2})
    there = torch.tensor([True, False, True])
    fused = unfused({"image": encoding}, {"image": there})
    assert fused.tolist() == [[5.0, 5.0], [0.0, 0.0], [5.0, 5.0]]
    fused.sum().backward()
    assert encoding.grad is not None
    assert encoding.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    assert torch.equal(unfused({}, {"image": torch.zeros(3, dtype=torch.bool)}), torch.zeros(3, 2))


def test_more_or_fewer_senses_need_a_fusion() -> None:
    with pytest.raises(ValueError, match="only one sense can go unfused, got image, touch"):
        Unfused({"image": 3, "touch": 2})
    with pytest.raises(ValueError, match="got none"):
        Unfused({})
