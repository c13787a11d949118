"""Word lists, and the contexts and targets that the network learns from."""

import codecs
import csv
import io
import os
import random
import re
import reprlib
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npnet.base.arguments import (
    PATH,
    SIZE,
    SWITCH,
    TEXT,
    TEXTS,
    WHOLE,
    Kind,
    an,
    checked,
    or_none,
    require,
)
from npnet.base.arrays import Ints, read_array
from npnet.base.errors import InputError, shown
from npnet.corpora.kinds import (
    is_rule,
    refuse_numbers,
    refuse_other_kinds,
    refuse_other_separators,
    refuse_packed,
)

END = "."  # ends every word and fills the contexts before its first character; index 0

# Which lines of a text are words. "words": lines that are not blank, without spaces at either end.
# "splitlines" and "split": every line unchanged, empty lines too, as Python's text.splitlines() or
# text.split("\\n") gives them.
LINES = ("words", "splitlines", "split")

FEWEST_WORDS = 10  # a file with fewer is most often the wrong file

# The end mark, control characters, line and paragraph separators, a byte order mark inside a word,
# lone surrogates (UTF-8 has no bytes for them), non-breaking and zero-width spaces, soft hyphens
# and direction marks. Joiners are allowed: Persian and Indian scripts need them.
FORBIDDEN = re.compile(
    r"[.\x00-\x1f\x7f-\xa0\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202f\u2060\u2066-\u2069"
    r"\ufeff\ud800-\udfff]"
)

# Names that --separator accepts in place of a character; "none": the text is not a table.
NAMED_SEPARATORS = {"tab": "\t", "blanks": " ", "blank": " ", "none": None}

# Titles of a column of words, in lower case.
TITLE = re.compile(
    r"(.* )?(first|last|sur|given|full|family|user|nick|fore|middle|vor|nach)?(names?|words?)"
)

FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class Words:
    """The words of one file, and how many lines were changed or left out."""

    words: list[str]  # in the file's order, repeats kept
    blank: int  # lines or rows without a word
    trimmed: int  # words that had spaces at either end
    composed: int = 0  # words whose accents were separate characters, unlike those of other words


@checked(
    path=PATH,
    fold=SWITCH,
    column=or_none(Kind("a title or a number", lambda got: isinstance(got, str | int))),
    lines=TEXT,
    separator=TEXT,
    encoding=TEXT,
)
def read_words(
    path: FilePath,
    *,
    fold: bool = False,
    column: str | None = None,
    lines: str = LINES[0],
    separator: str | None = None,
    encoding: str = "utf-8",
) -> list[str]:
    """Return the words of a file, as ``load_words`` finds them."""
    return load_words(
        path, fold=fold, column=column, lines=lines, separator=separator, encoding=encoding
    ).words


def load_words(
    path: FilePath,
    *,
    fold: bool = False,
    column: str | None = None,
    lines: str = LINES[0],
    separator: str | None = None,
    encoding: str = "utf-8",
) -> Words:
    """Read a word list: UTF-8 text with one word a line, or a table.

    A file is a table if its name ends in ``.csv``, or if ``column`` or ``separator`` is given.
    ``column`` is the title or the number (from 1) of the column with the words. Without ``column``,
    it is the column whose title is ``name`` or ``word`` or ends in this word, such as ``First
    Name`` (capitals do not matter). If there is no such title, it is the first column, and the
    first row is a word like the others. ``separator`` separates the cells: a character, ``tab``,
    ``blanks``, or ``none`` for a text that only looks like a table. ``-`` reads standard input. A
    byte order mark and Windows line ends are accepted.

    A text that is a table, JSON, HTML, a dictionary with flags or a list of numbers is refused.
    If only some words have accents as separate characters, these are composed (NFC).

    ``lines`` says which lines are words. ``words``: lines that are not blank, without blanks around
    them. ``splitlines`` or ``split``: every line, as Python's ``text.splitlines()`` or
    ``text.split("\\n")`` gives it. An empty line is then an empty word. With ``split``, the text
    after the last line end is a word too, usually an empty one.

    ``fold`` lower-cases by ``str.lower``, as the lecture does. ``str.casefold`` is for comparing
    and changes spellings (ß to ss), which the samples would then show.

    Raises InputError, with the line number if a line is the cause: the file cannot be read, is not
    UTF-8, has no such column or fewer than 10 words, or a word contains the end mark or an
    invisible character such as a tab or a line separator.
    """
    if lines not in LINES:
        raise InputError(f"load_words: lines={lines!r}, wanted one of {', '.join(LINES)}")
    source = "standard input" if os.fspath(path) == "-" else os.fspath(path) or "''"
    text = _read(path, source, encoding)
    if separator is not None and len(separator) != 1 and separator not in NAMED_SEPARATORS:
        raise InputError(
            f"--separator: got {shown(separator)}, wanted one character, tab, blanks or none"
        )
    is_table = column is not None or Path(path).suffix.lower() == ".csv" or separator is not None
    if is_table and separator != "none":
        if separator is None:
            refuse_other_separators(text.split("\n"), source)
        cells = _cells(text, source, column, NAMED_SEPARATORS.get(separator or ",", separator))
    else:
        kept = text if lines == "split" else text.removesuffix("\n")
        parts = kept.split("\n")
        if separator is None and lines == LINES[0]:
            refuse_other_kinds(parts, source)
            title = " ".join(re.findall(r"[^\W_]+", parts[0].lower()))
            if TITLE.fullmatch(title) and title not in ("name", "word") and len(parts) > 1:
                raise InputError(
                    f"{source}, line 1: {shown(parts[0].strip())}, which looks like a title: "
                    "--column 1 takes the words below it (--separator none: it is a word)"
                )
        cells = enumerate(parts, start=1)

    words = []
    blank = trimmed = 0
    for line, cell in cells:
        content = cell.removesuffix("\r")
        word = content.strip() if lines == LINES[0] else content
        if not word and lines == LINES[0]:
            blank += 1
            continue
        if "\ufffd" in word:
            raise InputError(
                f"{source}, line {line}: {shown(word)} contains U+FFFD, which stands for a lost "
                "letter: save the file again from where its letters are right"
            )
        if found := FORBIDDEN.search(word):
            raise InputError(f"{source}, line {line}: {_why_forbidden(word, found[0])}")
        trimmed += word != content
        words.append(word.lower() if fold else word)
    if len(words) < FEWEST_WORDS:
        raise InputError(
            f"{source}: {len(words)} words, wanted {FEWEST_WORDS} or more: is it the right file?"
        )
    if is_table:
        refuse_numbers(words, source)
    if lines != LINES[0] or "".join(words).isascii():
        return Words(words, blank, trimmed)
    composed = [unicodedata.normalize("NFC", word) for word in words]
    apart = sum(old != new for old, new in zip(words, composed, strict=True))
    whole = any(
        old == new != unicodedata.normalize("NFD", new)
        for old, new in zip(words, composed, strict=True)
    )
    if apart and whole:
        return Words(composed, blank, trimmed, apart)
    return Words(words, blank, trimmed)


