"""A comparison as text, JSON, HTML, and as a truth value."""

import json

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arrays import Floats
from npnet.checks.compare import compare
from npnet.checks.report import Report


def floats(values: ArrayLike) -> Floats:
    return np.array(values, np.float32)


def small() -> Report:
    reference = {
        "bnvar_inv": floats([[0.5, 0.25]]),
        "bnmeani": floats([[1.0, 2.0]]),
        "<C>": floats([[3.0]]),
        "h": floats([[1.0], [np.nan]]),
    }
    ours = {**reference, "bnvar_inv": floats([[0.5, 0.375]]), "bnmeani": floats([1.0, 2.0])}
    return compare(ours, reference)


def test_the_table_as_text() -> None:
    assert (
        str(small())
        == """\
name       exact  approximate  maxdiff  scale  max ulp  ratio/limit  bad/total  verdict
bnvar_inv  False  False           0.12    0.5  4.2e+06  2.1e+06/128        1/2  WRONG
bnmeani    False  False              -      -        -            -          -  shape
<C>        True   True               0      3        0        0/128        0/1  ok
h          False  False            nan      1      nan      nan/128        1/2  not finite
bnvar_inv: 1 of 2 entries beyond the bound, worst at (0, 1): ours 0.375, reference 0.25, off by
  0.12, bound 7.6e-06
bnmeani: shape (2,), wanted (1, 2) like reference: sum with keepdims=True
h: 1 of 2 entries are not finite, first at (1, 0): ours nan, reference nan
ok means max|ours - reference| <= 128 x eps x max|reference|
1 of 4 ok, 3 wrong: bnvar_inv, bnmeani, h; all-zero gradients would pass for: none"""
    )


def test_all_26_names_fit_100_columns_above_the_footer() -> None:
    grads = {f"counts_sum_in{i}": np.full((32, 3, 10), -1.2345e-123) for i in range(26)}
    *lines, footer = str(compare(grads, grads, zero_scales=dict.fromkeys(grads, 1.0))).split("\n")
    assert max(map(len, lines)) <= 100
    assert footer.startswith("26 of 26 ok; all-zero gradients would pass for: counts_sum_in0, ")


def test_a_reason_that_many_names_share_is_given_once() -> None:
    text = str(compare({"C": floats(1), "W1": floats(2)}, {"C": None, "W1": None}))
    assert text.count("forward pass ran again") == 1
    assert "\nC, W1: the reference's .grad is None" in text


def test_both_sides_go_by_their_labels() -> None:
    text = str(compare({"C": floats(1)}, {"C": floats(2)}, labels=("numpy", "torch")))
    assert "numpy 1, torch 2" in text
    assert "ok means max|numpy - torch| <=" in text
    assert "ours" not in text


def test_json_is_strict_and_holds_every_figure() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads(small().to_json(), parse_constant=refuse)
    assert (content["passed"], content["labels"]) == (False, ["ours", "reference"])
    wrong, shape, fine, broken = content["rows"]
    assert wrong["worst"] == {"index": [0, 1], "ours": 0.375, "reference": 0.25, "truth": None}
    assert (wrong["verdict"], wrong["bad"], wrong["maxdiff"]) == ("WRONG", 1, 0.125)
    assert (shape["verdict"], shape["maxdiff"]) == ("shape", None)
    assert (fine["name"], fine["verdict"], fine["exact"]) == ("<C>", "ok", True)
    assert (broken["maxdiff"], broken["worst"]["ours"]) == ("nan", "nan")


def test_html_escapes_names_and_holds_no_script() -> None:
    html = small()._repr_html_()
    assert "&lt;C&gt;" in html
    assert "<C>" not in html
    assert html.count("<tr>") == 5
    assert "sum with keepdims=True" in html
    assert "1 of 4 ok, 3 wrong" in html


def test_a_bare_assert_on_a_report_means_what_it_says() -> None:
    assert compare({"b2": floats(1)}, {"b2": floats(1)})
    assert not compare({"b2": floats(1)}, {"b2": floats(2)})
    assert repr(small()) == f"wrong: bnvar_inv, bnmeani, h\n{small()}"
    right = compare({"b2": floats(1)}, {"b2": floats(1)})
    assert repr(right) == str(right)


def test_with_a_truth_each_row_has_both_errors_and_their_ratio() -> None:
    truth = {"h": np.array([1.0, 2.0])}
    torch = {"h": floats([1.0, 2.0]) * np.float32(1 + 1e-6)}
    ours = {"h": floats([1.0, 2.0]) * np.float32(1 + 4e-6)}
    report = compare(ours, torch, truth=truth, labels=("ours", "torch"))
    [row] = report.rows
    assert row.error is not None
    assert row.reference_error is not None
    assert row.ratio == row.error / row.reference_error
    assert (row.limit, report.K, json.loads(report.to_json())["K"]) == (8, 8, 8)
    assert str(report).split("\n")[0].split() == [
        *("name", "exact", "approximate", "maxdiff", "error", "torch's"),
        *("ratio/limit", "bad/total", "verdict"),
    ]
    assert f"{row.ratio:.2g}/8" in str(report)
    row = compare(ours, torch, rtol=1e-3, atol=0).rows[0]
    assert (row.ratio, row.limit) == (None, None)
