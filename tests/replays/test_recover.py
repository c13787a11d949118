"""`npnet recover`: sessions of an unseeded generator, found again, and their files filled in."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.cli import main
from npnet.corpora.known import shipped_corpus
from npnet.recipes.publication import Printed, read_publication
from npnet.replays.contradictions import check_contradictions
from npnet.replays.filled_in import filled_in, write_filled_in
from npnet.replays.lost_seeds import LostSession
from npnet.training.fit import begin

SEED = 123_456
FILE = """
# A session: seed = "lost" in a comment stays.
source = "A notebook of my own."

[corpus]
name = "names.csv"
sha256 = "{sha256}"

[recipe]
hidden = {hidden}
steps = {steps}
draws = [
    {{ name = "C" }},
    {{ name = "W1", scale = ["* 5/3", "/ sqrt(fan_in)"] }},
    {{ name = "b1", scale = ["* 0.1"] }},
    {{ name = "W2", scale = ["* 0.1"] }},
    {{ name = "b2", scale = ["* 0.1"] }},
    {{ name = "bngain", scale = ["* 0.1", "+ 1"], seed = {seed} }},   # forgot generator=g
    {{ name = "bnbias", scale = ["* 0.1"], seed = {seed} }},
]

[printed]
{printed}
"""
Session = Callable[..., list[str]]


def words_of_stream(hidden: int) -> int:
    """The words that gain and bias of this many units take."""
    return 2 * (hidden + (16 if hidden % 16 else 0))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of one session: 64 units at word 0, then 24 at word 128, run once before."""
    folder = tmp_path_factory.mktemp("session")
    corpus = shutil.copy(shipped_corpus(), folder)
    figures: dict[str, Any] = {"sha256": hashlib.sha256(Path(corpus).read_bytes()).hexdigest()}
    skips = {"first": (64, 1, 0), "second": (24, 30, 128 + words_of_stream(24))}
    for name, (hidden, steps, skip) in skips.items():
        fields = {**figures, "hidden": hidden, "steps": steps}
        seed = f"{SEED}, skip = {skip}"
        path = folder / f"{name}.toml"
        told = FILE.format(**fields, seed=seed, printed='losses = { 0 = "1" }')
        path.write_text(told.replace(f"{seed} }},\n]", f"{SEED} }},\n]"), encoding="utf-8")
        recipe = read_publication(path).recipe
        run = npnet.fit(recipe, npnet.default_words())
        _, examples, params, generator = begin(recipe, npnet.default_words())
        X, Y = examples["train"]
        rows = generator.randint(0, len(X), (32,))
        probs = npnet.forward(params, X[rows], Y[rows]).probs
        printed = (
            f'cross_entropy = "{float(run.losses[0])}"\n'
            f'losses = {{ 0 = "{run.losses[0]:.4f}", {steps - 1} = "{run.losses[-1]:.4f}" }}'
            if steps > 1
            else f'probs_row = "{" ".join(f"{p:.4f}" for p in probs[0])}"'
        )
        told = FILE.format(**fields, seed='"lost"', printed=printed)
        path.write_text(told, encoding="utf-8")
    return folder


