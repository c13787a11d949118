"""Sessions of a notebook in real torch, whose default generator's seed is found from its figures.

``pytest tests/oracle/test_lost_seeds_of_torch.py --seeds 4294967296`` searches all seeds.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import slow_but

import npnet
from npnet import InputError
from npnet.replays.lost_seeds import LostSeed, find_lost_seed
from npnet.torch_rng.many_seeds import SEEDS

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


class Cell(NamedTuple):
    """A drawing cell, how often it ran, how many steps followed, and what was printed."""

    hidden: int = 64
    runs: int = 1
    steps: int = 1
    row: int | None = 0
    fused: bool = True
    block_size: int = 3
    embedding: int = 10
    batch: int = 32


class Printed(NamedTuple):
    """What torch printed of one cell."""

    row: str
    fused: str
    losses: list[str]


def session(seed: int, cells: list[Cell], words: list[str]) -> list[Printed]:
    """The lecture's cells, run with the default generator at ``seed``."""
    train, _, _ = npnet.split_words(words)
    stoi = {s: i + 1 for i, s in enumerate(sorted(set("".join(words))))} | {".": 0}
    printed = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for cell in cells:
            X, Y = examples(train, stoi, cell.block_size)
            for _ in range(cell.runs):
                g = torch.Generator().manual_seed(2147483647)
                parameters = draw(len(stoi), cell, g)
            printed.append(run(parameters, X, Y, cell, g))
    return printed


def examples(words: list[str], stoi: dict[str, int], block_size: int) -> tuple[Any, Any]:
    X, Y = [], []
    for word in words:
        context = [0] * block_size
        for ch in word + ".":
            X.append(context)
            Y.append(stoi[ch])
            context = [*context[1:], stoi[ch]]
    return torch.tensor(X), torch.tensor(Y)


def draw(vocab_size: int, cell: Cell, g: Any) -> list[Any]:
    n_embd, n_hidden, block_size = cell.embedding, cell.hidden, cell.block_size
    C = torch.randn((vocab_size, n_embd), generator=g)
    W1 = torch.randn((n_embd * block_size, n_hidden), generator=g)
    W1 = W1 * (5 / 3) / ((n_embd * block_size) ** 0.5)
    b1 = torch.randn(n_hidden, generator=g) * 0.1
    W2 = torch.randn((n_hidden, vocab_size), generator=g) * 0.1
    b2 = torch.randn(vocab_size, generator=g) * 0.1
    bngain = torch.randn((1, n_hidden)) * 0.1 + 1.0  # forgot generator=g
    bnbias = torch.randn((1, n_hidden)) * 0.1
    parameters = [C, W1, b1, W2, b2, bngain, bnbias]
    for p in parameters:
        p.requires_grad = True
    return parameters


def run(parameters: list[Any], X: Any, Y: Any, cell: Cell, g: Any) -> Printed:
    C, W1, b1, W2, b2, bngain, bnbias = parameters
    losses = []
    for i in range(cell.steps):
        ix = torch.randint(0, X.shape[0], (cell.batch,), generator=g)
        hprebn = C[X[ix]].view(cell.batch, -1) @ W1 + b1
        mean, var = hprebn.mean(0, keepdim=True), hprebn.var(0, keepdim=True, unbiased=True)
        h = torch.tanh(bngain * (hprebn - mean) * (var + 1e-5) ** -0.5 + bnbias)
        logits = h @ W2 + b2
        loss = F.cross_entropy(logits, Y[ix])
        if i == 0:
            row = F.softmax(logits, 1)[cell.row or 0]
            figures = " ".join(f"{p.item():.4f}" for p in row)
            fused = str(loss.item())
        losses.append(f"{loss.item():.4f}")
        for p, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.data += -0.1 * grad
    return Printed(figures, fused, losses)


def written(folder: Path, cells: list[Cell], printed: list[Printed], corpus: Path) -> list[Path]:
    """The publications of a session."""
    sha256 = hashlib.sha256(corpus.read_bytes()).hexdigest()
    paths = []
    for place, (cell, told) in enumerate(zip(cells, printed, strict=True)):
        fused = f'cross_entropy = "{told.fused}"' if cell.fused else ""
        row = "" if cell.row is None else f'probs_row = {{ {cell.row} = "{told.row}" }}'
        losses = ", ".join(f'{step} = "{loss}"' for step, loss in enumerate(told.losses))
        path = folder / f"cell{place}.toml"
        path.write_text(
            f"""
source = "A session made for a test."
[corpus]
name = "words"
sha256 = "{sha256}"
[recipe]
hidden = {cell.hidden}
block_size = {cell.block_size}
embedding = {cell.embedding}
batch = {cell.batch}
steps = {cell.steps}
draws = [
    {{ name = "C" }},
    {{ name = "W1", scale = ["* 5/3", "/ sqrt(fan_in)"] }},
    {{ name = "b1", scale = ["* 0.1"] }},
    {{ name = "W2", scale = ["* 0.1"] }},
    {{ name = "b2", scale = ["* 0.1"] }},
    {{ name = "bngain", scale = ["* 0.1", "+ 1"], seed = "lost" }},
    {{ name = "bnbias", scale = ["* 0.1"], seed = "lost" }},
]
[printed]
{fused}
{row}
losses = {{ {losses} }}
""",
            encoding="utf-8",
        )
        paths.append(path)
    return paths


