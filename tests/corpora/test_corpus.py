"""Words in, contexts and targets out."""

import io
import os
import random
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet.base.errors import InputError
from npnet.corpora.datasets import Vocabulary, build_dataset, show_contexts, split_words
from npnet.corpora.words import Words, load_words, read_words

TEN = ["emma", "ada", "noor", "li", "zoë", "o'neil", "ada", "anne marie", "éva", "மாலா"]
CORPORA = os.environ.get("NPNET_CORPORA")
needs_corpora = pytest.mark.skipif(
    not CORPORA, reason="NPNET_CORPORA names no folder with names.txt and indian_names.txt"
)

WORD = st.text(st.characters(exclude_characters="."))
WORDS = st.lists(WORD, min_size=1).filter(any)


def saved(folder: Path, content: str | bytes, name: str = "words.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def with_stdin(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))


# Word lists


def test_a_text_file_has_one_word_a_line_and_repeats_stay(tmp_path: Path) -> None:
    assert read_words(saved(tmp_path, "\n".join(TEN))) == TEN


def test_what_was_dropped_is_counted(tmp_path: Path) -> None:
    content = "\n".join(["", *TEN[:9], "  ", "\tlou\u00a0", ""])
    assert load_words(saved(tmp_path, content)) == Words([*TEN[:9], "lou"], blank=2, trimmed=1)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["words.txt", "words.csv"])
def test_byte_order_marks_and_windows_line_ends_leave_no_trace(
    tmp_path: Path, mark: bytes, end: str, name: str
) -> None:
    content = mark + "".join(word + end for word in TEN).encode()
    assert load_words(saved(tmp_path, content, name)) == Words(TEN, blank=0, trimmed=0)


@pytest.mark.parametrize("titles", ["id,name,tongue", "id, Name ,tongue", "id,WORD,tongue"])
def test_a_table_is_read_in_its_column_of_names_or_words(tmp_path: Path, titles: str) -> None:
    rows = [f"{number},{word},x" for number, word in enumerate(TEN)]
    assert read_words(saved(tmp_path, "\n".join([titles, *rows]), "w.CSV")) == TEN


def test_a_table_without_titles_is_read_in_its_first_column(tmp_path: Path) -> None:
    assert read_words(saved(tmp_path, "\n".join(f'"{word}",3' for word in TEN), "w.csv")) == TEN


def test_a_column_can_be_picked_by_its_title(tmp_path: Path) -> None:
    rows = ["", "name,village", *(f"x,{word}" for word in TEN), "x"]
    table = saved(tmp_path, "\n".join(rows), "w.csv")
    assert load_words(table, column="village") == Words(TEN, blank=2, trimmed=0)


def test_standard_input_is_text_or_with_a_column_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    with_stdin(monkeypatch, "\n".join(TEN))
    assert read_words("-") == TEN
    with_stdin(monkeypatch, "\n".join(["n,w", *(f"1,{word}" for word in TEN)]))
    assert read_words("-", column="w") == TEN


