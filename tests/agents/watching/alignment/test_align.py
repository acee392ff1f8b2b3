"""`mmrl align`: the lag that a data set has is in its table, its picture and its document."""

import json
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.modality import MLP, DeepSets, Modality
from mmrl_agents.cli import main
from mmrl_agents.records.dataset.features import ACTION, DONE, REWARD, SUCCESS, features_of
from mmrl_agents.records.dataset.folder import DatasetWriter, RecordedEpisode
from mmrl_agents.watching.alignment.align import DOCUMENT, PICTURE, AlignConfig, align_senses

SENSES = {
    "wrench": Modality("wrench", (3,), 100, MLP(), history=5, unit="N"),
    "speed": Modality("speed", (2,), 20, MLP(), unit="m/s"),
    "holes": Modality("holes", (2, 3), 20, DeepSets()),
}
FRAMES = 100


def write(folder: Path, late_s: float, episodes: int = 4) -> Path:
    """Episodes in which the wrench is three mixtures of the two speeds, `late_s` seconds late."""
    ours = {"senses": {name: sense.describe() for name, sense in SENSES.items()}}
    writer = DatasetWriter(folder, features_of(SENSES, spaces.Box(-1, 1, (2,))), 20.0, "move", ours)
    writer.append([episode(number, late_s) for number in range(episodes)])
    return folder


def episode(number: int, late_s: float) -> RecordedEpisode:
    rng = np.random.default_rng(number)
    speeds, phases = rng.uniform(2, 7, (2, 5)), rng.uniform(0, 6, (2, 5))
    mixing = np.random.default_rng(99).normal(size=(2, 3))

    def moving(times: np.ndarray) -> np.ndarray:
        return np.sin(times[..., None, None] * speeds + phases).sum(axis=-1)

    frames = np.arange(FRAMES) / 20
    windows = frames[:, None] - np.arange(4, -1, -1) / 100
    return RecordedEpisode(
        {
            "observation.wrench": (moving(windows - late_s) @ mixing).astype(np.float32),
            "observation.speed": moving(frames).astype(np.float32),
            "observation.holes": np.zeros((FRAMES, 2, 3), np.float32),
            ACTION: np.zeros((FRAMES, 2), np.float32),
            REWARD: np.zeros((FRAMES, 1), np.float32),
            SUCCESS: np.zeros((FRAMES, 1), np.bool_),
            DONE: np.arange(FRAMES)[:, None] == FRAMES - 1,
        },
        number,
    )


def test_the_lag_of_a_data_set_is_found_printed_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "late", 0.06)
    assert main(["align", str(folder), "--episodes", "4", "--resamples", "2", "--between", "speed", "wrench"]) == 0
    printed = capsys.readouterr().out
    assert "wrench" in printed
    document = json.loads((folder / DOCUMENT).read_text())
    (pair,) = document["pairs"]
    assert (pair["sense"], pair["against"]) == ("wrench", "speed")
    assert pair["lag_s"] == pytest.approx(0.06, abs=0.005)
    assert abs(pair["drift"]) < 0.005
    assert 0 < pair["lag_error_s"] < 0.02
    assert (folder / PICTURE).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("method", ["information", "correlation"])
def test_a_reference_takes_off_what_senses_show_later_by_themselves(tmp_path: Path, method: str) -> None:
    late, right = write(tmp_path / "late", 0.06), write(tmp_path / "right", 0.02)
    config = AlignConfig(str(late), method=method, reference=str(right), episodes=3, resamples=0, output=tmp_path / "o")
    (lag,) = align_senses(config)
    assert (lag.sense, lag.against) == ("speed", "wrench")
    assert lag.lag_s == pytest.approx(-0.04, abs=0.005)
    assert lag.lag_error_s is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--between", "speed", "smell"], "has no smell to align; it has wrench, speed"),
        (["--between", "speed", "holes"], "has no holes to align"),
        (["--between", "speed"], "two senses at least are aligned, got speed"),
        (["--episodes", "5"], "has 4 episodes, not 5"),
        (["--method", "waltz"], "unknown method of alignment 'waltz'"),
        (["--options", "most_lag_s=9"], "too short for lags of 9 s"),
    ],
)
def test_what_cannot_be_aligned_is_refused_by_name(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "data", 0.0)
    assert main(["align", str(folder), *(words if "--episodes" in words else ["--episodes", "4", *words])]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resamples": -1}, "resamples and seed must not be negative, got -1 and 20000"),
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlignConfig("data", **change)  # type: ignore[arg-type]
