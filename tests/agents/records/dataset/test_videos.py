"""Pictures of a data set as videos: written beside the frames, found again by their time."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.modality import MLP, ImageConv, Modality
from mmrl_agents.cli import main
from mmrl_agents.records.dataset.features import ACTION, DONE, REWARD, SUCCESS, features_of
from mmrl_agents.records.dataset.folder import DATA, EPISODES, INFO, VIDEOS, Dataset, DatasetWriter, RecordedEpisode
from mmrl_agents.records.dataset.videos import read_video

LOOK = ImageConv((4,), (3,), (2,), features=8)
SENSES = {
    "camera": Modality("camera", (32, 48, 3), 20, LOOK, dtype="uint8"),
    "grey": Modality("grey", (32, 48, 1), 20, LOOK, dtype="uint8"),
    "wrench": Modality("wrench", (6,), 1000, MLP(), history=4),
}
CAMERA = "observation.camera"
FEATURES = features_of(SENSES, spaces.Box(-1, 1, (2,)), "video")


def pictures(length: int, seed: int) -> NDArray[np.uint8]:
    """A bright square that moves over a slope of colour, in another row for each seed."""
    rows, columns = np.mgrid[:32, :48]
    slope = np.stack([4 * rows, 3 * columns, np.full_like(rows, 60)], axis=-1).astype(np.uint8)
    frames = np.repeat(slope[None], length, axis=0)
    for step in range(length):
        frames[step, 4 * seed : 4 * seed + 6, 4 * step : 4 * step + 6] = (230, 200, 40)
    return frames


def episode(length: int, seed: int) -> RecordedEpisode:
    frames: dict[str, Any] = {
        CAMERA: pictures(length, seed),
        "observation.grey": pictures(length, seed)[..., :1],
        "observation.wrench": np.ones((length, 4, 6), np.float32),
        ACTION: np.zeros((length, 2), np.float32),
        REWARD: np.zeros((length, 1), np.float32),
        SUCCESS: np.zeros((length, 1), np.bool_),
        DONE: np.arange(length)[:, None] == length - 1,
    }
    return RecordedEpisode(frames, seed)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    writer = DatasetWriter(tmp_path / "data", FEATURES, 20.0, "look", {"env": "toy"})
    writer.append([episode(5, 1), episode(7, 2), episode(3, 3)])
    writer.append([episode(4, 4)])
    return tmp_path / "data"


def test_the_pictures_of_every_episode_are_found(written: Path) -> None:
    """Nearer to their own picture than to the one before or after by far, and close to it."""
    data = Dataset(written)
    for number, (length, seed) in enumerate([(5, 1), (7, 2), (3, 3), (4, 4)]):
        read, meant = data.episode(number).frames[CAMERA], pictures(length, seed).astype(float)
        assert read.shape == meant.shape
        assert read.dtype == np.uint8
        error = np.square(read - meant).mean()
        assert 10 * np.log10(255**2 / error) > 30.0  # dB
        assert np.square(read[1:] - meant[:-1]).mean() > 4 * error
    np.testing.assert_array_equal(data.episode(1).frames["observation.grey"], pictures(7, 2)[..., :1])


def test_the_layout_is_that_of_lerobot(written: Path) -> None:
    info = json.loads((written / INFO).read_text())
    assert info["video_path"] == "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    camera = info["features"][CAMERA]
    assert (camera["dtype"], camera["shape"], camera["info"]["video.fps"]) == ("video", [32, 48, 3], 20.0)
    assert info["features"]["observation.grey"]["dtype"] == "image"
    frames = pyarrow.parquet.read_table(written / DATA.format(chunk_index=0, file_index=0))
    assert CAMERA not in frames.column_names
    rows = pyarrow.parquet.read_table(written / EPISODES.format(chunk_index=0, file_index=0)).to_pylist()
    spans = [(row[f"videos/{CAMERA}/from_timestamp"], row[f"videos/{CAMERA}/to_timestamp"]) for row in rows]
    np.testing.assert_allclose(spans, [(0, 0.25), (0.25, 0.6), (0.6, 0.75), (0, 0.2)])
    assert [row[f"videos/{CAMERA}/file_index"] for row in rows] == [0, 0, 0, 1]
    with av.open(str(written / VIDEOS.format(video_key=CAMERA, chunk_index=0, file_index=0))) as video:
        times = [frame.time for frame in video.decode(video=0)]
    np.testing.assert_allclose(times, np.arange(15) / 20.0, atol=1e-6)


@pytest.mark.parametrize("damage", ["missing", "text", "short", "elsewhere", "size", "time"])
def test_a_video_that_is_not_as_it_was_written_is_refused(written: Path, damage: str) -> None:
    video = written / VIDEOS.format(video_key=CAMERA, chunk_index=0, file_index=0)
    info = json.loads((written / INFO).read_text())
    table = written / EPISODES.format(chunk_index=0, file_index=0)
    if damage == "missing":
        video.unlink()
    elif damage == "text":  # a list of other files, which FFmpeg would open
        video.write_text("ffconcat version 1.0\nfile '/etc/passwd'\n")
    elif damage == "short":
        (written / VIDEOS.format(video_key=CAMERA, chunk_index=0, file_index=1)).replace(video)
    elif damage == "elsewhere":
        info["features"]["../../camera"] = info["features"].pop(CAMERA)
    elif damage == "size":
        info["features"][CAMERA]["shape"] = [64, 48, 3]
    else:
        rows = pyarrow.parquet.read_table(table).to_pylist()
        rows[1][f"videos/{CAMERA}/from_timestamp"] = float("inf")
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), table)
    (written / INFO).write_text(json.dumps(info))
    with pytest.raises(ValueError, match="does not hold episode 1"):
        Dataset(written).episode(1)


def test_senses_that_no_video_holds_are_refused() -> None:
    odd = {"camera": Modality("camera", (31, 48, 3), 20, LOOK, dtype="uint8"), "wrench": SENSES["wrench"]}
    with pytest.raises(ValueError, match="none of camera, wrench has them: leave out --pictures video"):
        features_of(odd, spaces.Discrete(2), "video")


def test_an_episode_with_a_video_is_recorded_and_played_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    words = ["record", "random", "--env", "mmrl/PegInsertion-v0", "--episodes", "2", "--output", str(folder)]
    assert main([*words, "--pictures", "video"]) == 0
    assert main(["replay", str(folder), "--episode", "1"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the same, bit for bit: 100 steps, but for the pictures of camera, which a video holds" in said
    seen = Dataset(folder).episode(1).frames[CAMERA]
    again = read_video(
        folder / VIDEOS.format(video_key=CAMERA, chunk_index=0, file_index=0), 5.0, 100, 20.0, seen.shape[1:3]
    )
    np.testing.assert_array_equal(seen, again)
