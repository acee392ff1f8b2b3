"""The columns of a data set: what a frame holds, in the words of LeRobotDataset v3.0, and their statistics.

T is the history of a window, d the size of a reading.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image

from mmrl.modality import Modality

OBSERVATION, ACTION = "observation.{}", "action"
EXECUTED = "executed_action"
"""The action with the noise that it was carried out with, where there was any; `ACTION` is then the one meant."""
REWARD, SUCCESS, DONE = "next.reward", "next.success", "next.done"
STATE = "proprioception"
"""The sense whose newest reading other programs look for under `observation.state`."""
IMAGE, VIDEO = "image", "video"
"""Kinds of a column of pictures: a PNG in each frame, or a file of its own beside the frames."""
INDICES = ("timestamp", "frame_index", "episode_index", "index", "task_index")
"""Columns that number the frames."""


@dataclass(frozen=True)
class Feature:
    """One column."""

    dtype: str
    """That of its numbers, `IMAGE` for PNG, or `VIDEO`."""
    shape: tuple[int, ...]
    """Of one frame's entry."""
    names: tuple[str, ...] | None = None
    """Of the numbers along the last axis, or of the axes of an image."""

    def describe(self) -> dict[str, Any]:
        """Its entry in info.json."""
        return {
            "dtype": self.dtype,
            "shape": list(self.shape),
            "names": None if self.names is None else list(self.names),
        }


def features_of(
    senses: Mapping[str, Modality],
    actions: spaces.Box | spaces.Discrete,
    pictures: Literal["image", "video"] = "image",
    noisy: bool = False,
) -> dict[str, Feature]:
    """The columns of the frames of worlds with these senses and actions, but for those that number them.

    `noisy` adds the actions as they were carried out.

    Raises ValueError where pictures are to be videos and no sense is one that a video holds.
    """
    columns = {OBSERVATION.format(name): _of_a_sense(sense, pictures) for name, sense in senses.items()}
    if pictures == VIDEO and all(column.dtype != VIDEO for column in columns.values()):
        raise ValueError(
            f"a video holds pictures of three channels whose sides are even, and none of {', '.join(senses)} has them: "
            "leave out --pictures video"
        )
    if STATE in senses and len(senses[STATE].shape) == 1:
        columns[OBSERVATION.format("state")] = Feature("float32", senses[STATE].shape, senses[STATE].labels or None)
    one = (1,)
    taken = Feature("int64", one) if isinstance(actions, spaces.Discrete) else Feature("float32", actions.shape)
    rewards = {REWARD: Feature("float32", one), SUCCESS: Feature("bool", one), DONE: Feature("bool", one)}
    return {**columns, ACTION: taken, **({EXECUTED: taken} if noisy else {}), **rewards}


def frame_of(senses: Mapping[str, Modality], observation: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The entries of an observation (*window_shape by sense), copies."""
    frame = {OBSERVATION.format(name): np.array(observation[name]) for name in senses}
    if STATE in senses and len(senses[STATE].shape) == 1:
        window = observation[STATE]
        frame[OBSERVATION.format("state")] = np.array(window if senses[STATE].history is None else window[-1])
    return frame


def is_image(sense: Modality) -> bool:
    """Whether readings are pictures that a PNG holds: bytes in at most four channels, one at a time."""
    return sense.dtype == "uint8" and len(sense.shape) == 3 and sense.shape[-1] <= 4 and sense.history is None


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, C) of at most four channels, without loss: of two and four the last is the alpha of the file."""
    written = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(written, format="PNG")
    return written.getvalue()


def from_png(written: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The picture of `as_png`, of this shape."""
    with Image.open(io.BytesIO(written)) as image:
        pixels = np.asarray(image, np.uint8)
    return pixels.reshape(shape)


class ColumnStatistics:
    """Least, greatest, mean and deviation of each entry of a column; of images those of each channel, in 0 to 1."""

    def __init__(self, feature: Feature) -> None:
        self._image = feature.dtype in (IMAGE, VIDEO)
        self._count, self._total, self._squares = 0, 0.0, 0.0
        self._low: Any = np.inf
        self._high: Any = -np.inf

    def add(self, entries: NDArray[Any]) -> None:
        """The entries (frames, *shape) of an episode."""
        values = np.asarray(entries, np.float64)
        values = values.reshape(-1, values.shape[-1])[:, :, None, None] / 255.0 if self._image else values
        self._count += len(entries)
        weight = len(entries) / len(values)  # pixels of a frame count as one
        self._total = self._total + values.sum(axis=0) * weight
        self._squares = self._squares + np.square(values).sum(axis=0) * weight
        self._low, self._high = np.minimum(self._low, values.min(axis=0)), np.maximum(self._high, values.max(axis=0))

    def describe(self) -> dict[str, Any]:
        """The entry of the column in stats.json."""
        mean = np.asarray(self._total) / self._count
        deviation = np.sqrt(np.maximum(np.asarray(self._squares) / self._count - mean**2, 0.0))
        sides = {"min": self._low, "max": self._high, "mean": mean, "std": deviation}
        return {name: np.asarray(side).tolist() for name, side in sides.items()} | {"count": [self._count]}


def _of_a_sense(sense: Modality, pictures: str) -> Feature:
    if is_image(sense):
        height, width, channels = sense.shape
        filmed = pictures == VIDEO and channels == 3 and height % 2 == width % 2 == 0
        return Feature(VIDEO if filmed else IMAGE, sense.shape, ("height", "width", "channels"))
    return Feature(sense.dtype, sense.window_shape, sense.labels or None)
