"""Modality: what a declaration derives and what it refuses."""

import json
import math
import re
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from mmrl.modality import (
    MLP,
    Custom,
    DifferenceMLP,
    EncoderSpec,
    ImageConv,
    Modality,
    TemporalConv,
)
from mmrl.modality.noise import Gaussian

WRENCH = Modality("wrench", (6,), 1000, TemporalConv(), history=32)
CAMERA = Modality("camera", (64, 48, 3), 20, ImageConv(), dtype="uint8")


def test_space_of_a_window_repeats_the_bounds_of_a_reading() -> None:
    low, high = (-10.0, -1.0), (10.0, 1.0)
    modality = Modality("touch", (2,), 100, TemporalConv(), history=3, low=low, high=high)
    space = modality.space
    assert space.shape == modality.window_shape == (3, 2)
    assert space.dtype == np.float32
    np.testing.assert_array_equal(space.low, [low, low, low])
    np.testing.assert_array_equal(space.high, [high, high, high])


def test_space_of_an_image() -> None:
    assert CAMERA.space == spaces.Box(0, 255, (64, 48, 3), np.uint8)
    assert replace(CAMERA, low=16, high=235).space == spaces.Box(16, 235, (64, 48, 3), np.uint8)


def test_space_without_history_or_bounds() -> None:
    modality = Modality("joints", (7,), 100, MLP())
    assert modality.space == spaces.Box(-np.inf, np.inf, (7,), np.float32)
    assert replace(modality, history=1).space.shape == (1, 7)
    assert batch_space(modality.space, 5).shape == (5, 7)


def test_spaces_are_not_shared() -> None:
    # A Box carries the state of its sampler, so one per caller.
    assert WRENCH.space is not WRENCH.space


def test_declarations_are_values() -> None:
    assert len({WRENCH, replace(WRENCH), replace(WRENCH, history=16)}) == 2
    with pytest.raises(FrozenInstanceError):
        WRENCH.history = 3  # type: ignore[misc]  # the point of the test


def test_description_is_json() -> None:
    expected = {
        "name": "camera",
        "shape": [64, 48, 3],
        "history": None,
        "dtype": "uint8",
        "rate_hz": 20,
        "latency_s": 0.0,
        "encoder": "ImageConv(channels=(16, 32, 32), kernels=(8, 4, 3), strides=(4, 2, 1), features=128, "
        "zero=None, unit=None)",
        "unit": "",
        "labels": [],
    }
    assert json.loads(json.dumps(CAMERA.describe())) == expected


def test_a_unit_holds_for_every_feature_or_each_has_its_own() -> None:
    assert replace(WRENCH, unit="N").units == ("N",) * 6
    mixed = ("N",) * 3 + ("N m",) * 3
    assert replace(WRENCH, unit=mixed).units == mixed
    assert WRENCH.units == ("",) * 6
    assert replace(CAMERA, labels=("red", "green", "blue")).describe()["labels"] == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "modality name must be an identifier, got ''"),
        ({"name": "left wrist"}, "must be an identifier, got 'left wrist'"),
        ({"name": "a..b"}, "must be an identifier, got 'a..b'"),
        ({"shape": ()}, "'wrench': shape must be integers >= 1, got ()"),
        ({"shape": (0,)}, "'wrench': shape must be integers >= 1, got (0,)"),
        ({"shape": (6.5,)}, "'wrench': shape must be int, got 6.5"),
        ({"rate_hz": 0}, "'wrench': rate_hz must be finite and > 0, got 0"),
        ({"rate_hz": math.nan}, "'wrench': rate_hz must be finite and > 0, got nan"),
        ({"history": 0}, "'wrench': history must be integers >= 1, got (0,)"),
        ({"dtype": "float64"}, "dtype must be one of ('float32', 'uint8'), got 'float64'"),
        ({"latency_s": -0.1}, "'wrench': latency_s must be finite and >= 0, got -0.1"),
        ({"low": 1.0, "high": 1.0}, "'wrench': low must be < high, got (1.0, 1.0)"),
        ({"low": math.nan}, "'wrench': low must be < high, got (nan, inf)"),
        ({"low": (0.0, 0.0)}, "'wrench': low and high must broadcast to shape (6,), got (0.0, 0"),
        ({"dtype": "uint8", "high": 256}, "of uint8 must be integers in 0..255, got (-inf, 256)"),
        ({"dtype": "uint8", "low": 0.5}, "of uint8 must be integers in 0..255, got (0.5, inf)"),
        ({"unit": ("N", "N m")}, "'wrench': unit must name all 6 features of the last axis, got ('N', 'N m')"),
        ({"unit": 5}, "'wrench': unit must be str | tuple[str, ...], got 5"),
        ({"labels": ("x", "y")}, "'wrench': labels must name all 6 features of the last axis, got ('x', 'y')"),
        ({"labels": "abcdef"}, "'wrench': labels must be tuple[str, ...], got 'abcdef'"),
        ({"labels": ("a", "b", "c", "d", "e", "\x1b[2J")}, "'wrench': labels must be made of printable words"),
        ({"labels": ("x",) * 6}, "'wrench': labels must differ, got ('x', 'x'"),
        ({"noise": Gaussian((1.0, 2.0))}, "Gaussian.std gives 2 values, readings of shape (6,)"),
        ({"history": None}, "'wrench': TemporalConv reads windows (T, d) and needs history >= 1"),
        ({"shape": (6, 2)}, "'wrench': TemporalConv reads windows (T, d) and needs history >= 1"),
        ({"encoder": ImageConv()}, "'wrench': ImageConv reads one image (H, W, C) without history"),
        ({"encoder": DifferenceMLP()}, "DifferenceMLP reads the previous and the newest frame (H, W, 2)"),
        (
            {"encoder": DifferenceMLP(), "shape": (8, 8, 2), "history": None, "low": (0.0, -math.inf)},
            "DifferenceMLP counts changes in units of high - low and needs both declared, got low (0.0, -inf)",
        ),
        ({"encoder": MLP(), "shape": (2, 3)}, "'wrench': MLP reads vectors (d,) or windows (T, d)"),
        (
            {"encoder": TemporalConv(squash=(1.0, (1.0, 2.0)))},
            "'wrench': TemporalConv.squash gives 2 values for 6 features",
        ),
    ],
)
def test_bad_declarations_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(WRENCH, **changes)


