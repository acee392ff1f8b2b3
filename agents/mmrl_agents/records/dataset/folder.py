"""A folder of episodes in the layout of LeRobotDataset v3.0, written and read without lerobot.

    meta/info.json        what a frame holds, how many frames and episodes there are
    meta/mmrl.json        worlds, senses with rates and units, source, versions
    meta/stats.json       least, greatest, mean and deviation of each column
    meta/tasks.parquet    the task in words
    meta/episodes/...     length, seed and outcome of each episode
    data/...              the frames
    videos/...            their pictures, where they are videos

Data of several episodes are in one file; a file appears whole, and the metadata after it, so that whatever breaks off a
recording loses the episodes of one file at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl_agents.records.dataset.features import INDICES, VIDEO, ColumnStatistics, Feature
from mmrl_agents.records.dataset.tables import arrow, entries_of, entry_of, type_of
from mmrl_agents.records.dataset.videos import described, read_video, write_video
from mmrl_agents.records.files import read_json, write_atomically

VERSION = "v3.0"
INFO, OURS, STATISTICS, TASKS = "meta/info.json", "meta/mmrl.json", "meta/stats.json", "meta/tasks.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEOS = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
_FILES_IN_A_CHUNK = 1000
_KINDS = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
_PANDAS = {
    "index_columns": ["task"],
    "column_indexes": [],
    "columns": [
        {"name": name, "field_name": name, "pandas_type": pandas, "numpy_type": numpy, "metadata": None}
        for name, (pandas, numpy) in _KINDS.items()
    ],
    "creator": {"library": "pyarrow", "version": ""},
    "pandas_version": "2.0.0",
}
"""Makes pandas read the words as the index of the tasks, as lerobot expects it."""


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode."""

    frames: Mapping[str, NDArray[Any]]
    """The entries of each column, (length, *shape)."""
    seed: int
    """Seed of the reset that began it."""

    @property
    def length(self) -> int:
        """Number of its frames."""
        return len(next(iter(self.frames.values())))