@pytest.fixture
def here(session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with the session's files."""
    for name in ("first.toml", "second.toml"):
        shutil.copy(session / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NPNET_CORPORA", raising=False)
    return tmp_path


NEAR = ["--from", str(SEED - 9_000), "--to", str(SEED + 9_000), "--jobs", "1"]


def test_a_session_is_found_and_its_copies_replay(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["first.toml", "second.toml"]
    assert main(["recover", *files, "--reruns", "1", *NEAR, "--write"]) == 0
    said = capsys.readouterr().out
    assert f"seed {SEED}\n  first.toml: skip 0, no earlier run of its cell\n" in said
    skip = 128 + words_of_stream(24)
    assert f"  second.toml: skip {skip}, 1 earlier run of its cell\n" in said
    assert f"1 seed of 18,001 ({SEED - 9_000} to {SEED + 9_000})" in said
    for name in ("first-found.toml", "second-found.toml"):
        assert main(["replay", name]) == 0
    told = Path("second-found.toml").read_text(encoding="utf-8")
    assert f"seed = {SEED}, skip = {skip} }},   # forgot generator=g" in told
    assert f"seed = {SEED} }},\n]" in told
    assert '# A session: seed = "lost" in a comment stays.' in told


def test_an_older_copy_is_replaced_by_force_alone(here: Path) -> None:
    Path("first-found.toml").write_text("old", encoding="utf-8")
    assert main(["recover", "first.toml", *NEAR, "--write"]) == 2
    assert Path("first-found.toml").read_text(encoding="utf-8") == "old"
    words = str(shipped_corpus())
    assert main(["recover", "first.toml", *NEAR, "--write", "--force", "--words", words]) == 0
    assert read_publication("first-found.toml").recipe.draws[-1].seed == SEED


def test_advice_leaves_out_what_is_printed_already(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path("first.toml").read_text(encoding="utf-8")
    fused = re.sub('probs_row = ".*"', 'cross_entropy = "3.3"', text)
    Path("fused.toml").write_text(fused, encoding="utf-8")
    assert main(["recover", "fused.toml", *NEAR]) == 2
    said = capsys.readouterr().err
    assert "add a row of the first minibatch's softmax (printed.probs_row), or another file" in said


def test_without_the_rerun_nothing_fits(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", "first.toml", "second.toml", *NEAR]) == 1
    assert "No seed of this range gives these figures" in capsys.readouterr().out


def test_elsewhere_no_seed_is_found(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["recover", "first.toml", "--from", "1000000", "--to", "1005000", *NEAR[4:], "--json"])
        == 1
    )
    told = json.loads(capsys.readouterr().out)
    assert told["seeds"] == []
    assert (told["from"], told["to"]) == (1_000_000, 1_005_000)
    assert 0 <= told["expected"]["all"] <= told["expected"]["first"] < 1e-3


def test_json_holds_seed_skips_and_reruns(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", "first.toml", *NEAR, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == [
        {"seed": SEED, "reruns": [0], "skips": [0]}
    ]


@pytest.mark.slow
def test_two_processes_find_the_same(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", "first.toml", *NEAR[:4], "--jobs", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"][0]["seed"] == SEED


def test_what_is_done_is_not_done_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = ["recover", "first.toml", "--progress", "notes.json", "--jobs", "1"]
    assert main([*first, "--from", "0", "--to", "9999"]) == 1
    assert "10,000" in capsys.readouterr().out
    assert main([*first, "--from", "0", "--to", str(SEED)]) == 0
    said = capsys.readouterr().out
    assert f"notes.json: 10,000 of {SEED + 1:,} seeds are done already" in said
    assert main([*first, "--from", "0", "--to", str(SEED)]) == 0
    assert f"seed {SEED}" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called")  # if another test imported jax
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_search_that_was_stopped_goes_on(here: Path, stop: int) -> None:
    # The command with a progress file that is written more often.
    program = "from npnet.replays import seed_progress\nseed_progress.SAVED = 0.2\n"
    program += "from npnet.cli import entry\nentry()"
    command = [sys.executable, "-c", program, "recover", "first.toml", "--to", "400000000"]
    command += ["--jobs", "2", "--progress", "notes.json"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background is started with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not Path("notes.json").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if stop == signal.SIGINT else -stop)
    if stop == signal.SIGINT:
        assert re.search(
            r"stopped with [\d,]+ of 400,000,001 seeds done; go on with: npnet rec", said
        )
        assert "Traceback" not in said
    ranges = json.loads(Path("notes.json").read_text(encoding="utf-8"))["ranges"]
    assert sum(end - first for first, end in ranges) > 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "got no FILE"),
        (["nowhere.toml"], "got 'nowhere.toml', wanted one of"),
        (["random-gain"], "there is nothing to find"),
        (["first.toml", "--from", "-1"], "--from: got -1, wanted a seed from 0 to 4294967295"),
        (["first.toml", "--to", "4294967296"], "--to: got 4294967296, wanted a seed from 0"),
        (["first.toml", "--from", "9", "--to", "8"], "--to: got 8, wanted 9 or more"),
        (["first.toml", "--jobs", "0"], "--jobs: got 0, wanted 1 or more"),
        (["first.toml", "--reruns", "-1"], "reruns: got -1, wanted 0 to 999"),
        (["first.toml", "--jobs", "2", "--dask", "tcp://x"], "--jobs: got --dask as well"),
        (["first.toml", "--progress", "second.toml"], "second.toml: no progress file of a search"),
        (["vague.toml"], "vague.toml: its figures would leave about"),
        (["first.toml", "--words", "second.toml"], "corpus.sha256: second.toml has "),
        (
            ["first.toml", "--write"],
            "--write: first-found.toml: exists already, wanted a new name, or --force",
        ),
    ],
)
def test_bad_input_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    first = Path("first.toml").read_text(encoding="utf-8")
    vague = re.sub('probs_row = ".*"', 'losses = { 0 = "3.3" }', first)
    Path("vague.toml").write_text(vague, encoding="utf-8")
    if "--write" in options:
        Path("first-found.toml").touch()
    try:
        code = main(["recover", *options])
    except SystemExit as leaving:
        code = int(str(leaving.code))
    assert code == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


ROW = " ".join(["0.0370"] * 26)


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        (f'probs_row = "{ROW}"', "probs_row: got 26 figures, wanted 27, one for each character"),
        (f'probs_row = {{ 3 = "{ROW} 0.3700" }}', "the figures of row 3 sum to 1.3320, wanted 1"),
        (
            'cross_entropy = "3.3305951"\nlosses = { 0 = "3.3308" }',
            "printed: got 3.3308 and 3.3305951 for the loss of step 0, wanted figures of one run",
        ),
        ('cross_entropy = "3.3305951"\nsums = { 0 = "110" }', "got 3.3305951 and 110 for the loss"),
    ],
)
def test_figures_that_contradict_each_other_are_refused_at_once(
    here: Path, capsys: pytest.CaptureFixture[str], printed: str, says: str
) -> None:
    first = Path("first.toml").read_text(encoding="utf-8")
    Path("typo.toml").write_text(re.sub('probs_row = ".*"', printed, first), encoding="utf-8")
    assert main(["recover", "typo.toml", *NEAR]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("figures", [("3.330595016479492", "3.3306"), ("3.3305950", "3.33059645")])
def test_two_roundings_of_one_loss_are_no_contradiction(
    here: Path, figures: tuple[str, str]
) -> None:
    first = read_publication("first.toml")
    printed = Printed(cross_entropy={0: figures[0]}, losses={0: figures[1]})
    check_contradictions(dataclasses.replace(first, printed=printed))


def test_seeds_to_train_with_are_bounded_by_their_own_number(here: Path) -> None:
    """Two digits of the first loss leave too many seeds, whatever later losses say."""
    first = read_publication("first.toml")
    later = dict.fromkeys(range(1, 30), "2.12345")
    printed = Printed(cross_entropy={0: "3.3"}, losses=later)
    session = LostSession([dataclasses.replace(first, printed=printed)])
    assert session.prospects.all < 1
    with pytest.raises(InputError, match=r"2\^32 seeds to train with, wanted 100,000 at most: add"):
        session.check()


def test_dask_that_is_not_there_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["recover", "first.toml", *NEAR[:4], "--dask", "tcp://127.0.0.1:1"]) == 2
    assert "pip install 'npnet[dask]'" in capsys.readouterr().err


