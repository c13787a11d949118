"""Logs of other programs: a small file of each kind, and the curves in it."""

# ruff: noqa: E501 - one line for each log

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from npnet.base.errors import InputError
from npnet.cli import main
from npnet.plotting.curves import Curve, Reading
from npnet.plotting.loss_logs import read_logs

TRAIN = {0.0: 3.5, 10.0: 2.25}


class Log(NamedTuple):
    """A file and its contents. ``says``: a part of the remark on it."""

    name: str
    content: str | bytes
    train: dict[float, float] = TRAIN
    validation: dict[float, float] | None = None
    says: str = ""


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


STATE = {
    "best_metric": None,
    "log_history": [
        {"epoch": 0.1, "step": 0, "loss": 3.5, "grad_norm": 1.5, "learning_rate": 1e-4},
        {"epoch": 0.1, "step": 10, "eval_loss": 3.1, "eval_runtime": 2.0},
        {"epoch": 0.2, "step": 10, "loss": 2.25, "learning_rate": 1e-4},
        {"epoch": 1, "step": 10, "train_loss": 2.9, "train_runtime": 33, "total_flos": 1e12},
    ],
}
TABLES = [
    Log("plain.csv", "step,loss\n0,3.5\n10,2.25\n"),
    Log("more.csv", "step, loss,note\r\n\r\n0, 3.5,a\r\n10, 2.25,\r\n"),
    Log("mark.csv", "\ufeffStep,Loss\n0,3.5\n10,2.25\n"),
    Log("wide.csv", "step,loss\n0,3.5\n10,2.25\n".encode("utf-16")),
    Log("latin.csv", "step,loss,Größe\n0,3.5,1\n10,2.25,1\n".encode("cp1252")),
    Log("packed.csv.gz", gzip.compress(b"step,loss\n0,3.5\n10,2.25\n", mtime=0)),
    Log("packed.csv", gzip.compress(b"step,loss\n0,3.5\n10,2.25\n", mtime=0)),
    Log("german.csv", "step;loss\n0;3,5\n10;2,25\n", says="commas are read as decimal points"),
    Log("excel.csv", "sep=;\nstep;loss\n0;3,5\n10;2,25\n", says="decimal points"),
    Log("tabs.tsv", "step\tloss\n0\t3.5\n10\t2.25\n"),
    Log("tabs2.tsv", "step\tloss\n0\t3,5\n10\t2,25\n", says="decimal points"),
    Log("blanks.txt", "step   loss\n   0    3.5\n  10   2.25\n"),
    Log("bars.md", "| step | loss |\n|---|---|\n| 0 | 3.5 |\n| 10 | 2.25 |\n"),
    Log("savetxt.txt", "0.00e+00 3.50e+00\n1.00e+01 2.25e+00\n", says="column 1 is taken as"),
    Log("header.txt", "# step loss\n0 3.5\n10 2.25\n"),
    Log("header.csv", "# step,loss\n0,3.5\n10,2.25\n"),
    Log("comments.csv", "# a run\nstep,loss\n0,3.5\n# half\n10,2.25\n"),
    Log("numbers.txt", "3.5\n2.25\n", {0: 3.5, 1: 2.25}),
    Log("one.csv", "loss\n3.5\n2.25\n", {0: 3.5, 1: 2.25}),
    Log("index.csv", ",loss\n0,3.5\n10,2.25\n"),
    Log("index2.csv", ",step,loss\n0,0,3.5\n1,10,2.25\n"),
    Log("iteration.csv", "iteration,train_loss\n0,3.5\n10,2.25\n"),
    Log("epochs.csv", "epoch,accuracy,loss,val_loss\n0,.1,3.5,3.6\n10,.2,2.25,2.5\n", TRAIN, {0: 3.6, 10: 2.5}),
    Log("appended.csv", "epoch,loss\n0,9\n10,8\nepoch,loss\n0,3.5\n10,2.25\n", says="goes back from 10 to 0 (line 5): joined, of 2 steps the later record"),
    Log("lightning.csv", "epoch,step,train_loss,val_loss\n0,0,3.5,\n0,10,2.25,\n0,10,,2.75\n", TRAIN, {10: 2.75}),
    Log("tensorboard.csv", "Wall time,Step,Value\n1700000000.5,0,3.5\n1700000009.5,10,2.25\n"),
    Log("wandb.csv", '"Step","calm - train/loss","calm - train/loss__MIN","calm - train/loss__MAX"\n"0","3.5","1","9"\n"5","","",""\n"10","2.25","1","9"\n'),
    Log("resumed.csv", "step,loss\n0,3.5\n10,9\n20,8\n10,2.25\n20,2\n", {0: 3.5, 10: 2.25, 20: 2}, says="(line 5)"),
    Log("unsorted.csv", "step,loss\n10,2.25\n0,3.5\n", says="sorted by step"),
    Log("twice.csv", "step,loss\n0,3.5\n10,7\n10,2.25\n", says="10 occurs twice: joined"),
    Log("growing.csv", "step,loss\n0,3.5\n10,2.25\n20,2.", {**TRAIN, 20: 2}),
    Log("killed.csv", "step,loss\n0,3.5\n10,2.25\n20,1e-", says="line 4: half a row, left out"),
    Log("huge.csv", "step,loss\n0,3.5\n10,2.25\n20,1e308\n30,1e308\n", TRAIN | {20: np.inf, 30: np.inf}, says="losses beyond 1e+100 are drawn as infinite"),
    Log("trailing.csv", "step,loss,\n0,3.5,\n10,2.25,\n"),
    Log("series.csv", ",0\n0,3.5\n10,2.25\n", says="no titles"),
    Log("part.csv", "epoch,loss\n0/25,3.5\n10 / 25,2.25\n"),
    Log("dash.csv", "step,loss,val_loss\n0,3.5,4\n10,2.25,-\n", TRAIN, {0: 4}),
    Log("tune.csv", "loss,training_iteration,trial_id,time\n3.5,0,a,2\n2.25,10,a,2\n"),
]  # fmt: skip
JSONS = [
    Log("list.json", "[3.5, 2.25]", {0: 3.5, 1: 2.25}),
    Log("pairs.json", "[[0, 3.5], [10, 2.25]]", says="are taken as step and loss"),
    Log("board.json", "[[1700000000.5, 0, 3.5], [1700000001.5, 10, 2.25]]", says="wall time, step"),
    Log("records.json", '[{"step": 0, "loss": 3.5}, {"step": 10, "loss": 2.25}]'),
    Log("columns.json", '{"loss": [3.5, 2.25], "val_loss": [4, 3], "lr": [1, 1]}', {0: 3.5, 1: 2.25}, {0: 4, 1: 3}),
    Log("pandas.json", '{"step": {"0": 0, "1": 10}, "loss": {"0": 3.5, "1": 2.25}}'),
    Log("steps.json", '{"0": 3.5, "10": 2.25}', says="step and loss"),
    Log("inner.json", '{"history": {"step": [0, 10], "loss": [3.5, 2.25]}}'),
    Log("text.json", '[{"step": 0, "loss": "3.5"}, {"step": 10, "loss": "2.25"}]'),
    Log("lines.jsonl", '{"step": 0, "loss": 3.5}\n{"step": 10, "eval_loss": 4}\n{"step": 10, "loss": 2.25}\n', TRAIN, {10: 4}),
    Log("nested.jsonl", '{"step": 0, "train": {"loss": 3.5}}\n{"step": 10, "train": {"loss": 2.25}}\n'),
    Log("killed.jsonl", '{"step": 0, "loss": 3.5}\n{"step": 10, "loss": 2.25}\n{"step": 2', says="half a record"),
    Log("trainer_state.json", json.dumps(STATE), TRAIN, {10: 3.1}),
    Log("printed.log", "{'loss': 3.5, 'epoch': 0.0}\n{'loss': 2.25, 'epoch': 10.0}\n"),
    Log("array.npy", npy(np.array([3.5, 2.25], np.float32)), {0: 3.5, 1: 2.25}),
    Log("metrics.json", json.dumps({"train.acc": {"steps": [0], "values": [0.1]}, "train.loss": {"steps": [0, 10], "timestamps": ["a", "b"], "values": [3.5, 2.25]}})),
    Log("history.json", json.dumps({"epochs": [{"epoch": 0, "loss": 3.5}, {"epoch": 10, "loss": 2.25}], "notes": ["a", "b"]})),
    Log("pairs.npy", npy([[0, 3.5], [10, 2.25]]), says="step and loss"),
    Log("arrays.npz", npz(step=np.array([0, 10], np.int32), loss=np.array([3.5, 2.25], np.float32))),
    Log("one.npz", npz(losses=np.array([3.5, 2.25], np.float64)), {0: 3.5, 1: 2.25}),
]  # fmt: skip
PRINTED = [
    Log("lecture.txt", "      0/ 200000: 3.5000\n     10/ 200000: 2.2500\n"),
    Log("nanogpt.log", "number of parameters: 10.65M\nstep 0: train loss 4.0, val loss 4.25\niter 0: loss 3.5, time 12.10ms, mfu -100.00%\niter 10: loss 2.25, time 9ms, mfu 5%\n", TRAIN, {0: 4.25}, "is left out"),
    Log("nanogpt2.log", "step 0: train loss 3.5, val loss 4.25\nstep 10: train loss 2.25, val loss 3.0\n", TRAIN, {0: 4.25, 10: 3}),
    Log("main.log", "s:0 tel:4.25\ns:0 trl:3.5\ns:10 eval:0.25\ns:10 trl:2.25 lr:0.001 norm:3.1\n", TRAIN, {0: 4.25}),
    Log("llmc.txt", "step 0/74: train loss 3.5 (acc 0.2) (33 ms, 124 tok/s)\nstep 10/74: train loss 2.25 (33 ms)\n"),
    Log("llmc2.txt", "val loss 4.25\nstep 0: train loss 3.5 (took 3 ms)\nstep 10: train loss 2.25 (took 3 ms)\nval loss 3.0\n", TRAIN, {0: 4.25, 11: 3}),
    Log("llmc3.txt", "step    0/19560 | loss 3.500000 (+nanz)| norm 15.3 (+nanz)| lr 8.57E-07 | 35 ms\nstep   10/19560 | loss 2.25 (+nanz)| norm 1 | lr 1e-6 | 35 ms\n"),
    Log("keras.txt", "Epoch 1/2\n1/2 [==>..] - ETA: 1s - loss: 9.0\r2/2 [====] - 1s 4ms/step - loss: 3.5 - val_loss: 4.0\nEpoch 2/2\n2/2 [====] - loss: 2.25 - val_loss: 3.0\n", {1: 3.5, 2: 2.25}, {1: 4, 2: 3}),
    Log("keras3.txt", "Epoch 1/2\n\x1b[1m1/2\x1b[0m \x1b[32m━\x1b[0m 3s 3ms/step - loss: 9\b\b\b\x1b[1m2/2\x1b[0m ━━ 1s 4ms/step - loss: 3.5 - val_loss: 4.0\nEpoch 2/2\n1/2 [....] - ETA: 1s - loss: 9\r2/2 [====] - loss: 2.25 - val_loss: 3.0\n", {1: 3.5, 2: 2.25}, {1: 4, 2: 3}),
    Log("tutorial.txt", "Epoch: 01 | Epoch Time: 0m 2s\n\tTrain Loss: 3.5 | Train Acc: 5%\n\t Val. Loss: 4.0 |  Val. Acc: 5%\nEpoch: 02 | Epoch Time: 0m 2s\n\tTrain Loss: 2.25 | Train Acc: 5%\n\t Val. Loss: 3.0 |  Val. Acc: 5%\n", {1: 3.5, 2: 2.25}, {1: 4, 2: 3}),
    Log("words.txt", "| ms/batch 12.3 | time per step 3.5 | epoch 0 | loss 3.5 |\n| ms/batch 12.4 | time per step 4.5 | epoch 10 | loss 2.25 |\n"),
    Log("split.txt", "Epoch 0 (train): loss=3.5 (val): loss=4\nEpoch 10 (train): loss=2.25 (val): loss=3\n", TRAIN, {0: 4, 10: 3}),
    Log("best.txt", "step 0: avg. loss 3.5, best loss 3\nstep 10: best loss 2, avg. loss 2.25\n"),
    Log("means.txt", "step 0: loss 3.5, loss 3\nstep 10: loss 2.25, loss 2\n", says="line 1: two losses of one name, the first of them is drawn, as in 1 more"),
    Log("both.txt", "epoch 0 train/val loss: 3.5/4\nepoch 10 train/val loss: 2.25/3, lr 0.1\n", TRAIN, {0: 4, 10: 3}),
    Log("colours.txt", "\x1b[32mstep 0\x1b[0m: loss \x1b[1m3.5\x1b[0m\nstep 10: loss 2.25\n"),
    Log("trainer.log", "Some weights were not used\n  5%|# | 1/9 [00:01<00:10, 3.1it/s]\r   \r{'loss': 3.5, 'grad_norm': nan, 'epoch': 0.0}\n 5%|#| 2/9 [00:01<00:10]   {'loss': '2.25', 'epoch': 10.0}\n{'train_runtime': 3.2, 'train_loss': 3.1, 'epoch': 10.0}\n"),
    Log("own.txt", "[INFO] Epoch: 0 | Train Loss: 3.5 | Val Loss: 4.0\n[INFO] Epoch: 10 | Train Loss: 2.25 | Val Loss: 3.0\n", TRAIN, {0: 4, 10: 3}),
    Log("tensors.txt", "step 0 loss tensor(3.5, grad_fn=<NllLossBackward0>)\nstep 10 loss tensor(2.25, grad_fn=<NllLossBackward0>)\n"),
    Log("late.txt", "compiling\n" * 20_000 + "step 0, loss: 3.5\nstep 10, loss: 2.25\n"),
]  # fmt: skip
LOGS = [*TABLES, *JSONS, *PRINTED]


