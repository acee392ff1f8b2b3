"""Foreign spaces: what is declared of them, what is not guessed, and how observations are named."""

import re
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.modality import MLP, ImageConv, Modality, TemporalConv
from mmrl.modality.foreign import (
    DeclaredSenses,
    flatten_observation,
    foreign_senses,
    modalities_of,
    overrides_from,
    with_encoders,
)
from tests.toys.readings import Everything

WRENCH = Modality("wrench", (6,), 1000, TemporalConv(), history=32)


def test_box_of_floats_becomes_one_vector() -> None:
    box = spaces.Box(np.array([-1.0, -np.inf]), np.array([1.0, 4.8]), dtype=np.float64)
    (modality,) = modalities_of(box, rate_hz=50).values()
    assert (modality.name, modality.shape, modality.history) == ("observation", (2,), None)
    assert (modality.rate_hz, modality.encoder) == (50, MLP())
    assert modality.space == spaces.Box(np.array([-1, -np.inf], np.float32), np.array([1, 4.8], np.float32))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_uint8_images_are_images(channels: int) -> None:
    space = spaces.Box(0, 255, (84, 84, channels), np.uint8)
    (modality,) = modalities_of(space).values()
    assert modality.encoder == ImageConv()
    assert modality.space == space


def test_units_and_labels_are_settings_of_a_key() -> None:
    space = spaces.Dict({"force": spaces.Box(-1, 1, (8, 2)), "gap": spaces.Box(0, 1, (1,))})
    settings = {
        "force": {"kind": "window", "units": ["N", "N m"], "labels": ["push", "twist"], "features": 16},
        "gap": {"units": "m", "labels": "gap"},
    }
    force, gap = modalities_of(space, overrides=settings).values()
    assert (force.unit, force.labels, force.encoder) == (("N", "N m"), ("push", "twist"), TemporalConv(features=16))
    assert (gap.unit, gap.labels) == ("m", ("gap",))


