"""One minibatch as a self-contained HTML page: `npnet page`.

The texts come from the code, like those of ``npnet.explain``. The page contains all numbers in
float64. Its script, ``page.js``, draws them and shows the steps.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from npnet.base.arrays import Array, Floats
from npnet.base.errors import InputError
from npnet.checks.report import Report, Row
from npnet.corpora.datasets import Vocabulary
from npnet.learn.explain import question, read_by
from npnet.learn.notation import code_of, docstring, forward_lines
from npnet.learn.page_markup import code, graph, mathematics, number, prose
from npnet.network.forward import Values
from npnet.network.gradients import GRADIENTS, Gradients
from npnet.network.names import NAMES

FILES = Path(__file__).parent
LARGEST = 3_000_000  # bytes

STEPS = ("loss", *GRADIENTS)  # the step at which the page shows each of the 27 names
NARROW = 90  # the most columns of heat maps that are side by side


def page(
    values: Values,
    gradients: Gradients,
    vocab: Vocabulary,
    about: str,
    reports: Mapping[str, Report],
) -> str:
    """The page of one minibatch: one HTML file that loads nothing else.

    Args:
        values: a forward pass in float64.
        gradients: the result of ``npnet.backward`` for it.
        vocab: the characters of X, Y and the parameters.
        about: a sentence that says which minibatch it is.
        reports: a phrase for the upstream gradients -> the report of the 26 gradients against
            ``npnet.checks.numerical.cut``.

    Raises:
        InputError: the page would be larger than 3 MB.
    """
    data = json.dumps(_data(values, gradients, vocab), separators=(",", ":"))
    style, script = _text("page.css"), _text("page.js")
    html = Template(_text("page.html")).substitute(
        policy=f"default-src 'none'; img-src data:; script-src '{_hash(script)}'; "
        f"style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'",
        title=f"The {len(GRADIENTS)} gradients of one minibatch",
        about=escape(about),
        axes=_axes_explained(values),
        batch="\n".join(f"<li><code>{escape(row)}</code></li>" for row in _contexts(values, vocab)),
        sections="\n".join(_section(name, values, gradients, reports) for name in STEPS),
        graph=graph({name: _label(name) for name in NAMES}),
        rules="\n".join(_rule(what, report) for what, report in reports.items()),
        style=style,
        script=script,
        # In JSON, < occurs only in texts. There it is written as an escape, so that a text cannot
        # end
        # the script element.
        data=data.replace("<", "\\u003c"),
    )
    size = len(html.encode())
    if size > LARGEST:
        raise _too_large(size)
    return html


def check_size(values: Values) -> None:
    """Raise InputError if the numbers alone make the page larger than 3 MB."""
    size = sum(2 * 4 / 3 * values[name].nbytes for name in NAMES)
    if size > LARGEST:
        raise _too_large(size)


def _too_large(size: float) -> InputError:
    return InputError(
        f"page: it would take {size / 1e6:.1f} MB, wanted {LARGEST / 1e6:g} at most: "
        "take fewer rows or hidden units"
    )


def _text(name: str) -> str:
    return (FILES / name).read_text("utf-8")


def _hash(text: str) -> str:
    """The hash by which a content security policy allows one inline text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(values: Values, gradients: Gradients, vocab: Vocabulary) -> dict[str, Any]:
    return {
        "steps": STEPS,
        "axes": {name: NAMES[name].axes for name in NAMES},
        "shapes": {name: values[name].shape for name in NAMES},
        "rows": _contexts(values, vocab),
        "chars": list(vocab.chars),
        "value": {name: _encoded(values[name]) for name in NAMES},
        "gradient": {name: _encoded(_gradient(name, gradients)) for name in NAMES},
    }


def _encoded(array: Array) -> str:
    """The entries, row by row, as base64 of little-endian float64."""
    return base64.b64encode(np.asarray(array, "<f8").tobytes()).decode()


def _gradient(name: str, gradients: Gradients) -> Floats:
    # the gradient of the loss is an attribute, not an entry
    return np.asarray(getattr(gradients, name))


def _contexts(values: Values, vocab: Vocabulary) -> list[str]:
    """Each row of the minibatch as ``..e → m``.

    Invisible marks (isolates) keep this order, even if the letters are written from right to left.
    """
    rows = zip(values.X, values.Y, strict=True)
    return [
        f"\u2068{vocab.decode(context)}\u2069 → \u2068{vocab.chars[target]}\u2069"
        for context, target in rows
    ]


def _label(name: str) -> str:
    # It begins with the visible text, so that a voice command can name it.
    seen = f"{name} {'×'.join(NAMES[name].axes)}".strip()
    return f"{seen}, step {STEPS.index(name)} of {len(GRADIENTS)}"


def _rule(what: str, report: Report) -> str:
    rule = report.rule.replace("<=", "≤").replace(" - ", " − ").replace(" x ", " × ")
    return f"<p>They agree {escape(what)} if {escape(rule)}.</p>"


def _section(name: str, values: Values, gradients: Gradients, reports: Mapping[str, Report]) -> str:
    """The whole section about one name."""
    shape = " × ".join(map(str, values[name].shape)) or "one number"
    narrow = _size(name, values[name])[0] <= NARROW
    return f"""<section id="{name}" aria-labelledby="{name}-title">
<h2 id="{name}-title" tabindex="-1"><code>{name}</code> {NAMES[name].meaning}</h2>
<p class="shape"><code>{NAMES[name].shape}</code> {shape}</p>
{_forward(name)}
{_backward(name)}
<div class="maps{" narrow" if narrow else ""}">
{_map(name, "value", values[name])}
{_map(name, "gradient", _gradient(name, gradients))}
</div>
{_verdict(name, reports) if name in GRADIENTS else ""}
</section>"""


