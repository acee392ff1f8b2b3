"""The video file: its size, its encoder, and what a failure leaves."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from mmrl_agents.watching.soundtrack import LOUD
from mmrl_agents.watching.video import VideoWriter
from mmrl_agents.watching.viewing.config import WatchConfig
from tests.agents.watching.films import frames_of


def write(path: Path, size: tuple[int, int], count: int = 3) -> None:
    with VideoWriter(path, 10, size) as video:
        for _ in range(count):
            video.add(np.full((size[1], size[0], 3), 128, np.uint8))


def test_odd_sizes_are_padded_to_even_ones(tmp_path: Path) -> None:
    write(tmp_path / "odd.mp4", (33, 21))
    assert frames_of(tmp_path / "odd.mp4").shape == (3, 22, 34, 3)


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_films_are_vp9(tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"film.{ending}", (64, 48))
    with av.open(str(tmp_path / f"film.{ending}")) as container:
        assert container.streams.video[0].codec_context.name in ("vp9", "libvpx-vp9")
        assert ending in container.format.name.replace("matroska", "mkv")
    assert len(frames_of(tmp_path / f"film.{ending}")) == 3


def test_without_vp9_another_encoder_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4", "libx264"})
    write(tmp_path / "plain.mp4", (64, 48))
    with av.open(str(tmp_path / "plain.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert len(frames_of(tmp_path / "plain.mp4")) == 3
    with pytest.raises(ValueError, match=r"let the name end in \.mp4"):
        write(tmp_path / "plain.webm", (64, 48))


def test_a_gif_is_a_gif(tmp_path: Path) -> None:
    """Each frame in the colours it was given, at its time, in an endless loop."""
    path = tmp_path / "film.GIF"
    colours = [(200, 10, 10), (10, 200, 10), (10, 10, 200)]
    with VideoWriter(path, 20, (32, 24)) as video:
        for colour in colours:
            video.add(np.full((24, 32, 3), colour, np.uint8))
    with Image.open(path) as gif:
        assert (gif.format, gif.n_frames, gif.size) == ("GIF", 3, (32, 24))
        assert gif.info["loop"] == 0
        shown = []
        for number in range(3):
            gif.seek(number)
            assert gif.info["duration"] == 50  # milliseconds, of 20 frames a second
            shown.append(gif.convert("RGB").getpixel((5, 5)))
    np.testing.assert_allclose(shown, colours, atol=4)


@pytest.mark.parametrize("name", ["film.avi", "film", "film.mp4.part"])
def test_a_name_that_says_no_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"ends in \.mp4, \.webm, \.gif, got '{name}'"):
        write(tmp_path / name, (32, 32))
    with pytest.raises(ValueError, match=rf"got '{name}'"):
        WatchConfig(output=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_gif_faster_than_browsers_show_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 50 frames per second, got 60"):
        VideoWriter(tmp_path / "film.gif", 60, (32, 32))


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


@pytest.mark.parametrize(("ending", "codec"), [("mp4", "opus"), ("webm", "opus"), ("mp4", "aac")])
def test_sound_is_heard_with_its_picture_and_as_loud_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, codec: str
) -> None:
    """Half a second of silence, then a tone of half of full scale, 1 kHz at 16 kHz, in steps of 50 ms."""
    if codec == "aac":
        monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libopus"})
    path = tmp_path / f"film.{ending}"
    tone = 0.5 * LOUD * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).reshape(20, 800)
    with VideoWriter(path, 20, (32, 24), sound_hz=16_000) as video:
        for step, sound in enumerate(tone):
            video.add(np.zeros((24, 32, 3), np.uint8), sound * (step >= 10))
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        heard = np.concatenate([f.to_ndarray() for f in container.decode(stream)], axis=1)[0]
        rate = stream.rate
        assert stream.codec_context.name == codec
    assert np.flatnonzero(np.abs(heard) > 0.25)[0] / rate == pytest.approx(0.5, abs=0.03)
    assert np.abs(heard).max() == pytest.approx(0.5, rel=0.15)
    spectrum = np.abs(np.fft.rfft(heard[int(0.6 * rate) : int(0.9 * rate)]))
    assert spectrum.argmax() / 0.3 == pytest.approx(1000, abs=4)
    assert len(frames_of(path)) == 20


def test_a_gif_and_a_film_of_what_makes_no_sound_have_no_sound(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "film.gif", 20, (32, 24), sound_hz=16_000) as video:
        video.add(np.zeros((24, 32, 3), np.uint8), np.zeros(800))
    write(tmp_path / "film.mp4", (32, 24))
    for name in ("film.gif", "film.mp4"):
        with av.open(str(tmp_path / name)) as container:
            assert not container.streams.audio
