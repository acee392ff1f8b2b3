"""Images of senses as pictures."""

import numpy as np
import pytest

from mmrl.modality import MLP, Custom, ImageConv, Modality, TemporalConv
from mmrl_agents.watching.pictures import picture_of


def test_pictures_of_depth_grey_and_stacked_images() -> None:
    depth = Modality("depth", (36, 36, 1), 1.0, ImageConv(), low=0.0, high=2.0)
    metres = np.zeros((36, 36, 1), np.float32)
    metres[0, :3, 0] = 1.0, 2.0, 9.0
    shown = picture_of(depth, metres, plugged=True).pixels
    assert shown is not None
    # Near is bright: 1 m half, 2 m and beyond black, 0 m white.
    assert shown[0, :4, 0].tolist() == [127, 0, 0, 255]
    assert shown.shape == (36, 36, 3)
    stacked = Modality("eyes", (36, 36, 3), 1.0, Custom("a.b:c"), history=2, dtype="uint8")
    frames = np.stack([np.full((36, 36, 3), value, np.uint8) for value in (10, 20)])
    newest = picture_of(stacked, frames, plugged=True).pixels
    assert newest is not None
    assert (newest == 20).all()
    assert picture_of(stacked, frames, plugged=False).pixels is None


def test_pixels_of_0_and_1_are_stretched_and_the_newest_frame_is_the_last() -> None:
    pong = Modality("image", (36, 36, 2), 15.0, ImageConv(), high=1, dtype="uint8")
    frames = np.zeros((36, 36, 2), np.uint8)
    frames[3, 4, 0] = 1  # the previous frame
    frames[5, 6, 1] = 1
    shown = picture_of(pong, frames, plugged=True).pixels
    assert shown is not None
    assert np.argwhere(shown.any(axis=2)).tolist() == [[5, 6]]
    assert shown[5, 6].tolist() == [255, 255, 255]


def test_bytes_are_shown_as_they_are_in_colour_or_the_newest_of_four_in_grey() -> None:
    image = np.random.default_rng(0).integers(256, size=(36, 36, 4), dtype=np.uint8)
    colour = Modality("eye", (36, 36, 3), 1.0, ImageConv(), dtype="uint8")
    np.testing.assert_array_equal(picture_of(colour, image[..., :3], plugged=True).pixels, image[..., :3])
    stack = Modality("eye", (36, 36, 4), 1.0, ImageConv(), dtype="uint8")
    np.testing.assert_array_equal(picture_of(stack, image, plugged=True).pixels, image[..., 3:].repeat(3, axis=2))


def test_heat_lies_over_the_picture_alone() -> None:
    colour = Modality("eye", (36, 36, 3), 1.0, ImageConv(), dtype="uint8")
    image, heat = np.full((36, 36, 3), 100, np.uint8), np.zeros((36, 36))
    heat[7, 8] = 1.0
    picture = picture_of(colour, image, True, heat, "note")
    assert picture.note == "note"
    assert picture.pixels is not None
    grey = picture.pixels[0, 0]
    assert np.argwhere((picture.pixels != grey).any(axis=2)).tolist() == [[7, 8]]
    assert picture_of(colour, image, False, heat).pixels is None


def test_newtons_are_pads_side_by_side_with_pressure_bright_and_y_up() -> None:
    pads = Modality("touch", (16, 16, 6), 20.0, ImageConv((8,), (3,), (2,)), low=-9.0, high=9.0, unit="N")
    forces = np.zeros((16, 16, 6), np.float32)
    forces[2, 5, 0] = 0.4  # low on the first pad
    forces[12, 9, 3] = 0.2  # high on the second, half as bright
    picture = picture_of(pads, forces, plugged=True)
    assert picture.title == "touch, bright is 0.4 N"
    assert picture.pixels is not None
    shown = picture.pixels.astype(int)
    assert shown.shape == (96, 192, 3)  # 6 pixels a taxel
    brightest = shown.sum(axis=2) == 253 + 231 + 37
    assert np.unique(np.argwhere(brightest) // 6, axis=0).tolist() == [[13, 5]]
    assert shown[3 * 6, 96 + 9 * 6].tolist() == [33, 145, 140]


def test_an_arrow_goes_the_way_of_the_shear() -> None:
    pad = Modality("touch", (8, 8, 3), 20.0, ImageConv((8,), (3,), (2,)), low=-9.0, high=9.0, unit="N")
    forces = np.zeros((8, 8, 3), np.float32)
    forces[4, 4, 1:] = 0.3, 0.3  # right and up
    shown = picture_of(pad, forces, plugged=True).pixels
    assert shown is not None
    white = np.argwhere((shown == 255).all(axis=2)) - (3.5 * 24, 4.5 * 24)  # from the middle of the taxel
    assert white[:, 1].max() > 10
    assert white[:, 0].min() < -10
    assert white[:, 1].min() >= -1
    assert white[:, 0].max() <= 1


def test_a_window_that_is_a_picture_has_time_to_the_right_and_its_last_feature_on_top() -> None:
    sound = Modality("ear", (3,), 10.0, TemporalConv(), history=4, low=0.0, high=100.0, as_picture=True)
    window = np.zeros((4, 3), np.float32)
    window[3, 0], window[0, 2] = 100.0, 50.0  # newest and low, oldest and high
    shown = picture_of(sound, window, plugged=True).pixels
    assert shown is not None
    assert shown[..., 0].tolist() == [[127, 255, 255, 255], [255] * 4, [255, 255, 255, 0]]
    with pytest.raises(ValueError, match="as_picture is for windows"):
        Modality("ear", (3,), 10.0, MLP(), as_picture=True)
