"""What notebooks ask of matplotlib, tqdm and IPython works where these are only stood in for."""

import sys
from collections.abc import Iterator

import pytest

from npnet.notebooks import stand_ins

PLOTS = {
    "one picture": "plt.figure(figsize=(8, 4)); plt.plot([1, 2]); plt.title('loss'); plt.show()",
    "two axes": "fig, ax = plt.subplots(1, 2); ax[0].plot([1]); ax[1].set_title('b')",
    "axes unpacked": "fig, (left, right) = plt.subplots(1, 2); left.hist([1, 2]); right.grid()",
    "a grid of axes": "fig, ax = plt.subplots(2, 3); ax[1, 2].imshow([[1]]); fig.tight_layout()",
    "axes flattened": "for one in plt.subplots(2, 2)[1].flatten(): one.axis('off')",
    "histogram": "counts, edges, _ = plt.hist([1, 2, 3], bins=5); assert len(edges) == 6",
    "lines kept": "line, = plt.plot([1, 2]); line.set_color('red')",
    "spines": "plt.gca().spines['top'].set_visible(False)",
    "style": "plt.style.use('ggplot')",
    "style for a while": "with plt.style.context('ggplot'): plt.plot([1])",
    "colours": "import matplotlib.cm as cm; cm.viridis(0.5)",
    "ticks": "from matplotlib import ticker; ticker.MultipleLocator(5)",
    "size of all": "import matplotlib; matplotlib.rcParams['figure.figsize'] = (8, 4)",
    "backend": "import matplotlib; matplotlib.use('Agg')",
}


@pytest.fixture
def modules() -> Iterator[None]:
    """sys.modules as it was, afterwards."""
    before = dict(sys.modules)
    yield
    sys.modules.clear()
    sys.modules.update(before)


@pytest.mark.parametrize("source", PLOTS.values(), ids=PLOTS)
def test_matplotlib_is_asked_in_the_same_words(source: str, modules: None) -> None:
    stand_ins.install_pyplot()
    exec("import matplotlib.pyplot as plt\n" + source, {})


@pytest.mark.slow
@pytest.mark.parametrize("source", PLOTS.values(), ids=PLOTS)
def test_what_is_asked_here_is_what_matplotlib_takes(source: str) -> None:
    import matplotlib.pyplot as plt

    with plt.rc_context({"backend": "Agg"}):
        exec("import matplotlib.pyplot as plt\n" + source, {})
        plt.close("all")


def test_what_is_drawn_is_noted_in_order(modules: None) -> None:
    pyplot = stand_ins.install_pyplot()
    exec(f"import matplotlib.pyplot as plt\n{PLOTS['one picture']}", {})
    assert pyplot.calls == ["figure", "plot", "title", "show"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("plt.plot([1])", "[<matplotlib.lines.Line2D at 0x0>]"),
        ("plt.imshow([[1]])", "<matplotlib.image.AxesImage at 0x0>"),
        ("plt.title('a')", "Text(0.5, 1.0, 'a')"),
        ("plt.figure(figsize=(20, 4))", "<Figure size 2000x400 with 0 Axes>"),
        ("plt.show()", "None"),
    ],
)
def test_a_last_line_shows_what_matplotlib_gives(asked: str, shown: str, modules: None) -> None:
    stand_ins.install_pyplot()
    import matplotlib.pyplot as plt

    assert repr(eval(asked, {"plt": plt})) == shown


@pytest.mark.parametrize("name", ["tqdm", "tqdm.auto", "tqdm.notebook"])
def test_tqdm_goes_through_what_it_is_given(
    name: str, modules: None, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_ins.install_tqdm()
    namespace: dict[str, object] = {}
    exec(
        f"from {name} import tqdm, trange\n"
        "seen = list(tqdm('abc', desc='train')) + list(trange(2))\n"
        "with tqdm(total=3) as bar:\n"
        "    bar.update(1); bar.set_postfix(loss=2.3); size = len(bar)\n"
        "tqdm.write('epoch 1')\n",
        namespace,
    )
    assert namespace["seen"] == ["a", "b", "c", 0, 1]
    assert namespace["size"] == 3
    assert capsys.readouterr().out == "epoch 1\n"


def test_ipythons_display_and_magics_do_nothing_bad(modules: None) -> None:
    shown: list[object] = []
    stand_ins.install_ipython(shown.append)
    exec(
        "from IPython.display import display, HTML, clear_output\n"
        "from IPython import get_ipython\n"
        "display(HTML('<b>a</b>')); clear_output(wait=True)\n"
        "get_ipython().run_line_magic('matplotlib', 'inline')\n"
        "assert get_ipython().getoutput('ls') == []\n",
        {},
    )
    assert repr(shown[0]) == "<IPython.core.display.HTML object>"


def test_a_module_that_is_missing_says_so_when_it_is_used() -> None:
    module = stand_ins.MissingModule("pandas.plotting")
    for use in ("module.scatter_matrix", "module()"):
        with pytest.raises(ModuleNotFoundError, match="pandas"):
            eval(use)
    assert not hasattr(module, "__path__")
