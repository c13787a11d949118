"""A remark on an alphabet that is much larger than usual, and no remark on others."""

from pathlib import Path

import pytest

import npnet
from npnet.cli import main
from npnet.corpora.alphabet import remark_on_alphabet

NAMES = ["anna", "bob", "zoe", "ada", "mia", "otto", "nina", "ava", "noor", "ben"] * 30


def test_many_characters_of_single_words_are_remarked_on() -> None:
    strange = [f"x{chr(0x4E00 + k)}" for k in range(40)]
    said = remark_on_alphabet(NAMES + strange)
    assert said is not None
    assert "53 different characters, and 40 of them stand in 2 words or fewer" in said
    assert "--encoding" in said


def test_characters_that_are_seen_too_seldom_are_remarked_on() -> None:
    names = [f"{chr(0x4E00 + k % 50)}{chr(0x5E00 + k % 47)}" for k in range(150)]
    said = remark_on_alphabet(names)
    assert said is not None
    assert "97 different characters, each in 3 words" in said


@pytest.mark.parametrize("more", [[], ["Zoé", "Björk", "Ünal"], ["ANNA", "BOB"]])
def test_usual_lists_are_not(more: list[str]) -> None:
    assert remark_on_alphabet(NAMES + more) is None
    assert remark_on_alphabet(npnet.default_words()) is None
    # A script of many letters, each of which stands in many words.
    large = [f"{chr(0xAC00 + k % 90)}{chr(0xB000 + k % 77)}" for k in range(3000)]
    assert remark_on_alphabet(large) is None


def test_the_command_remarks_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    strange = [f"x{chr(0x4E00 + k)}" for k in range(40)]
    Path("words.txt").write_text("\n".join(NAMES + strange), encoding="utf-8")
    assert main(["train", "--words", "words.txt", "--hidden", "4", "--steps", "3", "--quiet"]) == 0
    assert "words.txt: the words have 53 different characters" in capsys.readouterr().err
