"""The README and the guide show exactly what their commands and programs print."""

import importlib.util
import os
import re
from pathlib import Path

import pytest
from pages import (
    PAGES,
    ROOT,
    Session,
    agrees,
    blocks,
    briefly,
    refreshed,
    run,
    run_here,
    sessions,
)

README = ROOT / "README.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"

# The steps of README and of these are processes of their own, as a reader's are; those of the other
# pages run inside pytest, for two thirds of their time would go into starting Python. The fast
# tests run one session of commands and one of Python.
FAST = ("commands: Exit codes", "python: Errors")
# What a session needs, by what stands in it.
NEEDS_TORCH = r"\boracle\b|import torch|pytest"
NEEDS_CORPORA = r"names\.txt|oracle bench|npnet replay(?! mine)|words_of"
NEEDS_SEEDS = r"seeds/"


def prose(page: str) -> str:
    """A page without its blocks."""
    return re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)


def parameters() -> list[object]:
    """All sessions, all but two marked as slow."""
    named = {
        f"{session.page.stem}: {session.heading or 'top'}": session
        for page in PAGES
        for session in sessions(page)
    }
    assert {*FAST} <= {*named}
    return [
        pytest.param(session, id=name, marks=[] if name in FAST else [pytest.mark.slow])
        for name, session in named.items()
    ]


@pytest.mark.parametrize("session", parameters())
def test_a_session_prints_what_is_shown(session: Session, tmp_path: Path) -> None:
    if re.search(NEEDS_TORCH, session.text) and not importlib.util.find_spec("torch"):
        pytest.skip("needs torch")
    for names in re.findall(r"oracle libraries --only (\S+)", session.text):
        for name in names.split(","):
            pytest.importorskip(name)
    for pattern, variable in ((NEEDS_CORPORA, "NPNET_CORPORA"), (NEEDS_SEEDS, "NPNET_SEEDS")):
        if re.search(pattern, session.text) and not os.environ.get(variable):
            pytest.skip(f"needs the folder that {variable} names")
    name = f"{session.page.stem}: {session.heading}"
    runs = run if name in FAST or session.page == README else run_here
    for step in map(briefly, session.steps):
        done = runs(step, tmp_path)
        printed = done.stdout + done.stderr
        where = f"{session.page.name}, $ {step.command}\n{step.program}\n{printed}"
        assert done.returncode == 0 or not step.program, where
        if step.shown is not None:
            assert agrees(step.command, step.shown, printed.splitlines()), where


def test_there_is_something_to_run_on_every_page_of_commands() -> None:
    counts = {page.stem: sum(len(each.steps) for each in sessions(page)) for page in PAGES}
    assert [page for page, count in counts.items() if not count] == ["changes"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_of_a_kind_that_is_tested(page: Path) -> None:
    found = [block for _, block in blocks(page.read_text(encoding="utf-8").splitlines())]
    kinds = [block.kind for block in found if not block.title]
    assert {*kinds} <= {"console", "python", "text", *(["sh"] if page == README else [])}
    for before, kind in zip(["", *kinds], kinds, strict=False):
        assert kind != "text" or before == "python"


def test_the_readme_is_two_screens() -> None:
    assert README.stat().st_size <= 10_000


def test_the_readme_links_every_page_of_the_guide() -> None:
    text = README.read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"(npnet/guide/{page.name})" not in text] == []


@pytest.mark.parametrize("page", [*PAGES, CONTRIBUTING], ids=lambda page: page.stem)
def test_links_and_pictures_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]*)", prose(page.read_text(encoding="utf-8"))):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_two_commands_are_one_line_each_and_make_their_own_environment() -> None:
    text = README.read_text(encoding="utf-8")
    commands = re.findall(r"^python3 -m venv \S+ && .*$", text, re.MULTILINE)
    assert [command.rsplit("/", 1)[-1] for command in commands] == ["npnet train", "pytest"]
    assert "-c tests/constraints.txt" in commands[1]


@pytest.mark.parametrize("page", [*PAGES, CONTRIBUTING], ids=lambda page: page.stem)
def test_a_page_uses_plain_words(page: Path) -> None:
    text = prose(page.read_text(encoding="utf-8"))
    old = r"owe[sd]?|roads?|rooms?|lest|whoever|thereof|at hand|stands? there|so many|of whose"
    assert re.findall(rf"\b({old})\b", text) == []


