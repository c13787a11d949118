"""`npnet help`: the pages of the guide in the terminal."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

import npnet
from npnet.cli import main
from npnet.cli.help import for_terminal, listed, read_pages, rendered, summary

GUIDE = Path(npnet.__file__).parent / "guide"
PAGES = read_pages()


def test_every_file_of_the_guide_is_a_topic() -> None:
    assert list(PAGES) == sorted(path.stem for path in GUIDE.glob("*.md"))
    assert {"train", "check", "learn", "changes"} <= PAGES.keys()


@pytest.mark.parametrize("topic", PAGES)
def test_a_page_begins_with_a_heading_and_one_sentence(topic: str) -> None:
    heading, sentence = PAGES[topic].split("\n\n")[:2]
    assert re.fullmatch(r"# [A-Z][^\n]+", heading)
    assert re.fullmatch(r"[A-Z][^\n]+\.", sentence)
    assert len(sentence) <= 88  # one line of the list


def test_help_lists_the_topics_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert all(f"{topic} {summary(page)}" in printed for topic, page in PAGES.items())


@pytest.mark.parametrize("width", [10, 60, 100])
def test_the_list_fits_the_terminal(width: int) -> None:
    assert max(map(len, listed(PAGES, width))) <= max(width, 50)


@pytest.mark.parametrize("topic", PAGES)
def test_a_page_in_a_pipe_is_plain_text(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", topic]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "```" not in printed
    assert not re.search(r"^\S.*\]\(|^#+ |[ \t]$|\n\n\n", printed, re.MULTILINE)
    title = PAGES[topic].splitlines()[0].removeprefix("# ")
    assert printed.startswith(title)


def shown(page: str, width: int, terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal)
    return rendered(for_terminal(page), console)


def test_code_stays_whole_in_a_pipe_and_folds_in_a_terminal() -> None:
    page = "# Title\n\n```console\n$ npnet check\n" + "12345678 " * 10 + "\n```\n"
    assert "  " + ("12345678 " * 10).rstrip() in shown(page, 60, terminal=False).splitlines()
    in_terminal = re.sub(r"\x1b\[[\d;]*m", "", shown(page, 60, terminal=True))
    assert max(map(len, in_terminal.splitlines())) <= 60
    assert in_terminal.count("12345678") == 10


@pytest.mark.parametrize("topic", PAGES)
@pytest.mark.parametrize("width", [60, 100])
def test_prose_fits_the_terminal_and_loses_no_word(topic: str, width: int) -> None:
    text = re.sub(r"\x1b\[[\d;]*m", "", shown(PAGES[topic], width, terminal=True))
    assert max(map(len, text.splitlines())) <= width
    prose = re.sub(r"^```.*?^```|^\|[^\n]*", "", PAGES[topic], flags=re.MULTILINE | re.DOTALL)
    words = re.findall(r"[a-z]+", re.sub(r"\]\([^)]*\)", "]", prose))
    folded = re.sub(r"\s", "", text)
    assert [word for word in words if word not in folded] == []


def test_links_become_commands_and_pictures_their_description() -> None:
    page = "See [plots](plots.md), [fast](../fast.py), [it](https://x.org).\n\n![A curve](a.png)"
    assert for_terminal(page) == (
        "See plots (`npnet help plots`), fast, [it](https://x.org).\n\n*(Picture: A curve.)*"
    )


@pytest.mark.parametrize(
    ("topic", "answer"),
    [
        ("plotz", "did you mean plots?"),
        ("sample", "did you mean train?"),  # the page about that command
        ("zzz", "wanted one of changes, check,"),
        ("", "wanted one of changes, check,"),
        ("../cli/help", "wanted one of changes, check,"),
    ],
)
def test_a_topic_that_is_not_there_is_answered(
    topic: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", topic]) == 2
    assert answer in capsys.readouterr().err


def test_the_usage_points_at_the_guide(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "npnet help: the guide" in capsys.readouterr().out


def test_code_with_brackets_is_no_link() -> None:
    code = "```python\ntable[name](values)\n```"
    assert for_terminal(f"[x](y.py)\n\n{code}\n") == f"x\n\n{code}\n"
