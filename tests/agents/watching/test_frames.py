"""Frames: what stands where, and that everything fits."""

from collections.abc import Callable

import numpy as np
import pytest

from mmrl_agents.watching.frames import HEADER, SCENE, Caption, Picture, compose, compose_game, enlarge
from mmrl_agents.watching.panels import HEIGHT, LABEL, MARGIN, WIDTH, Pixels, Trace


def wave(labels: tuple[str, ...], bounds: tuple[float, float], plugged: bool = True) -> Trace:
    times = np.linspace(-2, 0, 50)
    values = np.stack([np.sin(times + shift) for shift in range(len(labels))], axis=1)
    return Trace("wave", labels, times, values, bounds, span_s=2.0, plugged=plugged)


@pytest.mark.parametrize("pictures", [0, 1, 3, 6])
@pytest.mark.parametrize("traces", [0, 1, 2, 5, 11])
def test_any_number_of_pictures_and_traces_fits_the_frame(pictures: int, traces: int) -> None:
    frame = compose(
        Caption("a very long title " * 9, "right"),
        np.zeros((400, 600, 3), np.uint8),
        [Picture(f"camera {i}", np.zeros((64, 84, 3), np.uint8)) for i in range(pictures)],
        [wave(("a", "b"), (-1, 1)) for _ in range(traces)],
    )
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert frame.dtype == np.uint8
    # The margins around everything stay paper.
    for edge in (frame[:, :MARGIN], frame[:, -MARGIN + 1 :], frame[-2:], frame[:6]):
        assert (edge == 255).all()


@pytest.mark.parametrize("arrange", [compose, compose_game])
def test_a_second_line_fits_above_the_scene(arrange: Callable[..., Pixels]) -> None:
    scene = np.full((480, 480, 3), 255, np.uint8)
    one, two, long = (arrange(Caption("left", "right", below=b), scene, [], []) for b in ("", "swing 3 mm", "w " * 400))
    changed = np.argwhere((one != two).any(axis=2))
    assert changed[:, 0].max() < HEADER
    assert (two[: HEADER // 2] != 255).any()
    assert (two[HEADER // 2 : HEADER] != 255).any()
    assert (long[:, :MARGIN] == 255).all()


def test_a_scene_keeps_its_proportions() -> None:
    frame = compose(Caption("", ""), np.zeros((100, 200, 3), np.uint8), [], [])
    black = np.argwhere((frame == 0).all(axis=2))
    height, width = black.max(axis=0) - black.min(axis=0) + 1
    assert (height, width) == (SCENE // 2, SCENE)


def test_traces_survive_missing_and_empty_readings() -> None:
    broken = Trace("t", (), np.array([-1.0, 0.0]), np.full((2, 1), np.nan), (0.0, 0.0), 2.0)
    frame = compose(Caption("", ""), np.zeros((8, 8, 3), np.uint8), [], [broken])
    assert frame.shape == (HEIGHT, WIDTH, 3)


def test_pixels_are_repeated_whole_or_left_out_whole() -> None:
    small = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = enlarge(small, 7)
    assert large.shape == (6, 6, 3)
    assert large[::3, ::3].tolist() == small.tolist()
    assert enlarge(np.zeros((100, 50, 3), np.uint8), 30).shape == (25, 13, 3)


@pytest.mark.parametrize("pictures", [0, 1, 2, 4])
@pytest.mark.parametrize("traces", [0, 2, 5, 11])
@pytest.mark.parametrize("scene", [(210, 160, 3), (400, 600, 3)])
def test_any_game_fits_its_frame(scene: tuple[int, ...], pictures: int, traces: int) -> None:
    frame = compose_game(
        Caption("a very long title " * 9, "right"),
        np.zeros(scene, np.uint8),
        [Picture("image", np.zeros((84, 84, 3), np.uint8), "a long note " * 9) for _ in range(pictures)],
        [wave(("noop", "a long name"), (-1, 1)) for _ in range(traces)],
    )
    assert frame.shape == (HEIGHT, WIDTH, 3)
    for edge in (frame[:, :MARGIN], frame[:, -MARGIN + 1 :], frame[-2:], frame[:6]):
        assert (edge == 255).all()


def test_pixels_of_a_game_stay_whole() -> None:
    scene = np.random.default_rng(0).integers(100, size=(210, 160, 3), dtype=np.uint8)
    picture = np.random.default_rng(1).integers(100, size=(80, 80, 3), dtype=np.uint8)
    frame = compose_game(Caption("", ""), scene, [Picture("", picture)], [wave(("a",), (-1, 1))])
    # 462 pixels hold the 210 of a screen twice, 340 the 80 of a picture four times.
    top, left = HEADER + LABEL, MARGIN
    np.testing.assert_array_equal(frame[top : top + 420, left : left + 320], scene.repeat(2, axis=0).repeat(2, axis=1))
    left += 320 + MARGIN
    np.testing.assert_array_equal(
        frame[top : top + 320, left : left + 320], picture.repeat(4, axis=0).repeat(4, axis=1)
    )


def test_a_scene_too_large_for_a_frame_is_scaled_to_it() -> None:
    frame = compose_game(Caption("", ""), np.zeros((400, 600, 3), np.uint8), [], [])
    black = np.argwhere((frame == 0).all(axis=2))
    assert (black.max(axis=0) - black.min(axis=0) + 1).tolist() == [SCENE * 400 // 600, SCENE]


def test_a_note_stands_below_its_picture() -> None:
    scene, pixels = np.zeros((210, 160, 3), np.uint8), np.zeros((80, 80, 3), np.uint8)
    without, noted = (compose_game(Caption("", ""), scene, [Picture("", pixels, note)], []) for note in ("", "heat"))
    changed = np.argwhere((without != noted).any(axis=2))
    assert changed[:, 0].min() >= HEADER + LABEL + 320