# Dask closes its sockets when Python ends: what it warns of then is not ours.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_processes_finds_the_same(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        assert main(["recover", "first.toml", *NEAR[:4], "--dask", address, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"][0]["seed"] == SEED


# Files filled in

TABLES = """
[[recipe.draws]]
name = "bngain"
seed = "lost"  # seed = "lost"
skip = 7
[[recipe.draws]]
name = "bnbias"
seed = 'lost'
"""


def test_tables_and_comments_and_skips_are_minded() -> None:
    assert filled_in(TABLES.replace("skip = 7\n", ""), 5, 9) == (
        TABLES.replace('seed = "lost"  #', "seed = 5\nskip = 9  #")
        .replace("skip = 7\n", "")
        .replace("seed = 'lost'", "seed = 5")
    )
    entry = '{ name = "b1", seed = "lost", skip = 7 }, { name = "b2", seed = "lost" } # "#" lost'
    assert filled_in(entry, 5, 9) == (
        '{ name = "b1", seed = 5, skip = 9 }, { name = "b2", seed = 5 } # "#" lost'
    )


def test_a_file_that_cannot_be_filled_in_says_what_to_write(here: Path) -> None:
    path = Path("first.toml")
    text = path.read_text(encoding="utf-8").replace("seed = ", '"seed" = ')
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"write seed = 5 there, and skip = 9 at the first of"):
        write_filled_in(path, 5, 9)
    assert not Path("first-found.toml").exists()


def test_workers_end_when_their_parent_is_gone() -> None:
    code = (
        "import os, sys, time, subprocess\n"
        "from npnet.cli.workers import prepare_worker\n"
        "prepare_worker(os.getppid() + 1)\n"
        "time.sleep(30)\n"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False, timeout=60)
    assert done.returncode == 1
    assert time.monotonic() - started < 25


def test_numbers_of_the_stream_are_as_the_session_says() -> None:
    generator, skipped = npnet.Generator(SEED), npnet.Generator(SEED)
    for hidden in (64, 64, 24, 24):
        generator.randn(1, hidden)
    skipped.rand(128 + words_of_stream(24))
    np.testing.assert_array_equal(generator.rand(3), skipped.rand(3))
