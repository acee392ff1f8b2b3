"""Words: a vector for each, of which the encoding is the sum; their order changes nothing."""

import math

import numpy as np
import pytest
import torch

from mmrl.encoders import (
    Unplaced,
    WordBagEncoder,
    WordTokens,
    build_decoder,
    build_encoder,
    build_signal,
    build_token_encoder,
)
from mmrl.encoders.clock import Clock
from mmrl.modality import Modality, WordBag

SPEC = WordBag(("insert", "into", "the", "red", "blue", "hole"), features=8)
SENSE = Modality("instruction", (5,), 20, SPEC, dtype="uint8", high=6)


def spoken(*texts: str) -> torch.Tensor:
    return torch.from_numpy(np.stack([SPEC.numbers(text, 5) for text in texts]))


def test_a_text_is_the_numbers_of_its_words() -> None:
    numbers = SPEC.numbers("Insert into the  hole", 5)
    assert numbers.dtype == np.uint8
    assert numbers.tolist() == [1, 2, 3, 6, 0]
    assert SPEC.text(numbers) == "insert into the hole"
    assert SPEC.text(np.zeros(5)) == ""


def test_the_encoding_is_the_sum_of_the_vectors_of_the_words() -> None:
    encoder = build_encoder(SENSE)
    assert isinstance(encoder, WordBagEncoder)
    vectors = encoder.vectors
    given = encoder(spoken("the red hole the", ""))
    torch.testing.assert_close(given[0], 2 * vectors[2] + vectors[3] + vectors[5])
    assert (given[1] == 0.0).all()


def test_order_and_gaps_change_nothing() -> None:
    encoder = build_encoder(SENSE)
    text = torch.tensor([[1, 2, 3, 4, 0], [4, 3, 0, 1, 2]], dtype=torch.uint8)
    first, second = encoder(text)
    assert (first - second).abs().max() == 0.0


def test_a_number_beyond_the_vocabulary_is_no_word() -> None:
    """Of rows in which the sense is absent anything may come."""
    encoder = build_encoder(SENSE)
    assert (encoder(torch.tensor([[3, 200, 7, 255, 0]], dtype=torch.uint8)) - encoder(spoken("the"))).abs().max() == 0.0


def test_tokens_are_the_words_without_places() -> None:
    encoder = build_token_encoder(SENSE)
    assert isinstance(encoder, WordTokens)
    assert isinstance(encoder.size, Unplaced)
    assert encoder.size == (5, 8)
    x = spoken("the red hole", "")
    tokens = encoder(x)
    torch.testing.assert_close(tokens[0, :3], encoder.vectors[[2, 3, 5]])
    assert (tokens[0, 3:] == 0.0).all()
    assert encoder.mask(x).tolist() == [[True, True, True, False, False], [False] * 5]


def test_the_signal_of_words_is_how_often_each_occurs() -> None:
    signal = build_signal(SENSE, Clock(2, 0.05), pixels=4)
    assert signal(spoken("the red the")).tolist() == [[[0.0, 0.0, 2.0, 1.0, 0.0, 0.0]] * 2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WordBag(tuple(f"w{i}" for i in range(256))), "vocabulary must have 1 to 255 words, got 256"),
        (lambda: WordBag(()), "must have 1 to 255 words, got 0"),
        (lambda: WordBag(("red", "blue", "red")), "each word once, got more than one red"),
        (lambda: WordBag(("red hole",)), "words in lower case without a space, got 'red hole'"),
        (lambda: WordBag(("Red",)), "words in lower case without a space, got 'Red'"),
        (lambda: WordBag(("red",), features=0), "WordBag.features must be integers >= 1"),
        (lambda: Modality("said", (5,), 20, SPEC), "'said': WordBag reads the numbers of words .* of float32"),
        (lambda: Modality("said", (5, 2), 20, SPEC, dtype="uint8"), r"got shape \(5, 2\)"),
        (lambda: Modality("said", (5,), 20, SPEC, dtype="uint8"), "at most 6, got 0 and 255"),
        (lambda: Modality("said", (5,), 20, SPEC, dtype="uint8", low=1, high=6), "got 1 and 6"),
        (
            lambda: SPEC.numbers("the purple hole", 5),
            "'purple' of 'the purple hole' is not among the 6 .* insert, into",
        ),
        (lambda: SPEC.numbers("the the the the the the", 5), "at most 5 words here, got 6"),
    ],
)
def test_what_is_no_vocabulary_or_text_is_refused(make: "object", message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_as_many_words_as_a_byte_numbers_will_do() -> None:
    spec = WordBag(tuple(f"w{i}" for i in range(255)))
    encoder = build_encoder(Modality("said", (2,), 20, spec, dtype="uint8"))
    assert isinstance(encoder, WordBagEncoder)
    torch.testing.assert_close(encoder(torch.tensor([[255, 0]], dtype=torch.uint8))[0], encoder.vectors[254])


def test_a_decoder_scores_words_and_its_error_is_their_cross_entropy() -> None:
    decoder = build_decoder(SENSE, 8)
    words = spoken("insert into the red hole", "the hole")
    scores = torch.zeros(2, 5 * 7)
    # Seven numbers are as likely as each other, none among them: the error of guessing is the unit.
    assert decoder.error(scores, words).tolist() == pytest.approx([1.0, 1.0])
    sure = torch.nn.functional.one_hot(words.long(), 7).float().mul(20).flatten(1)
    assert decoder.error(sure, words).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert torch.equal(decoder.readings(sure), words.float())
    wrong = torch.nn.functional.one_hot((words.long() + 1) % 7, 7).float().mul(20).flatten(1)
    assert decoder.error(wrong, words).tolist() == pytest.approx([20 / math.log(7)] * 2, rel=1e-3)
    assert decoder(torch.zeros(3, 8)).shape == (3, 35)
