"""Vocabulary and splits of words, and the contexts and targets from which the network learns."""

import random
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from npnet.base.arguments import (
    SIZE,
    TEXT,
    TEXTS,
    WHOLE,
    an,
    checked,
    or_none,
    require,
)
from npnet.base.arrays import Ints, read_array
from npnet.base.errors import InputError
from npnet.corpora.words import END, why_forbidden


@dataclass(frozen=True)
class Vocabulary:
    """The V characters that the network knows, in the order of their indices.

    ``chars`` is the end mark and then all other characters, sorted by code point: ``.abc…z``.
    """

    chars: str

    def __post_init__(self) -> None:
        require("Vocabulary", "chars", self.chars, TEXT)
        if len(self.chars) < 2 or self.chars != END + "".join(sorted({*self.chars} - {END})):
            raise InputError(
                f"Vocabulary: {reprlib.repr(self.chars)}, wanted the end mark {END!r} and at "
                "least one other character, sorted, none twice: use Vocabulary.from_chars"
            )

    @classmethod
    def from_words(cls, words: Sequence[str]) -> "Vocabulary":
        """Collect the characters of the words. Raises InputError as ``build_dataset`` does."""
        text = _join(words, "Vocabulary.from_words")
        _refuse_inner_end(words, text.count(END), "Vocabulary.from_words")
        return cls.from_chars(text)

    @classmethod
    def from_chars(cls, chars: Iterable[str]) -> "Vocabulary":
        """Make a vocabulary of characters in any order, with or without the end mark.

        Raises InputError if ``chars`` is neither a str nor several of them.
        """
        require("Vocabulary.from_chars", "chars", chars, TEXTS)
        try:
            known = {*"".join(chars)}
        except TypeError as error:
            raise InputError(f"Vocabulary.from_chars: {error}, wanted characters") from None
        return cls(END + "".join(sorted(known - {END})))

    @property
    def size(self) -> int:
        """V, including the end mark."""
        return len(self.chars)

    @cached_property
    def _index_of(self) -> Ints:
        """The index of each code point up to the highest known one, then −1; −1 if unknown."""
        codes = _code_points(self.chars)
        table = np.full(int(codes.max()) + 2, -1)
        table[codes] = np.arange(self.size)
        return table

    def encode(self, text: str) -> Ints:
        """Return the index of each character, int64 of shape (len(text),).

        The text can contain end marks. An unknown character raises InputError, which names the
        character and its word.
        """
        require("Vocabulary.encode", "text", text, TEXT)
        # All code points beyond the table are clipped to its last entry.
        indices = self._index_of.take(_code_points(text), mode="clip")
        if (indices < 0).any():
            place = int(indices.argmin())
            word = text[:place].rpartition(END)[2] + text[place:].partition(END)[0]
            raise InputError(
                f"Vocabulary.encode: {text[place]!r} in {reprlib.repr(word)}, wanted characters "
                f"out of {reprlib.repr(self.chars)}: fold the words, or make a vocabulary of them"
            )
        return indices

    def decode(self, ids: Sequence[int] | Ints) -> str:
        """Return the characters at these indices, whole numbers from 0 to V−1 of shape (n,).

        Raises InputError for anything else.
        """
        indices = read_array("Vocabulary.decode: ids", ids)
        if indices.size == 0:
            return ""
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise InputError(
                f"Vocabulary.decode: {indices.dtype} of shape {indices.shape}, wanted whole "
                "numbers of shape (n,): decode rows one by one"
            )
        if indices.min() < 0 or indices.max() >= self.size:
            raise InputError(
                f"Vocabulary.decode: indices from {indices.min()} to {indices.max()}, "
                f"wanted 0 to {self.size - 1}: use the vocabulary that they were made with"
            )
        return "".join([self.chars[index] for index in indices.tolist()])


