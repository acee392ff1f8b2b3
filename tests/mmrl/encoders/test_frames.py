from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmrl.encoders import DifferenceEncoder, build_encoder
from mmrl.modality import DifferenceMLP, Modality

FRAMES = Modality("frames", (5, 4, 2), 15, DifferenceMLP(features=6), dtype="uint8", low=0, high=1)


def difference_encoder(modality: Modality) -> DifferenceEncoder:
    encoder = build_encoder(modality)
    assert isinstance(encoder, DifferenceEncoder)
    return encoder


@given(highest=st.sampled_from([1, 3, 255]), rows=st.integers(0, 5), seed=st.integers(0, 2**32 - 1))
def test_frames_are_subtracted_and_multiplied(highest: int, rows: int, seed: int) -> None:
    encoder = difference_encoder(replace(FRAMES, high=highest))
    frames = np.random.default_rng(seed).integers(0, highest + 1, (rows, 5, 4, 2), dtype=np.uint8)
    change = (frames[..., 1].astype(np.float32) - frames[..., 0]).reshape(rows, 20) / highest
    expected = np.maximum(change @ encoder.weight.detach().numpy(), 0)
    encoding = encoder(torch.from_numpy(frames))
    assert encoding.shape == (rows, 6)
    np.testing.assert_allclose(encoding.detach(), expected, atol=1e-5)


def test_the_weights_of_frames_get_the_gradient_of_the_matrix_product() -> None:
    encoder = difference_encoder(FRAMES)
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (30, 5, 4, 2), dtype=np.uint8))
    frames[7] = 1  # nothing changes
    upstream = torch.randn(30, 6)
    change = (frames[..., 1].float() - frames[..., 0].float()).flatten(1)
    upstream_of_relu = upstream * (change @ encoder.weight.detach() > 0)
    encoder(frames).backward(upstream)
    torch.testing.assert_close(encoder.weight.grad, change.T @ upstream_of_relu)


def test_frames_of_floats_pass_the_gradient_on_to_every_pixel() -> None:
    encoder = difference_encoder(FRAMES).double()
    frames = torch.zeros(2, 5, 4, 2, dtype=torch.float64)  # an image that did not change has one too
    frames[0, 1, 2, 1] = 1.0
    before = encoder(frames)
    torch.testing.assert_close(encoder(frames.to(torch.uint8)), before)
    frames.requires_grad_()
    encoder(frames)[0].sum().backward()
    # Where the unit is on, the newest pixel counts with its weight and the previous one against it.
    expected = (encoder.weight * (before[0] > 0)).sum(dim=1).view(5, 4)
    assert frames.grad is not None
    torch.testing.assert_close(frames.grad[0, ..., 1], expected)
    torch.testing.assert_close(frames.grad[0, ..., 0], -expected)


def test_weights_of_frames_start_at_the_inverse_root_of_the_inputs() -> None:
    encoder = difference_encoder(replace(FRAMES, shape=(50, 40, 2), encoder=DifferenceMLP(100)))
    assert encoder.weight.shape == (2000, 100)
    # 200,000 draws: the deviation is right to 1 / sqrt(400,000) = 0.16 %, six times that never fails
    assert float(encoder.weight.detach().std()) == pytest.approx(2000**-0.5, rel=0.01)
