"""The page of `npnet page` in a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import chromium
import numpy as np
import pytest
from chromium import Chromium, axe_core, barriers

import npnet
from npnet.learn.page import STEPS

pytestmark = [
    pytest.mark.slow,  # a browser takes seconds to start
    pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Debian's chromium"),
]
NEGATIVE = ("--low", "--zero")  # the colours of the most negative entry and of 0
SHOWN = "[...document.querySelectorAll('section')].filter(s => !s.hidden).map(s => s.id).join()"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    letter = "(() => { const s = document.createElement('span'); s.textContent = 'x';"
    width = browser.run(f"{letter} document.body.append(s); return s.offsetWidth }})()")
    if not width:
        browser.close()
        pytest.skip("needs a font: without one chromium gives text no size, and no click meets it")
    yield browser
    browser.close()


@pytest.fixture
def browser(process: Chromium, page_file: Path) -> Iterator[Chromium]:
    """A wide window with the page in it; in the end nothing was complained about or asked for."""
    process.window(1280)
    process.open(page_file.as_uri())
    yield process
    process.run("0")  # what the page did before this is reported before its answer
    events = [(event["method"], event["params"]) for event in process.events]
    said = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
    assert [event for event in events if event[0] in said] == []
    asked = {what["request"]["url"] for how, what in events if how == "Network.requestWillBeSent"}
    assert asked == {page_file.as_uri()}


def state(browser: Chromium) -> tuple[str, str, str, str]:
    """The section in sight, the progress, the address, and the graph's current name."""
    shown, turn, address, node = browser.run(
        f"[{SHOWN}, document.getElementById('progress').textContent, location.hash,"
        " document.querySelector('.node[aria-current=step]').getAttribute('href')]"
    )
    return shown, turn, address, node


def at(step: int) -> tuple[str, str, str, str]:
    name = STEPS[step]
    return name, f"{step}/26 d{name}", f"#{name}", f"#{name}"


def follow(browser: Chromium, link: str, name: str) -> None:
    """Click a link within the page; the heading of its section then has the focus."""
    browser.click(link)
    browser.wait(f"document.activeElement.id === '{name}-title'")


@pytest.mark.parametrize("how", ["keys", "clicks"])
def test_all_26_steps_are_taken_forward_and_back(how: str, browser: Chromium) -> None:
    def go(key: str, button: str) -> None:
        browser.press(key) if how == "keys" else browser.click(button)

    assert browser.run(SHOWN) == "loss"
    for step in range(1, 27):
        go("ArrowRight", "#next")
        assert state(browser) == at(step)
    go("ArrowRight", "#next")
    assert state(browser) == at(26)
    for step in range(25, -1, -1):
        go("ArrowLeft", "#back")
        assert state(browser) == at(step)
    go("ArrowLeft", "#back")
    assert state(browser) == at(0)


def test_home_and_end_names_of_the_graph_names_in_code_and_the_address_lead_to_a_step(
    browser: Chromium, page_file: Path
) -> None:
    browser.press("End")
    assert state(browser) == at(26)
    browser.press("Home")
    assert state(browser) == at(0)
    for step, name in enumerate(STEPS[1:], start=1):
        follow(browser, f'.node[href="#{name}"] text', name)
        assert state(browser) == at(step)
    follow(browser, '#C .lines a[href="#emb"]', "emb")
    assert state(browser) == at(STEPS.index("emb"))
    browser.run("history.back()")
    browser.wait(f"{SHOWN} === 'C'")
    browser.open(f"{page_file.as_uri()}#bnvar")
    assert state(browser) == at(STEPS.index("bnvar"))


def test_a_narrow_window_begins_at_the_top_and_follows_the_steps(
    browser: Chromium, page_file: Path
) -> None:
    browser.window(400)
    browser.open(page_file.as_uri())
    assert browser.run("scrollY") == 0
    browser.press("ArrowRight")
    assert browser.run("scrollY") > 0


@pytest.mark.parametrize("width", [360, 700, 1280])
def test_no_step_is_wider_than_the_window(width: int, browser: Chromium) -> None:
    browser.window(width)
    for _ in STEPS:
        page = "document.documentElement"  # without its own scroll bar
        wide, width_there = browser.run(f"[{page}.scrollWidth, {page}.clientWidth]")
        assert wide == width_there <= width
        browser.press("ArrowRight")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_heat_map_has_the_schemes_colours_for_the_largest_and_for_zero(
    scheme: str, browser: Chromium, page_values: npnet.Values
) -> None:
    browser.press("ArrowRight")
    browser.window(1280, prefers_color_scheme=scheme)  # painted already, painted again
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (min(map(int, re.findall(r"\d+", paper))) > 127) == (scheme == "light")
    style = "getComputedStyle(document.documentElement).getPropertyValue"
    low, zero = (list(bytes.fromhex(browser.run(f"{style}('{name}')")[1:])) for name in NEGATIVE)
    pixels = (  # through a canvas of its own, since a page's is not made for being read often
        "(() => { const map = document.querySelector('#logprobs [data-kind=gradient] canvas');"
        " const copy = new OffscreenCanvas(27, 32).getContext('2d', {willReadFrequently: true});"
        " copy.drawImage(map, 0, 0);"
        " return copy.getImageData(0, 0, 27, 32).data.join() })()"
    )
    expected = np.tile([*zero, 255], (32, 27, 1))
    expected[np.arange(32), page_values.Y] = [*low, 255]  # there it is -1/n, elsewhere 0
    browser.wait(f"{pixels} === '{','.join(map(str, expected.ravel()))}'")