def saved(folder: Path, log: Log) -> Path:
    path = folder / log.name
    path.write_bytes(log.content.encode() if isinstance(log.content, str) else log.content)
    return path


def drawn(curve: Curve) -> dict[float, float]:
    return dict(zip(curve.steps.tolist(), curve.losses.tolist(), strict=True))


def check(curves: list[Curve], log: Log) -> None:
    splits = {curve.split: drawn(curve) for curve in curves}
    wanted = {"train": log.train} | ({"validation": log.validation} if log.validation else {})
    assert splits == wanted
    notes = " ".join(curves[0].notes)
    assert log.says in notes
    assert bool(notes) == bool(log.says), notes


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_a_log_gives_its_losses(log: Log, tmp_path: Path) -> None:
    check(read_logs(saved(tmp_path, log)), log)


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_packed_and_through_a_pipe_a_log_is_the_same(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = log.content.encode() if isinstance(log.content, str) else log.content
    packed = gzip.compress(content, mtime=0) if not content.startswith(b"\x1f\x8b") else content
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    curves = read_logs("-")
    check(curves, log)
    assert curves[0].name in ("standard input", "calm")


def test_rates_and_times_are_read_too(tmp_path: Path) -> None:
    text = "step,loss,lr,timestamp\n0,3,0.1,100\n5,2,0.1,\n10,2,0.01,160\n"
    [curve] = read_logs(saved(tmp_path, Log("a.csv", text)))
    assert list(curve.rates) == [(0, 0.1), (10, 0.01)]
    assert curve.seconds is None
    board = Log("b.csv", "Wall time,Step,Value\n1700000000,0,3\n1700000060,10,2\n")
    [curve] = read_logs(saved(tmp_path, board))
    assert curve.seconds is not None
    assert np.ptp(curve.seconds) == 60


def test_split_losses_below_the_lectures_lines_are_read(tmp_path: Path) -> None:
    text = "  0/ 20: 3.5\n 10/ 20: 2.25\ntrain 2.0674145221710205\nval 2.1056840419769287\n"
    [curve] = read_logs(saved(tmp_path, Log("a.txt", text)))
    assert curve.split_losses == {"train": 2.0674145221710205, "val": 2.1056840419769287}


def test_the_log_itself_and_the_picture_are_never_replaced_by_data(tmp_path: Path) -> None:
    log = saved(tmp_path, Log("x.csv", "step,loss\n0,3.5\n"))
    picture = tmp_path / "x.png"
    for data in (log, picture):
        options = ["--out", str(picture), "--data", str(data), "--force"]
        assert main(["plot", str(log), *options]) == 2
    assert log.read_text() == "step,loss\n0,3.5\n"
    assert not picture.exists()


def test_every_run_of_a_wandb_export_is_a_run(tmp_path: Path) -> None:
    text = "Step,a - loss,a - loss__MIN,b - loss,b - val_loss\n0,3,3,4,5\n1,,,2,\n2,1,1,,3\n"
    curves = read_logs(saved(tmp_path, Log("a.csv", text)))
    assert [(curve.name, curve.split) for curve in curves] == [
        ("a", "train"), ("b", "train"), ("b", "validation"),
    ]  # fmt: skip
    assert [drawn(curve) for curve in curves] == [{0: 3, 2: 1}, {0: 4, 1: 2}, {0: 5, 2: 3}]


def test_a_run_that_ends_in_nan_diverged(tmp_path: Path) -> None:
    text = "step,loss\n0,3\n5,nan\n10,4e38\n15,inf\n20,nan\n"
    [curve] = read_logs(saved(tmp_path, Log("a.csv", text)))
    assert curve.diverged == 15
    assert read_logs([3.0, 2.0])[0].diverged is None


# What the user says


@pytest.mark.parametrize(
    ("text", "reading", "curves"),
    [
        ("a,b,c\n0,1,5\n1,2,6\n", Reading(("b",), "a"), {"x": {0: 1, 1: 2}}),
        ("step,A,B\n0,1,5\n1,2,6\n", Reading(("a", "B")), {"A": {0: 1, 1: 2}, "B": {0: 5, 1: 6}}),
        ("step,loss,loss\n0,1,5\n1,2,6\n", Reading(("3",)), {"x": {0: 5, 1: 6}}),
        (
            "step,loss,loss\n0,1,5\n1,2,6\n",
            Reading(("2", "3")),
            {"loss (2)": {0: 1, 1: 2}, "loss (3)": {0: 5, 1: 6}},
        ),
        ("t,loss\n5,1\n6,2\n", Reading(step="row"), {"x": {0: 1, 1: 2}}),
        ("0,1,5\n1,2,6\n", Reading(("3",), "1"), {"x": {0: 5, 1: 6}}),
        ("step;loss,x\n0;1\n1;2\n", Reading(("2",), separator=";"), {"x": {0: 1, 1: 2}}),
        ("step,lossi\n0,1\n1,-1\n", Reading(losses_are="log10"), {"x": {0: 10, 1: 0.1}}),
        ("step,loss\n0,1\n1,-1\n", Reading(losses_are="plain"), {"x": {0: 1, 1: -1}}),
    ],
)
def test_what_a_log_does_not_say_can_be_said(
    text: str, reading: Reading, curves: dict[str, dict[float, float]], tmp_path: Path
) -> None:
    found = read_logs(saved(tmp_path, Log("x.csv", text)), reading)
    assert {curve.name: drawn(curve) for curve in found} == curves


# What is refused

REFUSED = [
    ("a.csv", "", "a.csv line 1: got nothing"),
    ("a.csv", "step,loss\n", "a.csv: no losses"),
    ("a.csv", "step,loss\n0,2.5\n1,high\n2,1\n", "line 3: loss 'high', wanted a number"),
    ("a.csv", "step,loss\n0,1_0\n2,1\n", "line 2: loss '1_0', wanted a number"),
    ("a.csv", "step,loss\n0,None\n2,1\n", "line 2: loss 'None', wanted a number"),
    ("a.csv", "step,loss\n0,tensor(2.1)\n2,1\n", "line 2: loss 'tensor(2.1)', wanted"),
    ("a.csv", "loss,step\n2.5\n", "line 2: a loss and no step, wanted a number"),
    ("a.csv", "step,loss,lr\n0,2.5,big\n1,1,1\n", "line 2: lr 'big', wanted a number"),
    ("a.csv", "step,loss\n5,2\ninf,2\n", "line 3: step inf, wanted a number"),
    ("a.csv", "step,loss\n0,2\n1e300,2\n", "line 3: step 1e+300, wanted one up to 2^53"),
    ("a.csv", "step,loss\n0,3,4385\n1,3,2\n", "line 2: 3 cells, and line 1 has 2 titles (step, loss): if commas are decimal"),
    ("a.csv", "step;loss\n0;3,4\n1;3.2\n", "line 3: '3.2', and other decimals on line 2"),
    ("a.csv", "step;loss\n0;3.4\n1;3,2\n", "line 3: '3,2', and other decimals on line 2"),
    ("a.csv", "step;loss\n500;2,5\n1,000;2,4\n", "line 3: step '1,000', which could be a thousand"),
    ("a.csv", 'step,loss\n500,2.5\n"1,000",2.4\n', "line 3: step '1,000', wanted a number"),
    ("a.csv", "step,loss,loss\n0,1,2\n", "line 1: 2 columns could be the training loss, loss, loss: choose with --loss 2 or --loss 3"),
    ("a.csv", "step,loss,train_loss\n0,1,2\n", "choose with --loss 'loss' or --loss 'train_loss'"),
    ("a.csv", "step,box_loss,cls_loss\n0,1,2\n", "2 columns could be the training loss"),
    ("a.csv", "step,global_step,loss\n0,1,2\n", "2 columns could be the steps, step, global_step: choose with --step"),
    ("a.csv", "step,runA,runB\n0,1,2\n", "line 1: got step, runA, runB, wanted a column of losses: name it with --loss COLUMN"),
    ("a.csv", "step,loss_scale\n0,1024\n", "wanted a column of losses"),
    ("a.csv", "t,loss\n0,1\n", "wanted a column of steps: name it with --step 't'"),
    ("a.csv", "step,loss\n0,1\n1;2\n", "line 3: separated by semicolons, and line 1 by commas"),
    ("a.csv", "step;loss,x\n0;1\n", "line 1: semicolons and commas, wanted one separator: choose with --separator ';' or --separator ','"),
    ("a.csv", "0.5,1.5\n0.25,2.5\n", "line 1: 2 columns without titles, and the first does not count"),
    ("a.csv", "0,1,2\n1,2,3\n", "3 columns without titles, wanted titles"),
    ("a.txt", "step train loss\n0 1\n", "line 2: 2 cells, and line 1 has 3 titles"),
    ("a.csv", "step,log10_loss\n0,.5\n", "a.csv: its losses are called log10_loss, are they log10 of the losses? Type --losses-are log10"),
    ("lossi.json", "[0.5, 0.4]", "its losses are called lossi"),
    ("a.csv", "step,loss\n0,.5\n7,-.4\n", "a.csv line 3: loss -0.4 is below 0, are they log10"),
    ("a.csv", "epoch,loss\n0,3\n0,2\n0,1\n1,1\n1,1\n1,1\n", "line 3: epoch 0 again, as in 4 of 6 rows, wanted steps that count on"),
    ("a.csv", "epoch,step,loss\n0,0,3\n0,1,2\n1,0,1\n1,1,1\n", "line 4: step begins again at 0 with the epoch"),
    ("a.csv", "step,loss\n0,3\n1,2\n0,1\n1,1\n0,1\n1,1\n", "line 4: step begins again at 0 2 times"),
    ("a.txt", "[1,  2000] loss: 2.173\n[1,  4000] loss: 1.9\n[2,  2000] loss: 1.8\n", "line 3: step begins again at 2000 with the epoch"),
    ("a.txt", "step 1: loss 2,31\n", "line 1: 'loss 2,31', and a comma inside"),
    ("a.txt", "Dear diary\nnothing today\n", "line 1: got Dear, diary, wanted a column of losses"),
    ("a.json", "[2.5, 'x']", "a.json"),
    ("a.json", "[2.5, null, true]", "entry 3: True, wanted a number"),
    ("a.json", '{"name": "x", "epochs": 3}', "got entries name, epochs, wanted losses"),
    ("a.json", '{"loss": [3, 2], "val_loss": [3]}', "columns of different lengths (loss 2, val_loss 1)"),
    ("a.json", "[[1, 2, 3], [4, 5, 6]]", "2 rows of 3 numbers, wanted pairs"),
    ("a.jsonl", '{"step": 0, "loss": 3}\n{"step": 1, "loss": \n{"step": 2, "loss": 3}\n', "line 2: no JSON"),
    ("a.jsonl", '{"step": 0, "loss": 3}\n{"step": 1, "loss": "high"}\n', "line 2: loss 'high', wanted a number"),
    ("a.json", "[" * 100_000, "no JSON"),
    ("a.csv.gz", gzip.compress(b"step,loss\n" + b"0,3\n" * 9, mtime=0)[:-9], "packed by gzip and damaged or cut off"),
    ("long.csv.gz", gzip.compress(("step,loss\n" + "".join(f"{i},{i * 7919 % 9973}\n" for i in range(20_000))).encode(), mtime=0)[:-900], "packed by gzip and damaged or cut off"),
    ("a.log", "{'loss': 2.5, 'epoch': 1}\n{'loss': f(2), 'epoch': 2}\n", "line 2: a dict with more than numbers"),
    ("a.html", "<!DOCTYPE html>\n<table><tr><td>loss</td></tr></table>\n", "is a page of HTML"),
    ("a.txt", "step loss\n1 0 3.5\n2 10 2.25\n", "line 2: 3 cells, and line 1 has 2 titles (step, loss): if its first column has no title, write one into line 1"),
    ("a.npy", npy([[[1.0]]])[:-4], "cannot be read as an npy file"),
    ("a.npy", npy(np.ones((4, 5))), "an array (4, 5), wanted losses of one axis, or pairs of step and loss: choose a column by its number"),
    ("a.json", '{"a": {"loss": [1, 2]}, "b": {"loss": [1, 2]}}', "got entries a, b, wanted losses"),
    ("a.npy", npy(np.array(["a"])), "wanted numbers: losses"),
    ("a.npz", npz(a=np.ones(3), b=np.ones(3)), "got a, b, wanted a column of losses"),
    ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "is a picture"),
    ("a.pkl", b"\x80\x04\x95" + bytes(40), "is a pickle"),
    ("a.pt", bytes(range(200)), "not text, nor npy, npz or an event file"),
    ("run.wandb", b":W&B" + bytes(40), "wandb's own record: download"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "says"), REFUSED)