def test_wrong_kinds_of_objects_are_refused() -> None:
    with pytest.raises(TypeError, match=r"'wrench': noise must be a Noise, got 0\.1"):
        replace(WRENCH, noise=0.1)
    with pytest.raises(TypeError, match="'wrench': encoder must be an EncoderSpec, got 'mlp'"):
        replace(WRENCH, encoder="mlp")


@pytest.mark.parametrize(
    ("spec", "changes", "message"),
    [
        (ImageConv(), {"channels": (0, 1, 1)}, "ImageConv.channels must be integers >= 1"),
        (ImageConv(), {"strides": (4, 2)}, "one length, got (16, 32, 32), (8, 4, 3) and (4, 2)"),
        (ImageConv(), {"features": 0}, "ImageConv.features must be integers >= 1, got (0,)"),
        (ImageConv(), {"channels": (1, 65_537, 1)}, "ImageConv.channels must be at most 65536, got (1, 65537, 1)"),
        (MLP(), {"hidden": (2**40,)}, "MLP.hidden must be at most 65536"),
        (DifferenceMLP(), {"features": 0}, "DifferenceMLP.features must be integers >= 1, got (0,)"),
        (TemporalConv(), {"kernel": 0}, "TemporalConv.kernel must be integers >= 1, got (0,)"),
        (TemporalConv(), {"channels": ()}, "TemporalConv.channels must be integers >= 1, got ()"),
        (TemporalConv(), {"squash": (-1.0,)}, "TemporalConv.squash must be finite scales > 0"),
        (MLP(), {"window": "mean"}, "MLP.window must be one of 'flatten', 'last', got 'mean'"),
        (MLP(), {"squash": ((1.0, math.inf),)}, "MLP.squash must be finite scales > 0"),
        (Custom("a.b:c"), {"target": "a.b.c"}, "must read 'package.module:factory', got 'a.b.c'"),
    ],
)
def test_bad_encoder_specs_are_refused(spec: EncoderSpec, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(spec, **changes)


def test_mlp_reads_vectors_and_windows_and_custom_reads_anything() -> None:
    assert replace(WRENCH, encoder=MLP(hidden=(), window="last")).window_shape == (32, 6)
    assert replace(WRENCH, encoder=MLP(squash=((1.0,) * 6, 5.0)), history=None).space.shape == (6,)
    assert replace(WRENCH, shape=(2, 3), encoder=Custom("my.nets:make")).space.shape == (32, 2, 3)


def test_numbers_of_numpy_are_numbers_and_can_be_recorded() -> None:
    of_numpy: Any = {
        "shape": (np.int64(6),),
        "rate_hz": np.int32(1000),
        "history": np.int16(32),
        "latency_s": np.float32(0),
    }
    modality = replace(WRENCH, **of_numpy)
    assert modality == WRENCH
    assert json.dumps(modality.describe()) == json.dumps(WRENCH.describe())