def test_a_heat_map_is_read_by_keys_and_by_pointer(
    browser: Chromium, page_values: npnet.Values
) -> None:
    readout = "document.querySelector('#h .readout').textContent"
    follow(browser, '.node[href="#h"] text', "h")
    i, k = map(int, np.unravel_index(np.abs(page_values.h).argmax(), page_values.h.shape))
    largest = browser.run(readout)
    assert largest.startswith(f"largest: h[{i}, {k}] = ")
    browser.run("document.querySelector('#h canvas').focus()")
    browser.press("ArrowLeft")
    browser.press("ArrowUp")
    assert_reads(browser.run(readout), page_values, i - 1, k - 1)
    browser.press("Tab")
    assert browser.run(readout) == largest
    browser.click("#h canvas")
    assert_reads(browser.run(readout), page_values, 16, 32)
    assert browser.run(SHOWN) == "h"


def assert_reads(text: str, values: npnet.Values, i: int, k: int) -> None:
    found = re.match(r"h\[(\d+), (\d+)\] = (\S+) · row ", text.replace("−", "-"))
    assert found is not None
    assert (int(found[1]), int(found[2])) == (i, k)
    assert float(found[3]) == pytest.approx(values.h[i, k], rel=1e-6)


def test_the_keyboard_alone_reaches_everything_visibly_and_is_never_trapped(
    browser: Chromium,
) -> None:
    browser.press("ArrowRight")
    focusable = browser.run(
        "[...document.querySelectorAll('a, button, canvas, summary')]"
        ".filter(e => e.checkVisibility()).length"
    )
    seen = set()
    for _ in range(focusable):
        browser.press("Tab")
        number, outline, stroke = browser.run(
            "(() => { const e = document.activeElement; const box = e.querySelector('rect') ?? e;"
            " return [[...document.querySelectorAll('*')].indexOf(e),"
            " getComputedStyle(e).outlineStyle, getComputedStyle(box).strokeWidth] })()"
        )
        assert outline == "solid" or stroke == "2.5px"
        seen.add(number)
    assert len(seen) == focusable
    browser.run("document.getElementById('next').focus()")
    browser.press("Enter")
    assert state(browser) == at(2)


def test_who_asks_for_less_motion_gets_none(browser: Chromium) -> None:
    browser.press("ArrowRight")
    assert browser.run("document.getAnimations().length") > 0
    browser.window(1280, prefers_reduced_motion="reduce")
    browser.press("ArrowRight")
    assert browser.run("document.getAnimations().length") == 0


def test_without_script_every_text_is_in_sight(browser: Chromium, page_file: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page_file.as_uri())
        assert browser.run(SHOWN).split(",") == list(STEPS)
        assert "need JavaScript" in browser.run("document.querySelector('noscript').innerText")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_core(tmp_path_factory.mktemp("axe"))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 800, 390])
def test_axe_finds_no_barrier(width: int, scheme: str, browser: Chromium, axe: str) -> None:
    browser.window(width, 900, prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    browser.run(f"{axe}; 0")
    for name in ("loss", "dlogits", "C"):
        browser.run(f"location.hash = '{name}'")
        browser.wait(f"{SHOWN} === '{name.removeprefix('d')}'")
        assert barriers(browser) == []


def test_the_name_of_a_gradient_leads_to_its_value(browser: Chromium, page_file: Path) -> None:
    browser.open(f"{page_file.as_uri()}#dprobs")
    assert browser.run(SHOWN) == "probs"
    assert browser.run("document.querySelector('#probs .answer').open") is False
    browser.click("#probs .answer summary")
    assert browser.run("document.querySelector('#probs .answer').open") is True


def test_the_graph_comes_first_on_a_phone(browser: Chromium) -> None:
    browser.window(390)
    top = "document.querySelector('{}').getBoundingClientRect().top"
    assert browser.run(f"{top.format('nav')} < {top.format('main')}")


@pytest.mark.parametrize("name", ["probs", "h", "C", "hprebn"])
def test_the_readout_is_in_view_at_900_pixels(name: str, browser: Chromium) -> None:
    browser.window(1400, 900)
    follow(browser, f'.node[href="#{name}"] text', name)
    browser.run("scrollTo(0, 0)")
    selector = f"#{name} .readout"
    bottom = browser.run(f"document.querySelector('{selector}').getBoundingClientRect().bottom")
    assert 0 < bottom <= 900