def test_what_is_ambiguous_or_broken_is_refused_in_one_line(
    name: str, content: str | bytes, says: str, tmp_path: Path
) -> None:
    path = saved(tmp_path, Log(name, content))
    with pytest.raises(InputError) as caught:
        read_logs(path)
    said = str(caught.value)
    assert says in said
    assert said.startswith(str(path))
    assert "\n" not in said
    assert len(said) < 400 + len(str(path))


def test_a_column_of_an_array_is_named_by_its_number() -> None:
    array = np.array([[0, 9, 9, 3.5], [10, 9, 9, 2.25]])
    [curve] = read_logs(array, Reading(("4",), "1"))
    assert drawn(curve) == TRAIN
    [curve] = read_logs(array, Reading(("4",), "row"))
    assert drawn(curve) == {0: 3.5, 1: 2.25}


def test_a_message_never_holds_the_file(tmp_path: Path) -> None:
    numbers = ", ".join(["2.1"] * 4_000)
    for text in (f"[{numbers}, x]", f"{numbers}, x", f'{{"a": [{numbers}, "x"]}}', numbers * 2):
        with pytest.raises(InputError) as caught:
            read_logs(saved(tmp_path, Log("huge.json", text)))
        assert len(str(caught.value)) < 500


def test_a_long_table_of_numbers_is_read_whole(tmp_path: Path) -> None:
    text = "step,loss,lr\n" + "".join(f"{step},2.5,0.1\n" for step in range(20_000))
    [curve] = read_logs(saved(tmp_path, Log("long.csv", text)))
    assert curve.steps.size == 20_000
    assert list(curve.rates) == [(0, 0.1)]
