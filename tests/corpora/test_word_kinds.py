"""Files that are not word lists are recognised; odd word lists are read, with a remark."""

# ruff: noqa: E501 - one line for each list

import gzip
import unicodedata
from pathlib import Path

import pytest

from npnet.base.errors import InputError
from npnet.cli import main
from npnet.corpora.words import load_words, read_words

NAMES = ["anna", "bela", "carl", "dora", "emil", "fritz", "gerd", "hanna", "ida", "jens"]


def saved(folder: Path, content: str | bytes, name: str = "words.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(form: str, names: list[str] = NAMES) -> str:
    return "".join(form.format(name, number) + "\n" for number, name in enumerate(names, 1))


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (lines("{1};{0}"), "w.txt", "table of 2 columns between semicolons, .*--separator ';' --column"),
        (lines("{0},{1},x"), "w.txt", "table of 3 columns between commas"),
        (lines("{0}\tx"), "w.txt", "table of 2 columns between tabs, .*--separator tab"),
        (lines("{0};x"), "w.csv", "table of 2 columns between semicolons"),
        (lines("{1},{0}"), "w.csv", "the column holds numbers such as '10', .*--column"),
        (lines("{0} {1}00"), "w.txt", "words with numbers, .*--separator blanks --column 1"),
        (lines("   {1}00 {0}"), "w.txt", "words with numbers, .*--separator blanks --column 2"),
        (lines("{1}"), "w.txt", "is a list of numbers"),
        ("10\n" + lines("{0}/SM"), "w.dic", "dictionary with flags .*--separator / --column 1"),
        ("<html>\n" + lines("<li>{0}</li>"), "w.txt", "is a page of HTML"),
        (lines("<p>{0}</p>"), "w.txt", "is a page of HTML"),
        ('["' + '", "'.join(NAMES) + '"]', "w.txt", "is JSON"),
        ("[\n" + lines('"{0}",') + '"x"\n]\n', "w.txt", "is JSON"),
        (lines('{{"name": "{0}"}}'), "w.txt", "is JSON"),
        ("10\n" + lines("{0}"), "w.dic", "line 1: 10, which is no word but a count .*--separator / --column 1"),
        ("First Name\n" + lines("{0}"), "w.txt", "line 1: 'First Name', which looks like a title: --column 1"),
        (lines("{0}") + "ren\ufffd\n", "w.txt", "line 11: 'ren\ufffd' contains U\\+FFFD"),
        ("# names\n" + lines("{0}"), "w.txt", "line 1: '# names', which looks like a comment"),
        (lines("- {0}"), "w.md", "a mark before each word, .*--separator blanks --column 2"),
        (lines("{0}: x"), "w.txt", "2 columns between colons"),
        (lines("{0}  AH{1} B"), "w.txt", "columns between blanks, .*--separator blanks --column 1"),
        ("{\\rtf1\n" + lines("{0}\\par"), "w.rtf", "formats"),
        (gzip.compress(lines("{0}").encode(), mtime=0), "w.txt.gz", "packed by gzip"),
        (lines("{0}").encode("utf-16"), "w.txt", "--encoding utf-16"),
        (lines("{0},x").replace("anna,x", "First Name,Last Name"), "w.csv", "2 columns of words, First Name, Last Name: choose with --column"),
        (lines("{0},x").replace("anna,x", "a,a"), "w.csv", "no column 'b'"),
    ],
)  # fmt: skip
def test_other_files_are_refused_with_what_to_type(
    content: str | bytes, name: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_words(saved(tmp_path, content, name), column="b" if "'b'" in says else None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "name", "options"),
    [
        (lines("{1};{0}"), "w.txt", {"separator": ";", "column": "2"}),
        ("id;name\n" + lines("{1};{0}"), "w.csv", {"separator": ";"}),
        (lines("{0}\tx"), "w.txt", {"separator": "tab"}),
        (lines("   {1}00 {0}"), "w.txt", {"separator": "blanks", "column": "2"}),
        ("10\n" + lines("{0}/SM"), "w.dic", {"separator": "/", "column": "1"}),
        ("10\n" + lines("{0}"), "w.dic", {"separator": "/", "column": "1"}),
        (lines("- {0}"), "w.md", {"separator": "blanks", "column": "2"}),
        (lines("{0}: x"), "w.txt", {"separator": ":", "column": "1"}),
        (lines("{0}   1.0  {1}"), "w.txt", {"separator": "blanks", "column": "1"}),
        (
            "| name | n |\n|---|--:|\n" + lines("| {0} | {1} |"),
            "w.md",
            {"separator": "|", "column": "2"},
        ),
        ("First Name\n" + lines("{0}"), "w.txt", {"column": "1"}),
        ("Vorname,Age\n" + lines("{0},{1}"), "w.csv", {}),
        ("First Name,Age\n" + lines("{0},{1}"), "w.csv", {}),
        ("Age,surname\n" + lines("{1},{0}"), "w.csv", {}),
        ("names\n" + lines("{0}"), "w.csv", {}),
        (lines("{0}").encode("utf-16"), "w.txt", {"encoding": "utf-16"}),
    ],
)
def test_what_was_advised_reads_the_words(
    content: str | bytes, name: str, options: dict[str, str], tmp_path: Path
) -> None:
    path = saved(tmp_path, content, name)
    assert read_words(path, **options) == NAMES  # type: ignore[arg-type]


