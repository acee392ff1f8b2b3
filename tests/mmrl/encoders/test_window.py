import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmrl.encoders import CausalTemporalEncoder, build_encoder
from mmrl.encoders.layers import CausalConv
from mmrl.modality import Modality, TemporalConv


@given(
    length=st.integers(1, 20),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    layers=st.integers(1, 3),
    data=st.data(),
)
def test_temporal_positions_depend_on_no_later_reading(
    length: int, kernel: int, stride: int, layers: int, data: st.DataObject
) -> None:
    spec = TemporalConv(channels=(3,) * layers, kernel=kernel, stride=stride, features=2)
    encoder = build_encoder(Modality("wrench", (2,), 1000, spec, history=length))
    assert isinstance(encoder, CausalTemporalEncoder)
    x = torch.randn(1, length, 2)
    before = encoder.convolve(x)
    back = data.draw(st.integers(0, before.shape[1] - 1), label="positions before the last")
    changed = x.clone()
    newest = min(back * stride**layers, length)
    changed[:, length - newest :] += 1.0
    position = before.shape[1] - 1 - back
    torch.testing.assert_close(encoder.convolve(changed)[:, : position + 1], before[:, : position + 1])


@given(length=st.integers(1, 20), kernel=st.integers(1, 4), stride=st.integers(1, 3))
def test_last_temporal_position_reads_the_newest(length: int, kernel: int, stride: int) -> None:
    spec = TemporalConv(channels=(3, 4), kernel=kernel, stride=stride, features=2)
    encoder = build_encoder(Modality("wrench", (2,), 1000, spec, history=length))
    assert isinstance(encoder, CausalTemporalEncoder)
    x = torch.randn(1, length, 2, requires_grad=True)
    encoder.convolve(x)[:, -1].sum().backward()
    assert x.grad is not None
    assert (x.grad[:, -1] != 0).any()


def test_causal_convolution_is_a_convolution_padded_on_the_left() -> None:
    ours = CausalConv(inputs=2, outputs=3, kernel=3, stride=2)
    theirs = nn.Conv1d(2, 3, kernel_size=3, stride=2)
    with torch.no_grad():
        theirs.weight.copy_(ours.linear.weight.view(3, 2, 3))
        theirs.bias.copy_(torch.arange(3.0))  # type: ignore[union-attr]  # it has a bias
        ours.linear.bias.copy_(torch.arange(3.0))
    x = torch.randn(4, 8, 2)
    # 8 readings, stride 2: 4 outputs, covering 3 * 2 + 3 = 9 readings, so one zero comes before.
    padded = nn.functional.pad(x.transpose(1, 2), (1, 0))
    torch.testing.assert_close(ours(x), theirs(padded).transpose(1, 2))


def test_five_layers_reduce_32_readings_to_one_as_published() -> None:
    spec = TemporalConv(channels=(16, 32, 64, 128, 256), features=64)
    encoder = build_encoder(Modality("wrench", (6,), 1000, spec, history=32))
    assert isinstance(encoder, CausalTemporalEncoder)
    assert encoder.convolve(torch.zeros(1, 32, 6)).shape == (1, 1, 256)
