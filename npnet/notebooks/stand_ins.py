"""Replacements for modules that notebooks import, such as a matplotlib that draws nothing."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

# How IPython shows the results of these functions; the address differs in every run.
_SHOWN = {
    "imshow": "<matplotlib.image.AxesImage at 0x0>",
    "plot": "[<matplotlib.lines.Line2D at 0x0>]",
    "axhline": "<matplotlib.lines.Line2D at 0x0>",
    "axvline": "<matplotlib.lines.Line2D at 0x0>",
    "legend": "<matplotlib.legend.Legend at 0x0>",
    "colorbar": "<matplotlib.colorbar.Colorbar at 0x0>",
    "scatter": "<matplotlib.collections.PathCollection at 0x0>",
    "subplot": "<Axes: >",
    "gca": "<Axes: >",
}
# Where the text of these functions stands.
_TEXTS = {"title": "0.5, 1.0", "suptitle": "0.5, 0.98", "xlabel": "0.5, 0", "ylabel": "0, 0.5"}
# These return nothing.
_NOTHING = {"clf", "close", "grid", "savefig", "show", "tight_layout", "xscale", "yscale"}


def _shown(name: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> str | None:
    if name in _TEXTS:
        text = arguments[0] if arguments else options.get("label", "")
        return f"Text({_TEXTS[name]}, {text!r})"
    if name == "figure":
        width, height = options.get("figsize") or (6.4, 4.8)
        dpi = options.get("dpi") or 100
        return f"<Figure size {int(width * dpi)}x{int(height * dpi)} with 0 Axes>"
    return _SHOWN.get(name)


class Recorder:
    """Accepts any call and any attribute of a plotting library, and notes the calls."""

    def __init__(self, calls: list[str], name: str, text: str | None = None) -> None:
        self._calls, self._name, self._text = calls, name, text

    def __getattr__(self, name: str) -> Recorder:
        if name.startswith("__"):
            raise AttributeError(name)
        return Recorder(self._calls, name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self._calls.append(self._name)
        if self._name in _NOTHING:
            return None
        if self._name == "subplots":
            return self, _axes(self._calls, *arguments, **options)
        if self._name == "hist" and arguments:
            bins = arguments[1] if len(arguments) > 1 else options.get("bins", 10)
            density = bool(options.get("density"))
            counts, edges = np.histogram(np.asarray(arguments[0]).ravel(), bins, density=density)
            bars = f"<BarContainer object of {len(counts)} artists>"
            return counts.astype(float), edges, Recorder(self._calls, "patches", bars)
        return Recorder(self._calls, self._name, _shown(self._name, arguments, options))

    def __repr__(self) -> str:
        return self._text or f"<{self._name}>"

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Recorder]:
        return iter([self])

    def __getitem__(self, _: Any) -> Recorder:
        return self

    def __setitem__(self, _: Any, __: Any) -> None:
        pass


def _axes(calls: list[str], rows: int = 1, columns: int = 1, **options: Any) -> Any:
    rows, columns = options.get("nrows", rows), options.get("ncols", columns)
    if rows == columns == 1:
        return Recorder(calls, "axes")
    axes = np.empty((rows, columns), object)
    for place in np.ndindex(rows, columns):
        axes[place] = Recorder(calls, "axes")
    return axes.squeeze()


class PyPlot(types.ModuleType):
    """Replaces ``matplotlib.pyplot``; notes what is drawn in ``calls``."""

    def __init__(self) -> None:
        super().__init__("matplotlib.pyplot")
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Recorder(self.calls, name)


class Tqdm:
    """Replaces ``tqdm``: iterates over its argument, and shows no progress bar."""

    def __init__(self, iterable: Iterable[Any] | None = None, *_: Any, **options: Any) -> None:
        self._iterable = range(options.get("total", 0) or 0) if iterable is None else iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]

    def __enter__(self) -> Tqdm:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None

    @staticmethod
    def write(text: str, *_: Any, **__: Any) -> None:
        """Print a line, as tqdm does above its bar."""
        print(text)


def trange(*limits: int, **options: Any) -> Tqdm:
    """``tqdm(range(...))``."""
    return Tqdm(range(*limits), **options)


def install_tqdm() -> None:
    """Make ``import tqdm`` and imports of its usual submodules find ``Tqdm``."""
    for name in ("tqdm", "tqdm.auto", "tqdm.notebook", "tqdm.std"):
        module = types.ModuleType(name)
        vars(module).update(
            tqdm=Tqdm, trange=trange, tqdm_notebook=Tqdm, tnrange=trange, __path__=[]
        )
        sys.modules[name] = module


def install_pyplot() -> PyPlot:
    """Make ``import matplotlib.pyplot`` find a module that only notes what is drawn."""
    pyplot = PyPlot()
    package = types.ModuleType("matplotlib")
    parts = {"pyplot": pyplot}
    for name in ("cm", "ticker", "colors", "animation", "patches", "style"):
        part = PyPlot()
        part.calls = pyplot.calls
        parts[name] = part
    vars(package).update(
        __path__=[], use=lambda *_, **__: None, rcParams={}, rc=lambda *_, **__: None, **parts
    )
    sys.modules["matplotlib"] = package
    for name, part in parts.items():
        sys.modules[f"matplotlib.{name}"] = part
    return pyplot


def install_ipython(display: Any) -> None:
    """Make ``from IPython.display import ...`` work; objects for a browser are only named."""
    package, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")

    class Shown:
        """An object for a browser: an image, a page, a formula."""

        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def __repr__(self) -> str:
            return f"<IPython.core.display.{type(self).__name__} object>"

    kinds = {
        name: type(name, (Shown,), {}) for name in ("HTML", "Image", "Markdown", "SVG", "Math")
    }
    vars(module).update(display=display, clear_output=lambda *_, **__: None, **kinds)
    # Matplotlib asks for the version, and whether a shell is running.
    vars(package).update(display=module, get_ipython=Shell, version_info=(9, 0, 0), __path__=[])
    sys.modules.update({"IPython": package, "IPython.display": module})


class Shell:
    """The result of ``get_ipython()``, by which scripts from nbconvert call magics."""

    def __bool__(self) -> bool:
        """Matplotlib asks whether IPython is running, and would use more of it."""
        return False

    def run_line_magic(self, *_: Any, **__: Any) -> None:
        """Do nothing: magics do not run."""

    run_cell_magic = magic = system = run_line_magic

    def getoutput(self, *_: Any, **__: Any) -> list[str]:
        """No lines: shell commands do not run."""
        return []


class MissingModule:
    """Replaces a module that is not installed. Using it is an error."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._error()

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise self._error()

    def _error(self) -> ModuleNotFoundError:
        root = self._name.partition(".")[0]
        return ModuleNotFoundError(
            f"No module named {root!r}: this notebook needs it: pip install {root}", name=root
        )
