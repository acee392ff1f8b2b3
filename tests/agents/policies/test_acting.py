"""The observations that an acting policy takes, and those that it refuses."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike

from mmrl.modality import MLP, ImageConv, Modality, TemporalConv
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.policies.acting import TorchPolicy

SENSES = {
    "camera": Modality("camera", (7, 7, 3), 20, ImageConv((4,), (3,), (2,), features=8), dtype="uint8"),
    "force_torque": Modality("force_torque", (6,), 1000, TemporalConv((4,), features=4), history=8),
    "pose": Modality("pose", (3,), 20, MLP((8,), 4)),
}
SPACE = spaces.Box(-1, 1, (2,))


@pytest.fixture
def network() -> ActorCritic:
    torch.manual_seed(0)
    return ActorCritic(SENSES, SPACE).eval()


@pytest.fixture
def policy(network: ActorCritic) -> TorchPolicy:
    return TorchPolicy(network, SPACE)


def observation(**changes: ArrayLike) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "camera": rng.integers(0, 256, (2, 7, 7, 3), np.uint8),
        "force_torque": rng.normal(size=(2, 8, 6)).astype(np.float32),
        "pose": rng.normal(size=(2, 3)).astype(np.float32),
    } | changes


def test_lists_and_other_numbers_are_what_the_arrays_are(policy: TorchPolicy) -> None:
    arrays = observation()
    expected = policy.act(arrays).tolist()
    assert policy.act({name: array.tolist() for name, array in arrays.items()}).tolist() == expected
    wide = {name: array.astype(np.int64 if name == "camera" else np.float64) for name, array in arrays.items()}
    assert policy.act(wide).tolist() == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"camera": np.random.default_rng(0).random((2, 7, 7, 3))},
            r"'camera' is declared as bytes 0..255, got float64",
        ),
        ({"camera": np.full((2, 7, 7, 3), 300)}, r"'camera' is declared as bytes 0..255, got integers in \[300, 300\]"),
        (
            {"camera": np.zeros((7, 7, 3), np.uint8)},
            r"'camera' needs shape \(N, 7, 7, 3\), worlds first, got \(7, 7, 3\)",
        ),
        (
            {"camera": np.zeros((2, 3, 7, 7), np.uint8)},
            r"'camera' needs shape \(N, 7, 7, 3\), worlds first, got \(2, 3",
        ),
        ({"pose": [[0.0, 0.0, 0.0], [0.0, np.nan, 0.0]]}, r"'pose' is not finite in row 1: .* mark it absent"),
        ({"pose": np.full((2, 3), 1e300)}, r"'pose' is not finite in row 0"),
        ({"pose": [[0.0, 0.0], [0.0]]}, r"'pose' is no array of numbers"),
        ({"pose": [["a", "b", "c"]] * 2}, r"'pose' must hold numbers, got <U1"),
        ({"pose": 1.0}, r"'pose' needs shape \(N, 3\), worlds first, got \(\)"),
        ({"pose": np.zeros((3, 3))}, r"'pose' needs shape \(2, 3\), got \(3, 3\)"),
        ({"whiskers": np.zeros((2, 3))}, r"unknown sense 'whiskers'; known: camera, force_torque, pose"),
    ],
)
def test_what_is_not_as_declared_is_refused_with_the_name_of_the_sense(
    policy: TorchPolicy, changes: Mapping[str, ArrayLike], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        policy.act(observation(**changes))


def test_a_nan_anywhere_in_a_window_is_refused_unless_the_sense_is_absent_there(policy: TorchPolicy) -> None:
    window = observation()["force_torque"]
    window[1, 3, 2] = np.nan
    seen = observation(force_torque=window)
    with pytest.raises(ValueError, match="'force_torque' is not finite in row 1"):
        policy.act(seen)
    present = {"force_torque": np.array([True, False])}
    assert np.isfinite(policy.act(seen, present)).all()


@pytest.mark.parametrize(("threads", "expected"), [(1, 1), (None, 2)])
def test_acting_takes_one_thread_and_leaves_the_others_to_training(
    network: ActorCritic, threads: int | None, expected: int
) -> None:
    used, before = list[int](), torch.get_num_threads()
    network.actor.register_forward_hook(lambda *_: used.append(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        TorchPolicy(network, SPACE, **({} if threads == 1 else {"threads": threads})).act(observation())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert used == [expected]
