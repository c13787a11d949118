"""The 27 names of the network: their order, their shapes in axis letters, and their meaning.

Axis letters: n rows of a batch, T context length, E embedding width, H hidden units,
V vocabulary size. Shapes are stated here and nowhere else.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Name(NamedTuple):
    """One named variable. ``axes`` has one entry for each axis: a letter, ``"1"`` or ``"T·E"``."""

    name: str
    axes: tuple[str, ...]
    meaning: str

    @property
    def shape(self) -> str:
        """The shape as text, ``(n, H)`` or ``(V,)``."""
        return f"({self.axes[0]},)" if len(self.axes) == 1 else f"({', '.join(self.axes)})"


PARAMETERS = (
    Name("C", ("V", "E"), "embedding table, a row for each character"),
    Name("W1", ("T·E", "H"), "weights of the hidden layer"),
    Name("b1", ("H",), "biases of the hidden layer"),
    Name("W2", ("H", "V"), "weights of the output layer"),
    Name("b2", ("V",), "biases of the output layer"),
    Name("bngain", ("1", "H"), "gains of the batch normalisation"),
    Name("bnbias", ("1", "H"), "biases of the batch normalisation"),
)

VALUES = (
    Name("emb", ("n", "T", "E"), "embeddings of the context characters"),
    Name("embcat", ("n", "T·E"), "the same, side by side"),
    Name("hprebn", ("n", "H"), "hidden layer before batch normalisation"),
    Name("bnmeani", ("1", "H"), "its mean over the batch"),
    Name("bndiff", ("n", "H"), "distance from the mean"),
    Name("bndiff2", ("n", "H"), "distance squared"),
    Name("bnvar", ("1", "H"), "variance over the batch, with Bessel's correction"),
    Name("bnvar_inv", ("1", "H"), "one over the standard deviation"),
    Name("bnraw", ("n", "H"), "normalised: mean 0, variance 1"),
    Name("hpreact", ("n", "H"), "normalised, then scaled and shifted"),
    Name("h", ("n", "H"), "hidden activations"),
    Name("logits", ("n", "V"), "scores of the next character"),
    Name("logit_maxes", ("n", "1"), "largest score of each row"),
    Name("norm_logits", ("n", "V"), "scores, the largest moved to 0"),
    Name("counts", ("n", "V"), "scores as unnormalised probabilities"),
    Name("counts_sum", ("n", "1"), "their sum in each row"),
    Name("counts_sum_inv", ("n", "1"), "one over that sum"),
    Name("probs", ("n", "V"), "probabilities of the next character"),
    Name("logprobs", ("n", "V"), "their logarithms"),
    Name("loss", (), "mean negative log probability of the targets"),
)

# The two gradients that are mathematically zero in a whole backward pass: batch normalisation
# removes any bias, and softmax ignores a shift of its row. For each: the gradient that it is a sum
# of, and the axis of the sum.
ZERO: dict[str, tuple[str, int]] = {"b1": ("hprebn", 0), "logit_maxes": ("norm_logits", 1)}

NAMES: dict[str, Name] = {entry.name: entry for entry in (*PARAMETERS, *VALUES)}
PARAMETER_NAMES = tuple(entry.name for entry in PARAMETERS)
VALUE_NAMES = tuple(entry.name for entry in VALUES)


def shape_of(name: str, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of ``name`` in numbers, for sizes such as ``{"n": 32, "T": 3, "E": 10, ...}``."""
    extents = {**sizes, "1": 1}
    if "T" in sizes and "E" in sizes:
        extents["T·E"] = sizes["T"] * sizes["E"]
    return tuple(extents[axis] for axis in NAMES[name].axes)