def words_taken(hidden: int) -> int:
    """Words of the default generator that gain and bias take."""
    if hidden < 16:
        return 4 * hidden  # of two draws: a pair of doubles for every two normals
    return 2 * (hidden + (16 if hidden % 16 else 0))


def expected(seed: int, cells: list[Cell]) -> LostSeed:
    skips, end = [], 0
    for cell in cells:
        skips.append(end + (cell.runs - 1) * words_taken(cell.hidden))
        end += cell.runs * words_taken(cell.hidden)
    return LostSeed(seed, tuple(cell.runs - 1 for cell in cells), tuple(skips))


SEEDS_OF_TORCH = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 396239506, 3033136719]
SESSIONS = {
    "a row": [Cell()],
    "a row of a cell run thrice": [Cell(runs=3)],
    "another row, 200 units": [Cell(hidden=200, row=17)],
    "two cells, both run again": [Cell(runs=2), Cell(hidden=200, runs=4, row=None)],
    "no row": [Cell(row=None), Cell(hidden=200, row=None, steps=12)],
    "no row, run again": [Cell(row=None, runs=2), Cell(hidden=200, row=None, runs=3, steps=12)],
    "other sizes": [
        Cell(hidden=100, block_size=4, embedding=6, batch=20, row=3),
        Cell(hidden=33, block_size=2, embedding=5, batch=50, row=None, runs=2),
    ],
    "few units": [Cell(hidden=12, row=0, runs=2)],
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A corpus of its own: every seventh of the shipped words."""
    words = npnet.default_words()[::7]
    path = tmp_path_factory.mktemp("corpus") / "words.txt"
    path.write_text("\n".join(words), encoding="utf-8")
    return path, words


def found(
    monkeypatch: pytest.MonkeyPatch, paths: list[Path], corpus: Path, first: int, end: int
) -> list[LostSeed]:
    monkeypatch.setenv("NPNET_CORPORA", str(corpus.parent))
    return find_lost_seed(list(paths), reruns=3, first=max(first, 0), end=min(end, SEEDS))


def around(seed: int, count: int) -> tuple[int, int]:
    """A range of seeds with this one in it, not at its middle."""
    first = max(0, seed - count // 3)
    return max(0, min(first, SEEDS - count)), min(SEEDS, first + count)


@pytest.mark.slow
@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_of_torch_is_found_and_no_other_seed(
    name: str,
    corpus: tuple[Path, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    count = request.config.getoption("--seeds")
    cells = SESSIONS[name]
    seed = SEEDS_OF_TORCH[list(SESSIONS).index(name) % len(SEEDS_OF_TORCH)]
    paths = written(tmp_path, cells, session(seed, cells, corpus[1]), corpus[0])
    assert found(monkeypatch, paths, corpus[0], *around(seed, count)) == [expected(seed, cells)]
    elsewhere = (seed + 2**30) % (SEEDS - count) if count < SEEDS else 0
    if elsewhere:
        assert found(monkeypatch, paths, corpus[0], elsewhere, elsewhere + count) == []


@pytest.mark.parametrize("seed", slow_but(SEEDS_OF_TORCH, SEEDS_OF_TORCH[-2:]))
def test_a_seed_of_torch_anywhere_is_found_by_its_row(
    seed: int,
    corpus: tuple[Path, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = [Cell()]
    paths = written(tmp_path, cells, session(seed, cells, corpus[1]), corpus[0])
    assert found(monkeypatch, paths, corpus[0], *around(seed, 9_000)) == [expected(seed, cells)]


def test_four_digits_of_a_loss_are_refused_with_what_would_help(
    corpus: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [Cell(row=None, fused=False)]
    paths = written(tmp_path, cells, session(5, cells, corpus[1]), corpus[0])
    with pytest.raises(InputError, match=r"would leave about [\d,]+ of 2\^32.*printed\.probs_row"):
        found(monkeypatch, paths, corpus[0], 0, 100)


@pytest.mark.slow
def test_names_txt_gives_the_published_cross_entropy(names_txt: list[str]) -> None:
    (printed,) = session(3033136719, [Cell()], names_txt)
    assert printed.fused == "3.3377387523651123"
    (printed,) = session(396239506, [Cell()], names_txt)
    assert printed.fused[:10] == "3.33059501"
    first, _, again = session(17849371, [Cell(), Cell(hidden=200), Cell(hidden=200)], names_txt)
    assert (first.losses, again.losses) == (["3.3515"], ["3.8158"])
