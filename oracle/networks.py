"""Random networks of random sizes, for testing the judge with right gradients of every kind."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Ints
from npnet.base.errors import InputError
from npnet.network.fused import loss_and_gradients
from npnet.network.names import PARAMETER_NAMES, shape_of
from npnet.network.parameters import Parameters

# The kinds of parameters: drawn as in the lecture; trained for some steps on the batch; drawn with
# scales up to 20 times larger or smaller; with columns of W2 that give equal largest logits.
KINDS = ("untrained", "trained", "scaled", "tied")

# The largest sizes. The smallest are 1, and 2 for n and V.
SMALL = {"n": 64, "T": 5, "E": 12, "H": 40, "V": 40}
LARGE = {"n": 1024, "T": 8, "E": 32, "H": 4096, "V": 128}


class Network(NamedTuple):
    """Float32 parameters, a batch, and their kind."""

    params: Parameters
    X: Ints
    Y: Ints
    kind: str

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes n, T, E, H, V."""
        sizes = {"n": len(self.X), **self.params.sizes}
        return {letter: sizes[letter] for letter in "nTEHV"}


def network(seed: int, sizes: Mapping[str, int], kind: str) -> Network:
    """A random network and a random batch, with given sizes and kind.

    Args:
        seed: the seed of everything that is drawn, 0 or more.
        sizes: n, T, E, H, V; n and V are 2 or more.
        kind: one of ``KINDS``.

    Raises:
        InputError: the kind is unknown.
    """
    if kind not in KINDS:
        raise InputError(f"network: kind is {kind!r}, wanted one of {', '.join(KINDS)}")
    rng = np.random.default_rng(seed)
    scales = dict.fromkeys(PARAMETER_NAMES, 0.1)
    scales |= {"C": 1, "W1": 5 / 3 / (sizes["T"] * sizes["E"]) ** 0.5}
    drawn = {
        name: rng.standard_normal(shape_of(name, sizes)) * scales[name] for name in PARAMETER_NAMES
    }
    drawn["bngain"] += 1
    X = rng.integers(0, sizes["V"], (sizes["n"], sizes["T"]))
    Y = rng.integers(0, sizes["V"], sizes["n"])
    if kind == "scaled":
        for name in ("C", "W1", "W2", "bngain"):
            drawn[name] *= 20 ** rng.uniform(-1, 1)
        # Logits above about 30 give probabilities whose logarithm is not finite in float32.
        drawn["W2"] *= min(1, 20 / (np.abs(drawn["W2"]).sum(0).max() + 1e-9))
    elif kind == "tied":
        drawn["W2"][:, :2] = 0
        drawn["b2"][:2] = rng.choice([0, 0.6])
        drawn["W2"] *= rng.choice([0, 1])  # 0: all rows would be equal
    params = Parameters(**drawn)
    if kind == "trained":
        for _ in range(int(rng.integers(1, 60))):
            _, gradients = loss_and_gradients(params, X, Y)
            for name in PARAMETER_NAMES:
                params[name][...] -= 0.3 * gradients[name]
    return Network(params.astype(np.float32), X, Y, kind)


def random_network(seed: int, largest: Mapping[str, int] = SMALL) -> Network:
    """A network of random kind and sizes up to ``largest``; one in four has two or three rows."""
    rng = np.random.default_rng([seed, 1])  # another stream than that of ``network``
    sizes = {
        letter: int(rng.integers(2 if letter in "nV" else 1, most + 1))
        for letter, most in largest.items()
    }
    if rng.random() < 0.25:
        sizes["n"] = int(rng.integers(2, 4))
    return network(seed, sizes, str(rng.choice(KINDS)))
