"""Episodes are recorded, read and played again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from gymnasium import spaces

from mmrl.modality import MLP, ImageConv, Modality
from mmrl_agents.cli import main
from mmrl_agents.experience.demonstrations import read_demonstrations
from mmrl_agents.records.dataset.features import ACTION, DONE, EXECUTED, REWARD, SUCCESS, features_of
from mmrl_agents.records.dataset.folder import DATA, EPISODES, Dataset, DatasetWriter, RecordedEpisode
from mmrl_agents.watching.recording.record import RecordConfig, record
from mmrl_agents.watching.recording.replay import ReplayConfig
from mmrl_agents.watching.recording.replay import replay as play_again
from mmrl_agents.worlds.trust import Untrusted
from tests.trainings import POLE, trained_quietly

SENSES = {
    "camera": Modality("camera", (8, 10, 3), 20, ImageConv((4,), (3,), (2,), features=8), dtype="uint8"),
    "wrench": Modality("wrench", (6,), 1000, MLP(), history=4),
}
FEATURES = features_of(SENSES, spaces.Box(-1, 1, (2,)))


def episode(length: int, seed: int) -> RecordedEpisode:
    rng = np.random.default_rng(seed)
    frames: dict[str, Any] = {
        "observation.camera": rng.integers(0, 256, (length, 8, 10, 3)).astype(np.uint8),
        "observation.wrench": rng.normal(size=(length, 4, 6)).astype(np.float32),
        ACTION: rng.uniform(-1, 1, (length, 2)).astype(np.float32),
        REWARD: rng.normal(size=(length, 1)).astype(np.float32),
        SUCCESS: np.zeros((length, 1), np.bool_),
        DONE: np.arange(length)[:, None] == length - 1,
    }
    return RecordedEpisode(frames, seed)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, list[RecordedEpisode]]:
    episodes = [episode(3, 1), episode(5, 2), episode(4, 3)]
    writer = DatasetWriter(tmp_path / "data", FEATURES, 20.0, "insert the peg", {"env": "toy"})
    writer.append(episodes[:2])
    writer.append(episodes[2:])
    return tmp_path / "data", episodes


def test_what_was_written_is_read(written: tuple[Path, list[RecordedEpisode]]) -> None:
    data = Dataset(written[0])
    assert len(data) == 3
    for number, expected in enumerate(written[1]):
        read = data.episode(number)
        assert read.seed == expected.seed
        for name, frames in expected.frames.items():
            np.testing.assert_array_equal(read.frames[name], frames)
            assert read.frames[name].dtype == frames.dtype
    with pytest.raises(ValueError, match="has the episodes 0 to 2, not 3"):
        data.episode(3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pictures_of_up_to_four_channels_are_kept_without_loss(channels: int, tmp_path: Path) -> None:
    """Frames of a game are channels: what is zero in the last one, which a PNG has as alpha, is seen in the others."""
    sense = Modality("eye", (8, 10, channels), 20, ImageConv((4,), (3,), (2,), features=8), dtype="uint8")
    features = features_of({"eye": sense}, spaces.Discrete(2))
    assert features["observation.eye"].dtype == "image"
    seen = np.random.default_rng(0).integers(0, 256, (3, 8, 10, channels)).astype(np.uint8)
    seen[:, ::2, :, -1] = 0
    frames = {
        **{name: frames for name, frames in episode(3, 1).frames.items() if name in features and name != ACTION},
        "observation.eye": seen,
        ACTION: np.ones((3, 1), np.int64),
    }
    DatasetWriter(tmp_path / "data", features, 20.0, "look", {"env": "toy"}).append([RecordedEpisode(frames, 1)])
    np.testing.assert_array_equal(Dataset(tmp_path / "data").episode(0).frames["observation.eye"], seen)


def test_the_layout_is_that_of_lerobot(written: tuple[Path, list[RecordedEpisode]]) -> None:
    """As lerobot 0.4's reader wants it: paths by templates, numbered frames, a list of lists for a window."""
    folder = written[0]
    info = json.loads((folder / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"], info["fps"]) == (3, 12, 20.0)
    assert info["features"]["observation.wrench"] == {"dtype": "float32", "shape": [4, 6], "names": None}
    assert info["features"]["observation.camera"]["dtype"] == "image"
    rows = pyarrow.parquet.read_table(folder / EPISODES.format(chunk_index=0, file_index=0)).to_pylist()
    assert [row["length"] for row in rows] == [3, 5, 4]
    assert [(row["dataset_from_index"], row["dataset_to_index"]) for row in rows] == [(0, 3), (3, 8), (8, 12)]
    assert [row["data/file_index"] for row in rows] == [0, 0, 1]
    frames = pyarrow.parquet.read_table(folder / DATA.format(chunk_index=0, file_index=1)).to_pydict()
    assert frames["index"] == [8, 9, 10, 11]
    assert frames["frame_index"] == [0, 1, 2, 3]
    np.testing.assert_allclose(frames["timestamp"], [0.0, 0.05, 0.1, 0.15], rtol=1e-6)
    assert np.shape(frames["observation.wrench"]) == (4, 4, 6)
    tasks = pyarrow.parquet.read_table(folder / "meta/tasks.parquet").to_pydict()
    assert tasks == {"task_index": [0], "task": ["insert the peg"]}


def test_statistics_are_those_of_all_frames(written: tuple[Path, list[RecordedEpisode]]) -> None:
    statistics = json.loads((written[0] / "meta/stats.json").read_text())
    wrench = np.concatenate([each.frames["observation.wrench"] for each in written[1]]).astype(np.float64)
    of_wrench = statistics["observation.wrench"]
    np.testing.assert_allclose(of_wrench["mean"], wrench.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(of_wrench["std"], wrench.std(axis=0), atol=1e-12)
    np.testing.assert_allclose(of_wrench["max"], wrench.max(axis=0))
    pixels = np.concatenate([each.frames["observation.camera"] for each in written[1]]) / 255.0
    of_camera = statistics["observation.camera"]
    assert np.shape(of_camera["mean"]) == (3, 1, 1)
    np.testing.assert_allclose(np.ravel(of_camera["mean"]), pixels.mean(axis=(0, 1, 2)), atol=1e-12)
    np.testing.assert_allclose(np.ravel(of_camera["std"]), pixels.std(axis=(0, 1, 2)), atol=1e-12)


def test_an_expert_is_recorded_and_played_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    words = ["record", "expert", "--env", "mmrl/PegInsertion-v0", "--episodes", "2", "--output", str(folder)]
    assert main([*words, "--context", "shape=round"]) == 0
    assert "2 episodes, success 100.0 %" in capsys.readouterr().out.replace("\n", " ")
    data = Dataset(folder)
    assert data.ours["context"] == {"shape": "round"}
    assert data.ours["senses"]["force_torque"]["unit"] == ["N", "N", "N", "N m", "N m", "N m"]
    assert data.episode(1).frames["observation.state"].shape == (100, 8)
    assert main(["replay", str(folder), "--episode", "1"]) == 0
    assert "episode 1 is the same, bit for bit: 100 steps" in capsys.readouterr().out


def test_noise_is_carried_out_and_what_was_meant_is_imitated(tmp_path: Path) -> None:
    """An imitator of what a script means, seen from beside its path; the episode plays again as it was."""
    plain = RecordConfig("expert", tmp_path / "calm", episodes=1, env="mmrl/PegInsertion-v0")
    record(plain)
    record(replace(plain, output=tmp_path / "noisy", noise=0.3))
    calm, noisy = (Dataset(tmp_path / name).episode(0).frames for name in ("calm", "noisy"))
    assert EXECUTED not in calm
    np.testing.assert_array_equal(calm[ACTION][0], noisy[ACTION][0])  # the same reset, the same intention
    off = noisy[EXECUTED] - noisy[ACTION]
    inside = np.abs(noisy[EXECUTED]) < 1.0
    assert 0.2 < off[inside].std() < 0.35
    assert np.abs(noisy[EXECUTED]).max() <= 1.0
    assert play_again(ReplayConfig(tmp_path / "noisy")).difference == ""
    actions = spaces.Box(-1.0, 1.0, (3,))
    for executed, column in ((False, ACTION), (True, EXECUTED)):
        learned, _ = read_demonstrations(tmp_path / "noisy", {}, actions, 0.0, executed)
        np.testing.assert_array_equal(learned.actions.numpy(), noisy[column])


def test_another_world_is_noticed(tmp_path: Path) -> None:
    record(RecordConfig("random", tmp_path / "data", episodes=1, env="mmrl/PegInsertion-v0"))
    path = tmp_path / "data/meta/mmrl.json"
    document = json.loads(path.read_text())
    document["context"] = {"friction": 0.9, "hole_x_m": 0.03}
    document["versions"]["mujoco"] = "3.16.0"
    path.write_text(json.dumps(document))
    played = play_again(ReplayConfig(tmp_path / "data"))
    assert played.steps == 0
    assert "camera is" in played.difference
    assert any(line.startswith("mujoco 3.16.0, now") for line in played.versions)


def test_a_policy_in_an_environment_of_another_package_is_recorded(tmp_path: Path) -> None:
    run = trained_quietly(replace(POLE, run_dir=tmp_path / "run"))
    record(RecordConfig(str(run), tmp_path / "data", episodes=3, checkpoint="last"))
    assert play_again(ReplayConfig(tmp_path / "data", episode=2)).difference == ""


def test_code_of_somebody_else_is_not_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither by playing again nor by imitation: a data set is data, as a run folder is."""
    record(RecordConfig("random", tmp_path / "data", episodes=1, env="CartPole-v1"))
    (tmp_path / "evil_robot.py").write_text("raise AssertionError('imported')")
    path = tmp_path / "data/meta/mmrl.json"
    document = json.loads(path.read_text())
    for env in ("evil_robot:make", "os:getcwd", "evil_robot:Id-v0"):
        document["train"]["env"] = env
        path.write_text(json.dumps(document))
        with pytest.raises(Untrusted, match="names"):
            play_again(ReplayConfig(tmp_path / "data"))
        assert main(["clone", str(tmp_path / "data")]) != 0
        assert "names" in capsys.readouterr().err
    document["train"] |= {"env": "Ant-v5", "env_kwargs": {"xml_file": "/etc/passwd"}}
    path.write_text(json.dumps(document))
    with pytest.raises(Untrusted, match="may name a file or a module"):
        play_again(ReplayConfig(tmp_path / "data"))


def test_a_full_disk_keeps_what_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmrl_agents.records.dataset import folder as dataset

    writer = DatasetWriter(tmp_path / "data", FEATURES, 20.0, "insert the peg", {"env": "toy"})
    writer.append([episode(3, 1)])

    def full(path: Path, write: Any) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(dataset, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        writer.append([episode(4, 2)])
    data = Dataset(tmp_path / "data")
    assert len(data) == 1
    np.testing.assert_array_equal(data.episode(0).frames[ACTION], episode(3, 1).frames[ACTION])
    with pytest.raises(OSError, match="No space left"):  # at the first word on what is recorded
        record(RecordConfig("random", tmp_path / "more", episodes=1, env="CartPole-v1"))


def test_a_disk_that_fills_up_says_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = DatasetWriter.append

    def full_at_the_second(self: DatasetWriter, episodes: Any) -> None:
        if self.episodes:
            raise OSError(28, "No space left on device")
        writing(self, episodes)

    monkeypatch.setattr(DatasetWriter, "append", full_at_the_second)
    with pytest.raises(OSError, match=r"No space left on device; the 10 episodes that are in .* stay, 10 are lost"):
        record(RecordConfig("random", tmp_path / "data", episodes=20, env="CartPole-v1"))
    assert len(Dataset(tmp_path / "data")) == 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["random"], "random acts in any environment: name one"),
        (["experts"], "experts is no run folder: it has no config.json; policies that come with the package: "),
        (["experts"], "without a policy act expert and random"),
        (["expert", "--env", "mmrl/Toddler-v0"], "mmrl/Toddler-v0 has no script; tasks with one: mmrl/PegInsertion-v0"),
        (["expert", "--env", "CartPole-v1"], "CartPole-v1 has no script"),
        (["random", "--env", "CartPole-v1", "--noise", "0.1"], "CartPole-v1 takes one of 2 actions: leave out --noise"),
        (["peg_insertion", "--env", "mmrl/Wipe-v0"], "was trained in mmrl/PegInsertion-v0, not in mmrl/Wipe-v0"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", *words, "--output", str(tmp_path / "data")]) != 0
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "data").exists()


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="episodes must be at least 1, got 0"):
        RecordConfig("random", tmp_path, episodes=0)
    with pytest.raises(ValueError, match="seed must not be negative, got -1"):
        RecordConfig("random", tmp_path, seed=-1)
    with pytest.raises(ValueError, match=r"noise must be at least 0 and finite, got -0\.1"):
        RecordConfig("random", tmp_path, noise=-0.1)


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path, written: tuple[Path, list[RecordedEpisode]]) -> None:
    with pytest.raises(ValueError, match="is no data set of mmrl"):
        Dataset(tmp_path)
    with pytest.raises(FileExistsError, match="is not empty"):
        DatasetWriter(written[0], FEATURES, 20.0, "again", {})
    (written[0] / DATA.format(chunk_index=0, file_index=1)).unlink()
    assert Dataset(written[0]).episode(0).length == 3
    with pytest.raises(ValueError, match="does not hold episode 2"):
        Dataset(written[0]).episode(2)