def _forward(name: str) -> str:
    made = forward_lines().get(name)
    read = [code(line, name) for line in read_by(name)]
    return "\n".join(
        [
            '<h3>Forward</h3><dl class="lines">',
            "<dt>made by</dt>",
            f"<dd>{code(made, name) if made else 'no line: it is a parameter'}</dd>",
            "<dt>read by</dt>",
            *(f"<dd>{line}</dd>" for line in read or ["no line: it is the last"]),
            "</dl>",
        ]
    )


def _backward(name: str) -> str:
    if name not in GRADIENTS:
        return f"<h3>Backward</h3><p>{prose('dloss is 1, and all others follow from it.')}</p>"
    parts = docstring(name)
    words, formula = _split(name, parts.derivation)
    return "\n".join(
        [
            f"<h3>Backward</h3><p>{prose(question(name))}</p>",
            '<details class="answer"><summary>Show the answer</summary>',
            f"<p>{mathematics(words)}</p>" if words else "",
            f'<p class="formula">{mathematics(formula)}</p>' if formula else "",
            '<dl class="lines"><dt>in code</dt>',
            *(f"<dd>{code(line, name)}</dd>" for line in parts.code),
            "</dl><details><summary>The function that npnet runs</summary>",
            f"<pre>{code(code_of(GRADIENTS[name]), name)}</pre></details>",
            *(
                f'<p class="remark"><strong>{label}:</strong> {prose(remark)}</p>'
                for label, remark in parts.remarks.items()
            ),
            "</details>",
        ]
    )


def _split(name: str, derivation: str) -> tuple[str, str]:
    """The words of a derivation, and the formula at its end, if there is one."""
    found = re.fullmatch(rf"(?:(.*:) )?(d{name}\b.*)", derivation)
    return (found[1] or "", found[2]) if found else (derivation, "")


def _map(name: str, kind: str, array: Array) -> str:
    """The canvas for a heat map, with a pixel for each entry; the script draws and enlarges it."""
    down, across = _axes(name)
    width, height = _size(name, array)
    called = name if kind == "value" else f"d{name}"
    extent = f"from {number(array.min())} to {number(array.max())}"
    axes = " ".join(f"{axis} {arrow}" for axis, arrow in ((down, "↓"), (across, "→")) if axis)
    reach = np.abs(array).max()
    low, high = (0 if array.min() >= 0 else -reach), (0 if array.max() <= 0 < reach else reach)
    side = "" if low and high else " below" if low else " above"
    return f"""<figure data-name="{name}" data-kind="{kind}">
<figcaption><code class="{kind}">{called}</code> {extent}</figcaption>
<p class="readout" aria-live="polite"></p>
<div class="plot"><canvas width="{width}" height="{height}" tabindex="0"
 role="application" aria-roledescription="heat map"
 aria-label="{called}, {extent}; the arrow keys go from entry to entry"></canvas>
<div class="cursor" hidden></div></div>
<p class="scale"><span>{number(low)}</span> <span class="colours{side}"></span>
<span>{number(high)}</span> <span>{axes}</span></p>
</figure>"""


AXES = {
    "n": "rows of the minibatch",
    "T": "characters of context in each",
    "E": "numbers for each character",
    "H": "hidden units",
    "V": "characters in all",
}


def _axes_explained(values: Values) -> str:
    """The letters of the axes: their meaning, and their size here."""
    V, E = values.C.shape
    n, T = values.X.shape
    sizes = {"n": n, "T": T, "E": E, "H": values.W1.shape[1], "V": V}
    return ", ".join(f"<b>{letter}</b> = {sizes[letter]} {what}" for letter, what in AXES.items())


def _axes(name: str) -> tuple[str, str]:
    """The vertical axis and the horizontal axes (side by side) of a heat map; "" if there is none.

    A vector is horizontal.
    """
    axes = NAMES[name].axes
    down, across = ("", axes) if len(axes) < 2 else (axes[0], axes[1:])
    return down.replace("1", ""), "·".join(across).replace("1", "")


def _size(name: str, array: Array) -> tuple[int, int]:
    """The width and the height of the heat map, in entries."""
    down, _ = _axes(name)
    height = len(array) if down else 1
    return array.size // height, height


def _verdict(name: str, reports: Mapping[str, Report]) -> str:
    rows = {what: _row(name, report) for what, report in reports.items()}
    right = all(row.ok for row in rows.values())
    items = (f"<li>{escape(what)}: {escape(_judged(row))}</li>" for what, row in rows.items())
    return (
        f'<div class="verdict {"right" if right else "wrong"}">'
        f"<p>{'✓ agrees' if right else '✗ disagrees'} with the complex step</p>"
        f"<ul>{''.join(items)}</ul></div>"
    )


def _row(name: str, report: Report) -> Row:
    return next(row for row in report.rows if row.name == name)


def _judged(row: Row) -> str:
    """The verdict of a row in words."""
    if not row.ok or row.maxdiff is None or row.bound is None or row.scale is None:
        return f"{row.verdict}: {row.reason}"
    if row.exact:
        return f"equal in every bit, the largest entry {number(row.scale)}"
    apart = f"at most {number(row.maxdiff)} apart, {number(row.bound)} allowed"
    if row.zero_scale is not None:
        sizes = number(row.zero_scale)
        return f"{apart}: zero but for rounding, where the summands' sizes add up to {sizes}"
    return f"{apart}, the largest entry {number(row.scale)}"