def test_nested_dicts_are_joined_by_dots_as_their_observations_are() -> None:
    space = spaces.Dict(
        {
            "pixels": spaces.Dict({"top": spaces.Box(0, 255, (32, 32, 3), np.uint8)}),
            "agent_pos": spaces.Box(-1, 1, (4,)),
        }
    )
    modalities = modalities_of(space)
    assert set(modalities) == {"pixels.top", "agent_pos"}
    observation = flatten_observation(space.sample())
    assert set(observation) == set(modalities)
    for name, modality in modalities.items():
        assert modality.space.contains(observation[name])
    assert set(flatten_observation(np.zeros(3))) == {"observation"}


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (spaces.Box(-1, 1, (32, 6)), "observation 'x' of shape (32, 6) and dtype float32"),
        (spaces.Box(0, 255, (4, 84, 84), np.uint8), "'x' of shape (4, 84, 84) and dtype uint8"),
        (spaces.Box(0, 255, (84, 84), np.uint8), "'x' of shape (84, 84) and dtype uint8"),
        (spaces.Box(0, 1, (8, 8, 3)), "'x' of shape (8, 8, 3) and dtype float32"),
        (spaces.Box(0, 255, (128,), np.uint8), "'x' of shape (128,) and dtype uint8"),
        (spaces.Box(0, 9, (2,), np.int64), "'x' of shape (2,) and dtype int64"),
        (spaces.Discrete(2000), "'x' of Discrete(2000) may mean several things"),
        (spaces.MultiDiscrete([2, 3]), "'x' of MultiDiscrete([2 3]) may mean several things"),
        (spaces.Text(5), "'x' is Text(1, 5, "),
        (spaces.Tuple((spaces.Discrete(2), spaces.Discrete(2))), "'x' is Tuple(Discrete(2), Discrete(2)), which no"),
    ],
)
def test_doubtful_spaces_are_not_guessed(leaf: spaces.Space[Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        modalities_of(spaces.Dict({"x": leaf}))
    assert "overrid" in str(error.value)


def test_override_declares_a_window() -> None:
    space = spaces.Dict({"force": spaces.Box(-1, 1, (32, 6)), "joints": spaces.Box(-1, 1, (7,))})
    force = Modality("force", (6,), 500, TemporalConv(), history=32)
    modalities = modalities_of(space, overrides={"force": force})
    assert modalities["force"] is force
    assert modalities["joints"].encoder == MLP()


@pytest.mark.parametrize(
    ("key", "override", "message"),
    [
        ("torque", WRENCH, "override for unknown key 'torque'; known keys: force"),
        ("force", WRENCH, "override for key 'force' must have that name, got 'wrench'"),
        (
            "force",
            Modality("force", (6,), 500, TemporalConv(), history=16),
            "observes shape (16, 6), the environment gives (32, 6)",
        ),
        (
            "force",
            Modality("force", (6,), 500, TemporalConv(), history=32, dtype="uint8"),
            "override for 'force' is uint8, the environment gives float32",
        ),
    ],
)
def test_override_must_fit(key: str, override: Modality, message: str) -> None:
    space = spaces.Dict({"force": spaces.Box(-1, 1, (32, 6))})
    with pytest.raises(ValueError, match=re.escape(message)):
        modalities_of(space, overrides={key: override})


def test_colliding_keys_are_refused() -> None:
    leaf = spaces.Box(-1, 1, (2,))
    with pytest.raises(ValueError, match=r"observation key 'a\.b' occurs twice"):
        modalities_of(spaces.Dict({"a.b": leaf, "a": spaces.Dict({"b": leaf})}))


READ = {"force.kind": "window", "force.channels": [8], "force.rate_hz": 100, "text": {"kind": "ignore"}}


def test_declared_senses_are_what_the_policy_gets() -> None:
    env = DeclaredSenses(Everything(), overrides_from(READ))
    assert set(env.modalities) == {"robot.joint_angles", "robot._0", "force"}
    assert env.modalities["force"] == Modality(
        "force", (3,), 100, TemporalConv(channels=(8,)), history=4, low=(-np.inf,) * 3, high=(np.inf,) * 3
    )
    observation, _ = env.reset()
    assert env.observation_space.contains(observation)
    assert observation["robot._0"].tolist() == [0, 0, 1]
    assert observation["force"][:, 0].tolist() == [0, 3, 6, 9]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"force": "window"}, "the reading of a key is set by NAME.OPTION=VALUE, got force=window"),
        (
            {"force.kind": "picture"},
            "observation 'force': no kind 'picture'; there are image, image_chw, image_stack, vector, one_hot, window",
        ),
        ({"force.kind": "image_chw"}, "observation 'force': kind 'image_chw' reads a Box (C, H, W)"),
        (
            {"force.kind": "window", "force.encoder": "LSTM"},
            "no encoder 'LSTM'; there are Custom, DeepSets, DifferenceMLP, FrameCodes, GlimpseConv, I",
        ),
        (
            {"force.kind": "window", "force.hidden": [8]},
            "has no setting 'hidden'; with TemporalConv there are kind, enc",
        ),
        ({"force.kind": "window", "force.features": "x"}, "force.features must be int, got 'x'"),
        ({"force.kind": "vector"}, "observation 'text' is Text(1, 5, "),
        ({"torque.kind": "window"}, "unknown key 'torque'; known keys: force, robot._0, robot.joint_angles, text"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        foreign_senses(Everything.observation_space, overrides=overrides_from(settings))


def test_something_must_be_left_to_observe() -> None:
    with pytest.raises(ValueError, match="nothing is left to observe: all of observation is ignored"):
        modalities_of(spaces.Box(-1, 1, (2,)), overrides={"observation": {"kind": "ignore"}})


def test_senses_that_declare_themselves_take_other_encoders_and_fields_of_theirs() -> None:
    declared = {"wrench": WRENCH, "eye": Modality("eye", (36, 36, 3), 20, ImageConv(zero=87), dtype="uint8")}
    settings = overrides_from({"wrench.encoder": "MLP", "wrench.hidden": [8], "eye.features": 16})
    changed = with_encoders(declared, settings)
    assert changed["wrench"].encoder == MLP(hidden=(8,))
    assert changed["eye"].encoder == ImageConv(features=16, zero=87)
    assert (changed["wrench"].shape, changed["wrench"].history, changed["eye"].dtype) == ((6,), 32, "uint8")
    assert with_encoders(declared, {}) == declared


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nose.features": 3}, "no sense 'nose'; there are wrench"),
        ({"wrench.kind": "vector"}, "wrench.kind cannot be set: the environment declares this sense itself"),
        ({"wrench.rate_hz": 3}, "wrench.rate_hz cannot be set"),
        ({"wrench.encoder": "Nose"}, "no encoder 'Nose'; there are"),
        ({"wrench.depth": 3}, "no setting 'depth'; with TemporalConv there are"),
        ({"wrench.features": 2.5}, "wrench.features must be int, got 2.5"),
        ({"wrench.encoder": "ImageConv"}, "'wrench': ImageConv reads one image"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        with_encoders({"wrench": WRENCH}, overrides_from(settings))