@checked(words=TEXTS, seed=or_none(WHOLE), times=SIZE)
def split_words(
    words: Sequence[str], seed: int | None = 42, *, times: int = 1
) -> tuple[list[str], list[str], list[str]]:
    """Shuffle a copy of the words and cut it at 80 % and 90 %: training, dev and test words.

    The words are shuffled ``times`` times in a row, each time by a new ``random.Random(seed)``.
    This happens when a notebook cell runs again: it sets the seed and shuffles the shuffled words.
    If the seed is None, the order stays.

    Raises InputError if a part would be empty, or for a str instead of a list.
    """
    if times < 1 or (seed is None and times > 1):
        raise InputError(f"split_words: times={times}, wanted 1 or more, and 1 without a seed")
    _refuse_text(words, "split_words")
    shuffled = list(words)
    if seed is not None:
        for _ in range(times):
            random.Random(seed).shuffle(shuffled)
    first, second = int(0.8 * len(shuffled)), int(0.9 * len(shuffled))
    parts = shuffled[:first], shuffled[first:second], shuffled[second:]
    if not all(parts):
        sizes = ", ".join(str(len(part)) for part in parts)
        raise InputError(f"split_words: parts of {sizes} words, wanted none empty: add words")
    return parts


@checked(vocab=an(Vocabulary, "an npnet.Vocabulary"), block_size=SIZE)
def build_dataset(
    words: Sequence[str], vocab: Vocabulary, block_size: int = 3
) -> tuple[Ints, Ints]:
    """Return contexts X (N, T) and targets Y (N,), both int64, in the order of the words.

    Each word gives one row for each of its characters and one for the end mark after it. The
    lecture appends to lists, character by character; this function moves whole columns.

    Raises InputError if there are no words, an entry is not a str, a word contains an end mark, a
    character is not in the vocabulary (the message names it and its word), or the block size is
    below 1.
    """
    if block_size < 1:
        raise InputError(f"build_dataset: block_size={block_size}, wanted 1 or more")
    Y = vocab.encode(_join(words, "build_dataset"))
    ends = Y == 0
    _refuse_inner_end(words, int(np.count_nonzero(ends)), "build_dataset")
    X = np.zeros((len(Y), block_size), dtype=np.int64)
    X[1:, -1] = Y[:-1]
    begun = ~ends[:-1]  # for each row except the first: is the previous row in the same word?
    for place in range(block_size - 1, 0, -1):
        # A context is the previous row's context, moved one place to the left, unless a word
        # begins.
        np.multiply(X[:-1, place], begun, out=X[1:, place - 1])
    return X, Y


def show_contexts(word: str, vocab: Vocabulary, block_size: int = 3) -> list[str]:
    """Return the word's rows of the data set as lines such as ``..e ---> m``."""
    contexts, targets = build_dataset([word], vocab, block_size)
    rows = zip(contexts, targets, strict=True)
    return [f"{vocab.decode(context)} ---> {vocab.chars[target]}" for context, target in rows]


def _join(words: Sequence[str], who: str) -> str:
    """Return all words as one text, with an end mark after each word."""
    _refuse_text(words, who)
    try:
        text = END.join([*words, ""])
    except TypeError as error:
        raise InputError(f"{who}: {error}, wanted a list of str") from None
    if not text:
        raise InputError(f"{who}: no words, wanted at least one")
    return text


def _refuse_text(words: Sequence[str], who: str) -> None:
    """Refuse a str: Python would take its letters for words."""
    if isinstance(words, str):
        raise InputError(f"{who}: the str {reprlib.repr(words)}, wanted a list of them: [word]")


def _refuse_inner_end(words: Sequence[str], ends: int, who: str) -> None:
    """Refuse words if ``text``, made by ``_join``, has more end marks than there are words."""
    if ends > len(words):
        word = next(word for word in words if END in word)
        raise InputError(f"{who}: {why_forbidden(word, END)}")


def _code_points(text: str) -> NDArray[np.uint32]:
    # Lone surrogates are allowed here; only files cannot have them.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
