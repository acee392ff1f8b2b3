"""Words of a closed vocabulary: (L,) numbers of words, 0 for none."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmrl.modality.declaration import EncoderSpec, Modality, require_units
from mmrl.modality.kinds import Kind, register_kind
from mmrl.settings.documents import fit

MOST_WORDS = 255
"""Words of a vocabulary at most: a byte numbers them, and its 0 stands for no word."""


@dataclass(frozen=True)
class WordBag(EncoderSpec):
    """A learned vector for each word of a vocabulary; the encoding is their sum, whatever the order of the words.

    Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification", with a sum in place of the mean: a reading
    (L,) uint8 numbers its words from 1 on, as the vocabulary lists them, and 0 stands for no word.
    """

    vocabulary: tuple[str, ...]
    """All words there are, each once: 255 at most, in lower case and without a space."""
    features: int = 64
    """Size of the encoding, and of the vector of a word."""

    def __post_init__(self) -> None:
        """Raises ValueError for a vocabulary that is none."""
        fit(self, "WordBag.")
        require_units("WordBag.features", (self.features,))
        if not 1 <= len(self.vocabulary) <= MOST_WORDS:
            raise ValueError(f"WordBag.vocabulary must have 1 to {MOST_WORDS} words, got {len(self.vocabulary)}")
        for word in self.vocabulary:
            if word.split() != [word] or word != word.lower() or not word.isprintable():
                raise ValueError(f"WordBag.vocabulary must be words in lower case without a space, got {word!r}")
        twice = sorted({word for word in self.vocabulary if self.vocabulary.count(word) > 1})
        if twice:
            raise ValueError(f"WordBag.vocabulary must have each word once, got more than one {', '.join(twice)}")

    def check(self, modality: Modality) -> None:
        words = len(self.vocabulary)
        if len(modality.shape) != 1 or modality.history is not None or modality.dtype != "uint8":
            raise ValueError(
                f"modality {modality.name!r}: WordBag reads the numbers of words (L,) as uint8 without history, got "
                f"shape {modality.shape} of {modality.dtype} and history {modality.history}"
            )
        low, high = modality.bounds
        if low.max() > 0 or high.max() > words:
            raise ValueError(
                f"modality {modality.name!r}: the numbers of {words} words are 0 to {words}, 0 for no word: low must "
                f"be 0 and high at most {words}, got {low.max()} and {high.max()}"
            )

    def numbers(self, text: str, length: int) -> NDArray[np.uint8]:
        """A text as a reading of so many words (length,), zeros after its last.

        Raises ValueError for a word that is not in the vocabulary, and for a text of more words.
        """
        words = text.lower().split()
        for word in words:
            if word not in self.vocabulary:
                raise ValueError(
                    f"the word {word!r} of {text!r} is not among the {len(self.vocabulary)} of the vocabulary: "
                    f"{', '.join(self.vocabulary)}"
                )
        if len(words) > length:
            raise ValueError(f"a text has at most {length} words here, got {len(words)}: {text!r}")
        numbers = np.zeros(length, np.uint8)
        numbers[: len(words)] = [self.vocabulary.index(word) + 1 for word in words]
        return numbers

    def text(self, numbers: ArrayLike) -> str:
        """The words of a reading (L,), as a text."""
        spoken: Iterable[int] = (int(number) for number in np.asarray(numbers) if number)
        return " ".join(self.vocabulary[number - 1] for number in spoken)


register_kind(Kind("words", WordBag, "mmrl.encoders.words:NETWORKS"))
