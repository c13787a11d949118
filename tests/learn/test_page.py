"""`npnet page`: the contents of the file, and the command that writes it."""

import base64
import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet.base.arrays import Array
from npnet.cli import main
from npnet.cli.check import first_minibatch
from npnet.learn import page_markup
from npnet.learn.notation import code_of, docstring, forward_lines
from npnet.learn.page import STEPS, page
from npnet.learn.page_markup import places
from npnet.network.gradients import GRADIENTS
from npnet.network.graph import readers
from npnet.network.names import NAMES

SMALL = ["--batch", "8", "--hidden", "4"]
EMPTY = ("br", "link", "meta")  # elements that HTML leaves open


class Page(HTMLParser):
    """The parts of a page, which is refused if its elements are not nested."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}  # by the id of the section, or the tag outside of any
        self.rows: list[str] = []
        self.open: list[str] = []
        self.section = ""
        self.feed(self.html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "section":
            self.section = dict(attributes)["id"] or ""
        if tag == "li" and not self.section:
            self.rows.append("")
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, text: str) -> None:
        key = self.section or self.open[-1] if self.open else ""
        self.texts[key] = self.texts.get(key, "") + text
        if "li" in self.open and not self.section:
            self.rows[-1] += text

    @functools.cached_property
    def data(self) -> Any:
        return json.loads(re.findall(r'id="data">(.*?)</script>', self.html, re.DOTALL)[0])

    def array(self, kind: str, name: str) -> Array:
        entries = np.frombuffer(base64.b64decode(self.data[kind][name]), "<f8")
        return entries.reshape(self.data["shapes"][name])


@pytest.fixture(scope="module")
def parsed(page_file: Path) -> Page:
    return Page(page_file.read_text("utf-8"))


def drawn(recipe: npnet.Recipe, words: list[str], about: str = "") -> str:
    """The page of a recipe's first minibatch, its verdicts those of the gradients on themselves."""
    values = first_minibatch(dataclasses.replace(recipe, dtype="float64"), words)
    gradients = npnet.backward(values)
    reports = {"on themselves": npnet.compare(gradients, gradients)}
    return page(values, gradients, npnet.Vocabulary.from_words(words), about, reports)


# What the file holds


def test_the_numbers_are_those_of_the_minibatch_bit_for_bit(
    parsed: Page, page_values: npnet.Values
) -> None:
    gradients = npnet.backward(page_values)
    for name in NAMES:
        assert np.array_equal(parsed.array("value", name), page_values[name])
        assert np.array_equal(parsed.array("gradient", name), getattr(gradients, name))


def test_every_name_has_its_texts(parsed: Page) -> None:
    sections = [attributes["id"] for tag, attributes in parsed.tags if tag == "section"]
    assert sections == list(STEPS) == ["loss", *GRADIENTS]
    for name in STEPS:
        text = " ".join(parsed.texts[name].split())
        assert NAMES[name].meaning in text
        assert f"{NAMES[name].shape} " in text
        lines = [
            forward_lines()[line] for line in (name, *readers(name)) if line in forward_lines()
        ]
        assert all(line in text for line in lines)
    for name, function in GRADIENTS.items():
        text, parts = parsed.texts[name], docstring(name)
        assert code_of(function) in text
        assert all(line in text for line in (*parts.code, *parts.remarks.values()))
        assert letters(parts.derivation) in letters(text)
        assert "agrees with the complex step" in text


def letters(text: str) -> str:
    """The letters alone: brackets and signs of a derivation are set by position and by entity."""
    return re.sub(r"[^A-Za-zΣ]", "", text)


def test_the_page_asks_for_nothing_and_lets_nothing_else_run(parsed: Page) -> None:
    policy = next(
        attributes["content"] or "" for _, attributes in parsed.tags if "content" in attributes
    )
    assert policy.startswith("default-src 'none'; img-src data:; script-src 'sha256-")
    for tag in ("script", "style"):
        text = re.findall(rf"<{tag}>(.*?)</{tag}>", parsed.html, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()) for part in text]
        assert [f"{tag}-src 'sha256-{digest.decode()}'" in policy for digest in digests] == [True]
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in parsed.tags:
        assert not {"src", "style", "action"} & {*attributes}
        assert not [key for key in attributes if key.startswith("on")]
        target = attributes.get("href") or "data:,"
        assert target == "data:," or target[1:] in ids
    assert not re.findall(r"https?:|@import|url\((?!#)", parsed.html)