def _read(path: FilePath, source: str, encoding: str) -> str:
    try:
        if os.fspath(path) != "-":
            data = Path(path).read_bytes()
        elif sys.stdin is None:
            raise InputError(f"{source}: closed, wanted words, one a line: name a file instead")
        else:
            data = sys.stdin.buffer.read()
        refuse_packed(data, source)
        return data.removeprefix(codecs.BOM_UTF8).decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise InputError(
            f"--encoding: got {shown(encoding)}, wanted one that Python knows, such as cp1252"
        ) from None
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}, wanted a file of words") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        wide = error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise InputError(
            f"{source}, line {line}: byte 0x{error.object[error.start]:02x}, wanted "
            f"{'UTF-8' if encoding == 'utf-8' else encoding}: save the file with that encoding, or "
            f"name its own, {'--encoding utf-16' if wide else 'such as --encoding cp1252'}"
        ) from None


def _cells(
    text: str, source: str, column: str | None, separator: str | None
) -> Iterator[tuple[int, str]]:
    """Yield, for each row, its first line and its word; "" if the row is too short."""
    if separator == "/":
        # A dictionary begins with the number of its words.
        text = re.sub(r"\A\d+\s*\n", "\n", text)
    # Strict: otherwise, after a quotation mark that is not closed, the rest of the file is one
    # cell.
    reader = csv.reader(
        io.StringIO(text, newline=""),
        strict=True,
        delimiter=separator or ",",
        skipinitialspace=separator == " ",
    )
    following = 1
    place = None
    try:
        for row in reader:
            line, following = following, reader.line_num + 1
            if place is None and any(row):
                place, has_titles = _find_column([cell.strip() for cell in row], source, column)
                if has_titles:
                    continue
            if separator == "|" and is_rule(row):
                continue
            yield line, "" if place is None or place >= len(row) else row[place]
    except csv.Error as error:
        hint = "look for a quotation mark that is not closed"
        raise InputError(f"{source}, line {following}: {error}: {hint}") from None


def _find_column(first_row: list[str], source: str, column: str | None) -> tuple[int, bool]:
    """Return the column of the words, and whether the first row has the titles."""
    titles = [" ".join(re.findall(r"[^\W_]+", cell.lower())) for cell in first_row]
    known = [place for place, title in enumerate(titles) if TITLE.fullmatch(title)]
    if column is not None:
        number = column.isdecimal() and 1 <= int(column) <= len(first_row)
        if first_row.count(column) == 1 and not number:
            return first_row.index(column), True
        if column in first_row and not number:
            raise InputError(
                f"{source}: {first_row.count(column)} columns are called {column!r}: "
                "type the number of one of them, such as --column 1"
            )
        if number:
            return int(column) - 1, bool(known)
        raise InputError(f"{source}: no column {column!r}, only {', '.join(first_row)}")
    for title in ("name", "word"):
        if title in titles:
            return titles.index(title), True
    if len(known) > 1:
        found = ", ".join(first_row[place] for place in known)
        raise InputError(f"{source}: {len(known)} columns of words, {found}: choose with --column")
    return (known[0], True) if known else (0, False)


def refuse_unwritable(words: Sequence[str], who: str) -> None:
    """Raise InputError for words that ``load_words`` would not read back from a file."""
    if FORBIDDEN.search("".join(words)):
        word, found = next((word, found) for word in words if (found := FORBIDDEN.search(word)))
        raise InputError(f"{who}: {_why_forbidden(word, found[0])}")


def _why_forbidden(word: str, character: str) -> str:
    if character == END:
        return f"{reprlib.repr(word)} contains {END!r}, the mark that ends every word: take it out"
    return f"{reprlib.repr(word)} contains the invisible U+{ord(character):04X}: take it out"


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
        raise InputError(f"{who}: {_why_forbidden(word, END)}")


def _code_points(text: str) -> NDArray[np.uint32]:
    # Lone surrogates are allowed here; only files cannot have them.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