def test_folding_makes_capitals_small_and_keeps_spellings(tmp_path: Path) -> None:
    path = saved(tmp_path, "\n".join(["WEIß", "İnci", *TEN]))
    assert read_words(path)[:2] == ["WEIß", "İnci"]
    assert read_words(path, fold=True)[:2] == ["weiß", "i\u0307nci"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"emma\n\nst.john\n", r"words.txt, line 3: 'st\.john' contains '\.'"),
        (b"emma\nada\tf\n", r"line 2: .*U\+0009"),
        (b"emma\nad\x00a\n", r"line 2: .*U\+0000"),
        (b"emma\rada\r", r"line 1: .*U\+000D"),
        ("emma\na\u2028b".encode(), r"line 2: .*U\+2028"),
        ("emma\na\ufeffb".encode(), r"line 2: .*U\+FEFF"),
        (b"emma\nzo\xeb\n", r"line 2: byte 0xeb, wanted UTF-8"),
        (b"\xef\xbb\xbf\n\xff", r"line 2: byte 0xff"),
        ("emma".encode("utf-16"), r"line 1: byte 0xff"),
        (b"", r"words.txt: 0 words, wanted 10 or more"),
        (b"\n \n", r"words.txt: 0 words"),
        (b"a\n" * 9, r"words.txt: 9 words"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_words(saved(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('name\nemma\n"ada\nlou\n', r"w.csv, line 3: .*quotation mark"),
        ('name\n"a\nb"\n', r"line 2: .*U\+000A"),
        ('name\n"a",1\n"li",2\n"st.john",3\n', r"line 4: 'st\.john'"),
    ],
)
def test_a_faulty_row_is_named_by_the_line_on_which_it_begins(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_words(saved(tmp_path, content, "w.csv"))


def test_an_unknown_column_is_answered_with_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'wort', only name, language"):
        read_words(saved(tmp_path, "name,language\n", "w.csv"), column="wort")


def test_a_path_that_cannot_be_read_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"absent.txt: No such file or directory, wanted a file"):
        read_words(tmp_path / "absent.txt")
    with pytest.raises(InputError, match="wanted a file of words"):
        read_words(tmp_path)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        read_words("secret.txt")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input: closed"):
        read_words("-")


# The vocabulary


def test_the_end_mark_is_0_and_the_others_follow_sorted() -> None:
    vocab = Vocabulary.from_words(["o'neil", "zoë"])
    assert (vocab.chars, vocab.size) == (".'eilnozë", 9)
    assert vocab.encode("zo.").tolist() == [7, 6, 0]
    assert vocab.encode("").dtype == vocab.encode("zo.").dtype == np.int64
    assert vocab.decode([]) == ""


@given(WORDS)
def test_decoding_undoes_encoding(words: list[str]) -> None:
    vocab = Vocabulary.from_words(words)
    text = ".".join(words)
    ids = vocab.encode(text)
    ids.setflags(write=False)
    assert vocab.decode(ids) == vocab.decode(ids.tolist()) == text


@given(WORDS, st.randoms())
def test_any_order_of_the_characters_gives_the_same_vocabulary(
    words: list[str], generator: random.Random
) -> None:
    vocab = Vocabulary.from_words(words)
    chars = list(vocab.chars * 2)
    generator.shuffle(chars)
    assert Vocabulary.from_chars(chars) == Vocabulary.from_chars(vocab.chars[1:]) == vocab


@pytest.mark.parametrize(("text", "word"), [("ada.zoé.lou", "zoé"), ("zoé", "zoé"), ("a😀", "a😀")])
def test_an_unknown_character_is_named_with_its_word(text: str, word: str) -> None:
    with pytest.raises(InputError, match=f"'{word[-1]}' in '{word}', wanted characters out of"):
        Vocabulary.from_chars("adlouz").encode(text)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0, 3], r"indices from 0 to 3, wanted 0 to 2"),
        ([-1, 2], r"indices from -1 to 2"),
        ([1.0], r"float64 of shape \(1,\)"),
        ([[1, 2]], r"int64 of shape \(1, 2\), wanted whole numbers of shape \(n,\)"),
    ],
)
def test_decoding_refuses_what_is_no_index(ids: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Vocabulary.from_chars("ab").decode(ids)


@pytest.mark.parametrize("chars", ["", ".", "ab", ".ba", ".aa", "a.b", "..a"])
def test_a_vocabulary_made_by_hand_has_to_be_in_order(chars: str) -> None:
    with pytest.raises(InputError, match=r"use Vocabulary\.from_chars"):
        Vocabulary(chars)


# Splits


@given(st.lists(WORD, min_size=6), st.integers())
def test_a_split_is_the_shuffled_list_cut_in_three(words: list[str], seed: int) -> None:
    expected = words.copy()
    random.Random(seed).shuffle(expected)
    train, dev, test = split_words(tuple(words), seed)
    assert train + dev + test == expected
    assert (len(train), len(train + dev)) == (int(0.8 * len(words)), int(0.9 * len(words)))


def test_a_split_does_not_change_the_list() -> None:
    words = TEN.copy()
    split_words(words)
    assert words == TEN
    assert split_words(words, None) == (TEN[:8], TEN[8:9], TEN[9:])


def test_a_cell_run_again_seeds_again_and_shuffles_the_shuffled() -> None:
    expected = TEN.copy()
    random.Random(7).shuffle(expected)
    random.Random(7).shuffle(expected)
    train, dev, test = split_words(TEN, 7, times=2)
    assert train + dev + test == expected


# Published by three notebooks whose shuffling cell ran two and three times, and by the lecture.
@pytest.mark.parametrize(("times", "examples"), [(1, 182_625), (2, 182_580), (3, 182_437)])
def test_shuffles_give_the_published_numbers_of_examples(
    names_txt: list[str], times: int, examples: int
) -> None:
    train, _, _ = split_words(names_txt, 42, times=times)
    assert sum(len(word) + 1 for word in train) == examples


def test_a_split_with_an_empty_part_is_refused() -> None:
    with pytest.raises(InputError, match="parts of 4, 0, 1 words"):
        split_words(TEN[:5])
    with pytest.raises(InputError, match="times=0"):
        split_words(TEN, times=0)
    with pytest.raises(InputError, match="times=2"):
        split_words(TEN, None, times=2)


# Contexts and targets


def appended_one_by_one(
    words: list[str], vocab: Vocabulary, block_size: int
) -> tuple[list[list[int]], list[int]]:
    contexts, targets = [], []
    for word in words:
        context = [0] * block_size
        for character in word + ".":
            target = vocab.chars.index(character)
            contexts.append(context)
            targets.append(target)
            context = [*context[1:], target]
    return contexts, targets


@given(WORDS, st.integers(1, 8))
def test_moving_columns_gives_the_rows_of_the_plain_loop(words: list[str], block_size: int) -> None:
    vocab = Vocabulary.from_words(words)
    X, Y = build_dataset(words, vocab, block_size)
    contexts, targets = appended_one_by_one(words, vocab, block_size)
    assert X.dtype == Y.dtype == np.int64
    assert X.shape == (len(targets), block_size)
    assert X.tolist() == contexts
    assert Y.tolist() == targets


def test_contexts_can_be_shown() -> None:
    assert show_contexts("emma", Vocabulary.from_words(TEN), 3) == [
        "... ---> e",
        "..e ---> m",
        ".em ---> m",
        "emm ---> a",
        "mma ---> .",
    ]


def test_a_long_word_moves_through_the_window() -> None:
    word = "ab" * 5_000
    X, Y = build_dataset([word], Vocabulary.from_chars("ab"), 4)
    assert X[-1].tolist() == [1, 2, 1, 2]
    assert Y.tolist() == [1, 2] * 5_000 + [0]


def test_memory_stays_near_that_of_the_result() -> None:
    words = [word * 3 for word in TEN] * 2_000
    vocab = Vocabulary.from_words(words)
    tracemalloc.start()
    X, Y = build_dataset(words, vocab, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * (X.nbytes + Y.nbytes)


@pytest.mark.parametrize(
    ("words", "block_size", "message"),
    [
        (["emma", "zoé"], 3, "'é' in 'zoé'"),
        (["emma", "a.m"], 3, r"build_dataset: 'a\.m' contains '\.'"),
        ([], 3, "no words"),
        ("emma", 3, r"the str 'emma', wanted a list of them: \[word\]"),
        (["emma", None], 3, "build_dataset: .*wanted a list of str"),
        (["emma"], 0, "block_size=0, wanted 1 or more"),
    ],
)
def test_words_without_rows_are_refused(words: list[str], block_size: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_dataset(words, Vocabulary.from_chars("aemoz"), block_size)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["emma", "a.m"], r"Vocabulary.from_words: 'a\.m' contains '\.'"),
        ([], "Vocabulary.from_words: no words"),
        ("emma", "Vocabulary.from_words: the str 'emma'"),
        ([""], "at least one other character"),
    ],
)
def test_words_without_a_vocabulary_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Vocabulary.from_words(words)


# Published figures


@needs_corpora
def test_the_lecture_split_of_names_txt() -> None:
    words = read_words(Path(CORPORA or "") / "names.txt")
    vocab = Vocabulary.from_words(words)
    assert (len(words), vocab.size, max(map(len, words))) == (32_033, 27, 15)
    sets = [build_dataset(part, vocab, 3) for part in split_words(words, 42)]
    assert [len(Y) for _, Y in sets] == [182_625, 22_655, 22_866]
    X, _ = sets[0]
    assert [vocab.decode(context) for context in X[:4]] == ["...", "..y", ".yu", "yuh"]


@needs_corpora
def test_the_published_split_of_the_indian_names() -> None:
    words = read_words(Path(CORPORA or "") / "indian_names.txt", fold=True)
    assert [len(part) for part in split_words(words, 69)] == [43_185, 5_398, 5_399]
    assert Vocabulary.from_words(words).chars == ".abcdefghijklmnopqrstuvwxyz"