TABLE = [
    "name  exact  approximate  maxdiff    scale  max ulp  ratio/limit  bad/total  verdict",
    "W2    False  False         0.0012     0.12  1.7e+05    8.7e+04/8  1695/1728  WRONG",
    "b1    False  True         4.4e-09  3.3e-09  2.4e+07       0.52/8       0/64  ok (zero)",
    "1 of 2 ok",
]
REPLAY = [
    "      step  published             ours                  match",
    "    180000  2.0199                2.01985335            equal    edge",
    "     train  2.0674145221710205    2.0674146635          equal    in 7 digits",
    "2 of 2 equal in every digit; 1 on a rounding edge",
]
BENCH = [
    "AMD EPYC, threads: 1",
    "medians of the processor time",
    "    35.67 ms  sampling 1,000 names",
]


@pytest.mark.parametrize(
    ("command", "line", "change", "exact", "same"),
    [
        ("npnet eval", ["train 2.0711"], ("2.0711", "2.0712"), True, False),
        ("npnet eval", ["train 2.0711"], ("2.0711", "2.0712"), False, False),
        ("npnet train", ["13.3 s, 15,063 steps a second"], ("13.3", "9"), True, True),
        ("npnet train", ["lecture: 200 steps"], ("200", "201"), True, False),
        ("pytest", ["3 passed in 8.19s"], ("8.19", "10.1"), True, True),
        ("pytest", ["3 passed in 8.19s"], ("3", "2"), True, False),
        ("check", TABLE, ("1.7e+05", "1.6e+05"), True, True),
        ("check", TABLE, ("8.7e+04/8", "9/8"), True, True),
        ("check", TABLE, ("0.52/8", "0.52/16"), True, False),
        ("check", TABLE, ("3.3e-09", "2e-10"), True, True),
        ("check", TABLE, ("0.12", "0.13"), True, False),
        ("check", TABLE, ("1695", "1696"), True, False),
        ("check", TABLE, ("WRONG", "ok"), True, False),
        ("check", TABLE, ("1 of 2", "2 of 2"), True, False),
        ("replay", REPLAY, ("2.01985335", "2.01985073"), False, True),
        ("replay", REPLAY, ("2.01985335", "2.01985073"), True, False),
        ("replay", REPLAY, ("2.01985335", "2.02015335"), False, False),
        ("replay", REPLAY, ("2.0674146635", "2.0674246635"), False, False),
        ("replay", REPLAY, ("    edge", ""), False, True),
        ("replay", REPLAY, ("    edge", ""), True, False),
        ("replay", REPLAY, ("in 7 digits", ""), False, False),
        ("npnet bench", BENCH, ("35.67 ms", "900 µs"), True, True),
        ("npnet bench", BENCH, ("AMD EPYC", "another"), True, True),
        ("npnet bench", BENCH, ("sampling", "training"), True, False),
        ("npnet sample", ["35.67 mm"], ("35.67", "900"), True, False),
    ],
)
def test_timings_and_rounding_are_free_and_nothing_else(
    command: str, line: list[str], change: tuple[str, str], exact: bool, same: bool
) -> None:
    changed = [part.replace(*change) for part in line]
    assert changed != line
    assert agrees(command, line, line, exact)
    assert agrees(command, line, changed, exact) is same


@pytest.mark.parametrize(
    ("shown", "same"),
    [
        (["a", "…", "d"], True),
        (["…", "b", "…"], True),
        (["a", "…", "c"], False),
        (["a", "b"], False),
        (["…", "c", "b", "…"], False),
    ],
)
def test_an_ellipsis_stands_for_lines_not_for_order(shown: list[str], same: bool) -> None:
    assert agrees("echo", shown, list("abcd")) is same


def test_refreshed_lines_are_shortened_in_the_same_places() -> None:
    shown = ["one 1", "…", "three 3", "…", "last 5"]
    printed = ["one 10", "two 20", "three 30", "four 40", "last 50"]
    assert refreshed(shown, printed) == ["one 10", "…", "three 30", "…", "last 50"]
    assert refreshed(["one 1"], printed) == printed
