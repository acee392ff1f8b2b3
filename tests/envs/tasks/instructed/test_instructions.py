"""Instructions: what is held out, and that no word alone says which hole is meant."""

import numpy as np

from mmrl.modality import WordBag
from mmrl_envs.scenes.marked_holes import COLOURS, MARKS
from mmrl_envs.sensors.instruction import VOCABULARY
from mmrl_envs.tasks.instructed.instructions import DRAWS, HELD_OUT, TEMPLATES, TRAIN, looks, spoken


def test_six_of_thirty_pairs_are_held_out_and_every_word_of_them_is_heard_in_training() -> None:
    assert len(TRAIN) == 24
    assert len(HELD_OUT) == 6
    assert not {*TRAIN} & {*HELD_OUT}
    assert {*TRAIN} | {*HELD_OUT} == {(c, m) for c in range(len(COLOURS)) for m in range(len(MARKS))}
    assert {c for c, _ in HELD_OUT} == {*range(len(COLOURS))}
    assert {m for _, m in HELD_OUT} == {*range(len(MARKS))}
    for colour in range(len(COLOURS)):
        assert sum(c == colour for c, _ in TRAIN) == 4
    for mark in range(len(MARKS)):
        assert sum(m == mark for _, m in TRAIN) >= 4


def test_every_template_is_spoken_with_every_pair() -> None:
    numbers, words = spoken(), WordBag(VOCABULARY)
    assert numbers.shape[:3] == (4, 6, 5)
    assert words.text(numbers[0, 1, 2]) == "insert into the blue cross hole"
    assert words.text(numbers[3, 5, 0]) == "the white hole with the dot"
    texts = {words.text(numbers[t, c, m]) for t in range(len(TEMPLATES)) for c in range(6) for m in range(5)}
    assert len(texts) == 120


def test_of_the_other_holes_one_shares_the_colour_one_the_mark_and_one_neither() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    colour, mark = rng.integers(0, 6, n), rng.integers(0, 5, n)
    colours, marks, meant = looks(colour, mark, rng.uniform(size=(n, DRAWS)))
    rows = np.arange(n)
    np.testing.assert_array_equal(colours[rows, meant], colour)
    np.testing.assert_array_equal(marks[rows, meant], mark)
    same_colour, same_mark = colours == colour[:, None], marks == mark[:, None]
    assert ((same_colour & same_mark).sum(axis=1) == 1).all()
    assert ((same_colour & ~same_mark).sum(axis=1) == 1).all()
    assert ((~same_colour & same_mark).sum(axis=1) == 1).all()
    # any place, colour and mark is as likely as any other: 4000 / 4 and a deviation of 27
    assert np.abs(np.bincount(meant) - n / 4).max() < 120
    neither = ~same_colour & ~same_mark
    assert len(np.unique(((colours - colour[:, None]) % 6)[neither])) == 5
    assert len(np.unique(((marks - mark[:, None]) % 5)[neither])) == 4