def test_the_page_is_below_3_megabytes_with_the_lectures_200_units(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe, words = npnet.RECIPES["lecture"], npnet.default_words()
    assert len(drawn(recipe, words).encode()) < 3_000_000
    monkeypatch.setattr("npnet.learn.page.LARGEST", 1_000_000)
    with pytest.raises(npnet.InputError, match=r"take 1\.3 MB, wanted 1 at most: take fewer"):
        drawn(recipe, words)


def test_words_of_any_characters_are_text_and_nothing_else() -> None:
    # Contexts so long that a whole word stands in one.
    recipe = dataclasses.replace(
        npnet.RECIPES["lecture"], hidden=4, embedding=2, block_size=9, batch=300
    )
    odd = ["</script>", "<!--", "<b>", "&amp;", '"x"', "'y'", "<img src=x>", "אב", "é🙂", "\\u003c"]
    words = [word for word in odd for _ in range(3)]
    plain = Page(drawn(recipe, npnet.default_words()))
    found = Page(drawn(recipe, words, about="'words' & <more>.txt"))
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags]
    assert "'words' & <more>.txt" in found.texts["p"]
    assert found.data["chars"] == list(npnet.Vocabulary.from_words(words).chars)
    assert found.rows == found.data["rows"]
    contexts = set(re.findall(r"\u2068\.*([^.\u2069]+)\u2069", "".join(found.rows)))
    assert contexts >= {"</script>", "<!--", "&amp;", "אב"}


@given(st.text(alphabet="<>&\"'[]{}()#*=.,^_-² \n½Σdvhix" + "".join(NAMES), max_size=60))
def test_marking_names_changes_no_character_of_code_or_prose(text: str) -> None:
    for marked in (page_markup.code(text, "h"), page_markup.prose(text)):
        assert unescape(re.sub(r"</?(code|b|a|span)\b[^>]*>", "", marked)) == text


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("dh[i,k] = -1/x", '<i class="gradient">dh</i><sub>i,k</sub> = −1/x'),
        ("Σ_j h[i,Y[i]]", 'Σ<sub>j</sub> <i class="value">h</i><sub>i,<i>Y</i><sub>i</sub></sub>'),
        ("h² of the n-th, x^-1.5", '<i class="value">h</i>² of the n-th, x<sup>−1.5</sup>'),
        ("the change of hidden", "the change of hidden"),
    ],
)
def test_formulas_are_set_as_mathematics(text: str, marked: str) -> None:
    assert page_markup.mathematics(text) == marked


def test_the_graph_has_an_edge_for_everything_that_a_line_reads(parsed: Page) -> None:
    edges = [attributes for _, attributes in parsed.tags if attributes.get("class") == "edge"]
    drawn = sorted((edge["data-from"] or "", edge["data-to"] or "") for edge in edges)
    assert drawn == sorted((name, reader) for name in NAMES for reader in readers(name))
    assert len(set(places().values())) == len(places()) == 27
    assert all(
        places()[name].y < places()[line].y or places()[name].column == 0 for name, line in drawn
    )


# The command


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "page.html"
    assert main(["page", str(file), *SMALL]) == 0
    first, shown, random, last = capsys.readouterr().out.splitlines()
    assert first.startswith("lecture-64, first minibatch of the corpus that comes with npnet: n=8")
    assert "on these gradients: 26 of 26 ok" in shown
    assert random.endswith("on random ones: 26 of 26 ok; all-zero gradients would pass for: none")
    assert last == f"{file}: {file.stat().st_size / 1e6:.2f} MB, for any browser"
    assert main(["page", str(file), *SMALL, "--seed", "7", "--force", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["bytes"], figures["seed"]) == (file.stat().st_size, 7)
    assert (figures["H"], figures["passed"]) == (4, True)
    assert figures["loss"] == Page(file.read_text("utf-8")).array("value", "loss")


def test_a_page_is_replaced_only_by_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "page.html"
    file.write_text("mine")
    assert main(["page", str(file), *SMALL]) == 2
    assert "exists already, wanted a new name, or --force" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert main(["page", str(file), *SMALL, "--force"]) == 0
    assert file.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["."], "is a folder"),
        (["nowhere/page.html"], "no folder nowhere for nowhere/page.html"),
        (["page.html", "--batch", "4"], "--batch: got 4, wanted 8 or more"),
        (["page.html", "--hidden", "0"], "hidden: got 0, wanted 1 or more"),
        (["page.html", "--hidden", "900"], "page: it would take 5.0 MB, wanted 3 at most"),
        (["page.html", "--words", "nowhere.txt"], "nowhere.txt: No such file"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(
    options: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["page", *options]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "wrong", "seen"),
    [
        ("h", lambda v, d: d.logits @ v.W2.T * 2, "on these gradients"),
        ("logits", lambda v, d: d.norm_logits, "on random ones"),  # no path through the maximum
    ],
)
def test_a_wrong_gradient_is_called_so_and_no_other(
    name: str,
    wrong: Callable[[Any, Any], Array],
    seen: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(GRADIENTS, name, functools.wraps(GRADIENTS[name])(wrong))
    file = tmp_path / "page.html"
    assert main(["page", str(file), *SMALL]) == 1
    texts = Page(file.read_text("utf-8")).texts
    assert [other for other in STEPS if "✗ disagrees" in texts[other]] == [name]
    assert f"{seen}: WRONG: " in texts[name]