class DatasetWriter:
    """A data set that grows by some episodes at a time.

    Args:
        folder: a new or empty one.
        features: the columns of a frame.
        fps: frames per second.
        task: the task in words.
        ours: the document of meta/mmrl.json.

    Raises FileExistsError where the folder holds anything, ImportError without pyarrow.
    """

    def __init__(
        self, folder: Path, features: Mapping[str, Feature], fps: float, task: str, ours: Mapping[str, Any]
    ) -> None:
        arrow()
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} exists and is not empty; choose another folder")
        self.folder, self._features, self._fps, self._task = folder, dict(features), fps, task
        self._statistics = {name: ColumnStatistics(feature) for name, feature in features.items()}
        self._rows: list[dict[str, Any]] = []
        self._frames = self._files = 0
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(folder / OURS, ours)

    @property
    def episodes(self) -> int:
        """How many are there."""
        return len(self._rows)

    def append(self, episodes: Sequence[RecordedEpisode]) -> None:
        """Add episodes as one more file, and bring the metadata up to date."""
        place = {"chunk_index": self._files // _FILES_IN_A_CHUNK, "file_index": self._files % _FILES_IN_A_CHUNK}
        for name in self._filmed:
            pictures = (pixels for episode in episodes for pixels in episode.frames[name])
            write_video(self.folder / VIDEOS.format(video_key=name, **place), pictures, self._fps)
        _write_table(self.folder / DATA.format(**place), self._columns(episodes))
        self._files, before = self._files + 1, self._frames
        for episode in episodes:
            self._rows.append(self._row(episode, place) | self._row_of_videos(episode, place, self._frames - before))
            self._frames += episode.length
            for name, statistics in self._statistics.items():
                statistics.add(episode.frames[name])
        self._write_metadata()

    def _columns(self, episodes: Sequence[RecordedEpisode]) -> dict[str, Any]:
        tables = arrow()
        columns = {
            name: tables.array(
                [entry_of(feature, row) for episode in episodes for row in episode.frames[name]], type_of(feature)
            )
            for name, feature in self._features.items()
            if feature.dtype != VIDEO
        }
        lengths = [episode.length for episode in episodes]
        within = np.concatenate([np.arange(length) for length in lengths])
        numbers = {
            "timestamp": (within / self._fps).astype(np.float32),
            "frame_index": within.astype(np.int64),
            "episode_index": np.repeat(np.arange(self.episodes, self.episodes + len(episodes)), lengths),
            "index": np.arange(self._frames, self._frames + sum(lengths)),
            "task_index": np.zeros(sum(lengths), np.int64),
        }
        return {**columns, **{name: tables.array(values) for name, values in numbers.items()}}

    def _row(self, episode: RecordedEpisode, place: Mapping[str, int]) -> dict[str, Any]:
        return {
            "episode_index": self.episodes,
            "tasks": [self._task],
            "length": episode.length,
            "data/chunk_index": place["chunk_index"],
            "data/file_index": place["file_index"],
            "dataset_from_index": self._frames,
            "dataset_to_index": self._frames + episode.length,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            "mmrl/seed": episode.seed,
            "mmrl/success": bool(episode.frames["next.success"][-1]),
            "mmrl/return": float(episode.frames["next.reward"].sum()),
        }

    def _row_of_videos(self, episode: RecordedEpisode, place: Mapping[str, int], before: int) -> dict[str, Any]:
        """Where the pictures of an episode are, after those of `before` frames of the same file."""
        where = {
            **place,
            "from_timestamp": before / self._fps,
            "to_timestamp": (before + episode.length) / self._fps,
        }
        return {f"videos/{name}/{key}": value for name in self._filmed for key, value in where.items()}

    @property
    def _filmed(self) -> list[str]:
        """The columns that are videos."""
        return [name for name, feature in self._features.items() if feature.dtype == VIDEO]

    def _write_metadata(self) -> None:
        tables = arrow()
        names = self._rows[0]
        _write_table(
            self.folder / EPISODES.format(chunk_index=0, file_index=0),
            {name: tables.array([row[name] for row in self._rows]) for name in names},
        )
        tasks = {"task_index": tables.array([0]), "task": tables.array([self._task])}
        _write_table(self.folder / TASKS, tasks, {b"pandas": json.dumps(_PANDAS).encode()})
        _write_json(self.folder / STATISTICS, {name: each.describe() for name, each in self._statistics.items()})
        _write_json(self.folder / INFO, self._info())

    def _info(self) -> dict[str, Any]:
        numbers = {name: Feature("float32" if name == "timestamp" else "int64", (1,)) for name in INDICES}
        return {
            "codebase_version": VERSION,
            "robot_type": "mmrl",
            "total_episodes": self.episodes,
            "total_frames": self._frames,
            "total_tasks": 1,
            "chunks_size": _FILES_IN_A_CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self._fps,
            "splits": {"train": f"0:{self.episodes}"},
            "data_path": DATA,
            "video_path": VIDEOS if self._filmed else None,
            "features": {
                name: each.describe() | ({"info": described(each.shape, self._fps)} if each.dtype == VIDEO else {})
                for name, each in {**self._features, **numbers}.items()
            },
        }


class Dataset:
    """A data set that was written.

    Args:
        folder: where it is.

    Raises ValueError where a file of it is missing or not as `DatasetWriter` leaves it, ImportError without pyarrow.
    """

    def __init__(self, folder: Path) -> None:
        arrow()
        self.folder = folder
        try:
            info, self.ours = read_json(folder / INFO), read_json(folder / OURS)
            self.features = {
                name: Feature(entry["dtype"], tuple(entry["shape"]))
                for name, entry in info["features"].items()
                if name not in INDICES
            }
            self._fps = float(info["fps"])
            self.frames = int(info["total_frames"])
            """Number of frames of all episodes."""
            self._rows = import_module("pyarrow.parquet").read_table(
                folder / EPISODES.format(chunk_index=0, file_index=0)
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder} is no data set of mmrl: {type(error).__name__}: {error}") from error

    def __len__(self) -> int:
        """Number of its episodes."""
        return int(self._rows.num_rows)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The length, the seed and the outcome of each episode."""
        rows: list[dict[str, Any]] = self._rows.to_pylist()
        return rows

    def episode(self, number: int) -> RecordedEpisode:
        """An episode by its number. Raises ValueError for one that there is not, and where its file is missing."""
        if not 0 <= number < len(self):
            raise ValueError(f"{self.folder} has the episodes 0 to {len(self) - 1}, not {number}")
        row = self.rows[number]
        path = self.folder / DATA.format(chunk_index=row["data/chunk_index"], file_index=row["data/file_index"])
        try:
            table = import_module("pyarrow.parquet").read_table(path, filters=[("episode_index", "=", number)])
            frames = {
                name: self._pictures(name, row) if feature.dtype == VIDEO else entries_of(feature, table[name])
                for name, feature in self.features.items()
            }
        except (OSError, LookupError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path} does not hold episode {number}: {type(error).__name__}: {error}") from error
        return RecordedEpisode(frames, int(row["mmrl/seed"]))

    def _pictures(self, name: str, row: Mapping[str, Any]) -> NDArray[np.uint8]:
        if "/" in name:  # of a folder elsewhere, in a data set of somebody else's
            raise ValueError(f"{name!r} is no name of a column")
        place = {key: row[f"videos/{name}/{key}"] for key in ("chunk_index", "file_index")}
        path = self.folder / VIDEOS.format(video_key=name, **place)
        begin_s, size = float(row[f"videos/{name}/from_timestamp"]), self.features[name].shape[:2]
        return read_video(path, begin_s, int(row["length"]), self._fps, size)


def _write_table(path: Path, columns: Mapping[str, Any], metadata: Mapping[bytes, bytes] | None = None) -> None:
    table = arrow().table(dict(columns))
    table = table.replace_schema_metadata(dict(metadata)) if metadata else table
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda stream: import_module("pyarrow.parquet").write_table(table, stream))


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1).encode()
    write_atomically(path, lambda stream: stream.write(text))
