"""The numbers that the page writes itself: steps, sizes, and from where to where colours go."""

import re

import numpy as np
import pytest
from conftest import frozen

import npnet
from npnet import InputError
from npnet.base.arrays import Array
from npnet.checks.compare import compare
from npnet.learn.page import LARGEST, _axes_explained, _judged, _label, _map, check_size
from npnet.network.names import NAMES


def seen(html: str) -> str:
    """The text of some HTML."""
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def test_steps_are_counted_from_the_loss() -> None:
    assert _label("loss") == "loss, step 0 of 26"
    assert _label("logprobs") == "logprobs n×V, step 1 of 26"
    assert _label("C") == "C V×E, step 26 of 26"


@pytest.mark.parametrize(
    ("entries", "extent", "scale"),
    [
        ([[-2, 1, 0], [3.5, 0, 1]], "from −2 to 3.5", "−3.5 3.5"),
        ([[2, 1, 0.5], [3.5, 1, 1]], "from 0.5 to 3.5", "0 3.5"),
        ([[-2, -1, 0], [-3.5, 0, -1]], "from −3.5 to 0", "−3.5 0"),
        ([[0, 0, 0], [0, 0, 0]], "from 0 to 0", "0 0"),
    ],
)
def test_a_map_says_from_where_to_where_it_goes(
    entries: list[list[float]], extent: str, scale: str
) -> None:
    html = _map("h", "gradient", frozen(entries, np.float64))
    text = seen(html).replace("-", "−")
    assert f"dh {extent}" in text
    assert f"{scale} n ↓ H →" in text
    assert 'width="3" height="2"' in html


def test_the_letters_of_the_axes_have_their_sizes(page_values: npnet.Values) -> None:
    sizes = page_values.C.shape, page_values.X.shape, page_values.W1.shape
    (V, E), (n, T), (_, H) = sizes
    for letter, size in {"n": n, "T": T, "E": E, "H": H, "V": V}.items():
        assert f"{letter} = {size} " in seen(_axes_explained(page_values)).replace("  ", " ")


def test_a_page_has_at_most_3_megabytes_of_numbers() -> None:
    def values(numbers: int) -> npnet.Values:
        arrays: dict[str, Array] = {name: np.zeros(0) for name in NAMES}
        return npnet.Values({**arrays, "h": np.zeros(numbers)})

    most = int(LARGEST / (2 * 4 / 3 * 8))  # value and gradient, as base64 of float64
    check_size(values(most))
    with pytest.raises(InputError, match=r"it would take 3\.3 MB, wanted 3 at most"):
        check_size(values(int(most * 1.1)))


def test_a_verdict_names_the_distance_before_the_bound() -> None:
    right = {"h": frozen([1.0, -4.0], np.float64)}
    (row,) = compare({"h": frozen([1.0, -4.0 * (1 + 2.0**-50)], np.float64)}, right).rows
    said = _judged(row).replace("−", "-")
    assert said == "at most 3.55e-15 apart, 1.14e-13 allowed, the largest entry 4"
    (equal,) = compare(right, right).rows
    assert _judged(equal) == "equal in every bit, the largest entry 4"
