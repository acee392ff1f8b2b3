"""Drawings of sets and words: what is drawn where, and which senses are drawn so."""

import numpy as np

from mmrl.modality import MLP, DeepSets, ImageConv, Modality, WordBag
from mmrl_agents.watching.drawings import draw_set, draw_words
from mmrl_agents.watching.pictures import is_image, is_shown_as_picture, picture_of

HOLES = Modality(
    "holes", (3, 5), 20, DeepSets(), labels=("x", "y", "blue", "star", "exists"), unit=("m", "m", "", "", "")
)
CLOUD = Modality("cloud", (3, 4), 20, DeepSets(), labels=("x", "y", "z", "exists"), unit=("m", "m", "m", ""))
SAID = Modality("said", (4,), 20, WordBag(("the", "hole", "red")), dtype="uint8", high=3)
POSE = Modality("pose", (3,), 20, MLP())
CAMERA = Modality("camera", (8, 8, 3), 20, ImageConv((4,), (3,), (2,)), dtype="uint8")


def dark(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W) of the colour of an element without a height."""
    return np.asarray((pixels == np.array([0, 47, 97])).all(axis=2))


def test_elements_are_drawn_from_above_where_they_are() -> None:
    one = np.array([[0.05, 0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]], np.float32)
    row, column = (index.mean() for index in np.nonzero(dark(draw_set(HOLES, one))))
    assert row < 10  # 5 cm ahead is the upper edge of what reaches 5 cm
    assert abs(column - 96) < 2
    one[0, :2] = 0.0, 0.05
    row, column = (index.mean() for index in np.nonzero(dark(draw_set(HOLES, one))))
    assert column < 10  # to the left of the arm
    assert abs(row - 96) < 2


def test_missing_elements_are_not_drawn_and_their_names_neither() -> None:
    nothing = np.zeros((3, 5), np.float32)
    garbage = nothing.copy()
    garbage[:, :4] = 0.03, -0.02, 1.0, 1.0
    np.testing.assert_array_equal(draw_set(HOLES, nothing), draw_set(HOLES, garbage))
    garbage[1, 4] = 1.0
    assert (draw_set(HOLES, garbage) != draw_set(HOLES, nothing)).any()


def test_features_that_are_one_are_written_beside_an_element() -> None:
    plain = np.array([[0.02, 0.01, 0.0, 0.0, 1.0]] * 3, np.float32)
    named = plain.copy()
    named[:, 2] = 1.0
    assert (draw_set(HOLES, plain) != draw_set(HOLES, named)).any()
    assert dark(draw_set(HOLES, plain)).sum() == dark(draw_set(HOLES, named)).sum()


def test_what_is_higher_is_brighter() -> None:
    cloud = np.array([[0.05, 0.05, 0.0, 1.0], [-0.05, -0.05, 0.1, 1.0], [9.0, 9.0, 9.0, 0.0]], np.float32)
    pixels = draw_set(CLOUD, cloud).astype(int)
    low, high = pixels[:96, :96].reshape(-1, 3), pixels[96:, 96:].reshape(-1, 3)
    assert (low == [0, 47, 97]).all(axis=1).any()
    assert (high == [255, 204, 51]).all(axis=1).any()


def test_a_set_without_places_is_rows_of_features() -> None:
    bare = Modality("bare", (2, 4), 20, DeepSets())
    pixels = draw_set(bare, np.array([[0.0, 5.0, 10.0, 1.0], [7.0, 7.0, 7.0, 0.0]], np.float32))
    np.testing.assert_array_equal(pixels[..., 0], [[255, 128, 0], [255, 255, 255]])


def test_words_are_drawn_as_a_text() -> None:
    red, other, none = (draw_words(SAID, np.array(words, np.uint8)) for words in ([1, 3, 2, 0], [1, 2, 0, 0], [0] * 4))
    assert red.shape == other.shape == (192, 192, 3)
    assert (red != other).any()
    assert (none != other).any()


def test_sets_and_words_are_pictures_but_no_images() -> None:
    assert [is_shown_as_picture(sense) for sense in (HOLES, SAID, CAMERA, POSE)] == [True, True, True, False]
    assert [is_image(sense) for sense in (HOLES, SAID, CAMERA, POSE)] == [False, False, True, False]
    shown = picture_of(SAID, np.array([1, 3, 2, 0], np.uint8), plugged=True)
    assert shown.pixels is not None
    np.testing.assert_array_equal(shown.pixels, draw_words(SAID, np.array([1, 3, 2, 0], np.uint8)))
    assert picture_of(SAID, np.zeros(4, np.uint8), plugged=False).pixels is None
