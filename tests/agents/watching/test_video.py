"""The video file: its size, its encoder, and what a failure leaves."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mmrl_agents.watching.video import VideoWriter


def frames_of(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def write(path: Path, size: tuple[int, int], count: int = 3) -> None:
    with VideoWriter(path, 10, size) as video:
        for _ in range(count):
            video.add(np.full((size[1], size[0], 3), 128, np.uint8))


def test_odd_sizes_are_padded_to_even_ones(tmp_path: Path) -> None:
    write(tmp_path / "odd.mp4", (33, 21))
    assert frames_of(tmp_path / "odd.mp4").shape == (3, 22, 34, 3)


def test_without_libx264_another_encoder_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    write(tmp_path / "plain.mp4", (64, 48))
    with av.open(str(tmp_path / "plain.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert len(frames_of(tmp_path / "plain.mp4")) == 3


def test_a_failure_leaves_the_old_video_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    write(path, (32, 32))
    before = path.read_bytes()
    wrong = r"shape \(32, 32, 3\), got uint8 of \(8, 8, 3\)"
    with pytest.raises(ValueError, match=wrong), VideoWriter(path, 10, (32, 32)) as video:
        video.add(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="at least one frame"):
        write(path, (32, 32), count=0)
    with pytest.raises(ValueError, match="must be positive"):
        VideoWriter(path, 0, (32, 32))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