def test_a_list_that_only_looks_like_a_table_can_be_kept(tmp_path: Path) -> None:
    path = saved(tmp_path, lines("{0},x"))
    assert read_words(path, separator="none") == [f"{name},x" for name in NAMES]


@pytest.mark.parametrize("character", ["\u200b", "\u00ad", "\u200e", "\u202e", "\u2066", "\u00a0"])
def test_invisible_characters_are_refused_by_line(character: str, tmp_path: Path) -> None:
    path = saved(tmp_path, lines("{0}") + f"a{character}b\n")
    with pytest.raises(InputError, match=f"line 11: .*invisible U\\+{ord(character):04X}"):
        read_words(path)


def test_joiners_of_persian_and_indian_scripts_are_letters(tmp_path: Path) -> None:
    words = [*NAMES, "می\u200cخواهم", "क्\u200dष"]
    assert read_words(saved(tmp_path, "\n".join(words))) == words


def test_separate_accents_are_composed_with_their_letters(tmp_path: Path) -> None:
    names = ["zoé", "rené", "chloë", *NAMES]
    mixed = [unicodedata.normalize("NFD", name) if name != "zoé" else name for name in names]
    found = load_words(saved(tmp_path, "\n".join(mixed)))
    assert (found.words, found.composed) == (names, 2)
    apart = [unicodedata.normalize("NFD", name) for name in names]
    assert load_words(saved(tmp_path, "\n".join(apart))).words == apart
    assert read_words(saved(tmp_path, "\n".join(mixed)), lines="splitlines") == mixed


def test_an_encoding_can_be_named(tmp_path: Path) -> None:
    path = saved(tmp_path, lines("{0}ë").encode("cp1252"))
    with pytest.raises(InputError, match=r"line 1: byte 0xeb, wanted UTF-8.*--encoding cp1252"):
        read_words(path)
    assert read_words(path, encoding="cp1252")[0] == "annaë"
    with pytest.raises(InputError, match="--encoding: got 'cp1253x'"):
        read_words(path, encoding="cp1253x")


def test_repeats_are_counted_and_can_be_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, lines("{0}", [*NAMES, *NAMES]), "w.txt")
    train = ["train", "--words", "w.txt", "--steps", "3", "--hidden", "3", "--batch", "4"]
    assert main([*train, "--out", "a"]) == 0
    said = capsys.readouterr().err
    assert "w.txt: 10 repeated words: --unique keeps one of each" in said
    assert "of 2 test words are training words too" in said
    assert main([*train, "--out", "b", "--unique", "--fold"]) == 0
    assert capsys.readouterr().err == "dropped 10 repeated words\n"
    assert sorted(Path("b", "words.txt").read_text().split()) == NAMES
