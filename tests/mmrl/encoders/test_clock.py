import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmrl.encoders import build_signal
from mmrl.encoders.clock import Clock, shared_clock
from mmrl.modality import MLP, Custom, DifferenceMLP, ImageConv, Modality, TemporalConv


def window(readings: int | None, rate_hz: float, latency_s: float = 0.0) -> Modality:
    encoder = TemporalConv() if readings else MLP()
    return Modality("w", (2,), rate_hz, encoder, history=readings, latency_s=latency_s)


def camera(side: int = 4, high: float = 255, dtype: str = "uint8") -> Modality:
    return Modality("camera", (side, side, 2), 20, ImageConv((2,), (2,), (1,)), low=0, high=high, dtype=dtype)


def test_the_clock_spans_the_longest_window() -> None:
    # 32 readings at 1000 Hz last 32 ms, 10 at 200 Hz last 50 ms
    assert shared_clock([window(32, 1000), window(10, 200), camera()], 5) == Clock(5, 0.01)


def test_no_more_ticks_than_a_window_has_readings() -> None:
    assert shared_clock([window(4, 100), window(3, 100)], 8) == Clock(4, 0.01)
    assert shared_clock([camera(), window(None, 20)], 8).ticks == 1


@given(st.integers(1, 40), st.floats(1, 2000))
def test_a_clock_at_the_rate_of_a_window_leaves_it_as_it_is(readings: int, rate_hz: float) -> None:
    sense = window(readings, rate_hz)
    np.testing.assert_array_equal(shared_clock([sense], readings).resampling(sense), np.eye(readings))


def test_readings_between_two_ticks_are_averaged() -> None:
    # six readings at 100 Hz, three ticks 20 ms apart: two readings each
    weights = Clock(3, 0.02).resampling(window(6, 100))
    np.testing.assert_allclose(weights, np.kron(np.eye(3), [[0.5, 0.5]]))


def test_a_slow_sense_is_held_and_a_short_one_begins_with_its_oldest() -> None:
    # readings at -50 and 0 ms, ticks at -100, -80, ..., 0 ms
    held = Clock(6, 0.02).resampling(window(2, 20))
    assert held.argmax(axis=1).tolist() == [0, 0, 0, 0, 0, 1]
    assert (held.max(axis=1) == 1).all()


def test_a_late_reading_stands_where_it_was_taken() -> None:
    # readings at -60, -40 and -20 ms, ticks at -40, -20 and 0 ms
    late = Clock(3, 0.02).resampling(window(3, 50, latency_s=0.02))
    assert late.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1]]


@given(st.integers(1, 9), st.integers(1, 30), st.floats(1, 500), st.floats(0, 0.5))
def test_a_constant_stays_constant(ticks: int, readings: int, rate_hz: float, latency_s: float) -> None:
    sense = window(readings, rate_hz, latency_s)
    weights = Clock(ticks, 0.01).resampling(sense)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights >= 0).all()


def test_a_signal_is_scaled_as_its_encoder_would() -> None:
    sense = Modality("w", (1,), 100, MLP(squash=(2.0, 20.0)), history=4)
    signal = build_signal(sense, Clock(2, 0.02), 8)
    x = torch.tensor([[[0.1], [0.3], [-0.2], [0.4]]])
    scaled = torch.cat([torch.tanh(2 * x), torch.tanh(20 * x)], dim=2)
    expected = torch.stack([scaled[:, :2].mean(dim=1), scaled[:, 2:].mean(dim=1)], dim=1)
    torch.testing.assert_close(signal(x), expected)
    assert signal.size == (2, 2)


def test_a_signal_without_scales_is_standardised() -> None:
    signal = build_signal(window(2, 100), Clock(1, 0.02), 8)
    x = 5 + 3 * torch.randn(4000, 2, 2, generator=torch.Generator().manual_seed(0))
    signal.update_statistics(x)
    seen = signal(x)
    # each of the 4000 is a mean of two readings
    assert seen.mean().item() == pytest.approx(0, abs=0.05)
    assert seen.std().item() == pytest.approx(0.5**0.5, rel=0.05)


def test_an_image_is_averaged_over_areas_and_held() -> None:
    signal = build_signal(camera(), Clock(3, 0.01), 2)
    image = torch.randint(0, 256, (5, 4, 4, 2), dtype=torch.uint8)
    areas = image.float().view(5, 2, 2, 2, 2, 2).mean(dim=(2, 4)) / 255 - 0.5  # (B, H, 2, W, 2, C) -> (B, H, W, C)
    torch.testing.assert_close(signal(image), areas.flatten(1).unsqueeze(1).expand(-1, 3, -1))
    assert signal.size == (3, 8)


def test_pixels_are_read_as_their_encoder_would() -> None:
    spec = ImageConv((2,), (2,), (1,), zero=100.0, unit=50.0)
    image = torch.tensor([100, 150, 0, 255], dtype=torch.uint8).view(1, 2, 2, 1)
    signal = build_signal(Modality("camera", (2, 2, 1), 20, spec, dtype="uint8"), Clock(1, 1.0), 2)
    torch.testing.assert_close(signal(image), torch.tensor([[[0.0, 1.0, -2.0, 3.1]]]))
    frames = Modality("frames", (2, 1, 2), 15, DifferenceMLP(), low=0, high=1, dtype="uint8")
    seen = build_signal(frames, Clock(1, 1.0), 2)(torch.tensor([0, 1, 1, 0], dtype=torch.uint8).view(1, 2, 1, 2))
    assert seen.tolist() == [[[-0.5, 0.5, 0.5, -0.5]]]


def test_a_small_image_keeps_its_pixels() -> None:
    assert build_signal(camera(side=4), Clock(1, 1.0), 16).size == (1, 32)


def test_an_image_without_bounds_is_standardised() -> None:
    signal = build_signal(camera(high=np.inf, dtype="float32"), Clock(1, 1.0), 4)
    image = 2 + 0.1 * torch.randn(500, 4, 4, 2)
    signal.update_statistics(image)
    assert signal(image).std().item() == pytest.approx(1, rel=0.05)


def test_readings_of_any_shape_are_flattened() -> None:
    skin = Modality("skin", (3, 4), 50, Custom("some.module:net"), history=2)
    x = torch.randn(6, 2, 3, 4)
    torch.testing.assert_close(build_signal(skin, Clock(2, 0.02), 8)(x), x.flatten(2))
