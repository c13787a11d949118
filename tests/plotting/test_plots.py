"""Loss curves: drawings are checked by the data of their artists, files by their bytes."""

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from npnet.base.arrays import Array, Floats
from npnet.base.errors import InputError
from npnet.plotting.curves import Curve
from npnet.plotting.drawn import drawn, text_of
from npnet.plotting.labels import labelled
from npnet.plotting.plots import losses, save, smooth
from npnet.recipes.recipe import Recipe


@dataclass(frozen=True)
class Result:
    losses: Floats
    recipe: Recipe = field(default_factory=lambda: Recipe("lecture"))
    split_losses: Mapping[str, float] = field(default_factory=dict)


def noisy(steps: int, seed: int = 0) -> Floats:
    """Read-only losses like a run's: from 3.3 down to 2.1, with a minibatch's noise."""
    trend = 2.1 + 1.2 * np.exp(-np.arange(steps) / 3000)
    values = (trend + 0.2 * np.random.default_rng(seed).standard_normal(steps)).astype(np.float32)
    values.setflags(write=False)
    return values


def means(ax: Axes) -> list[Line2D]:
    """The lines that a legend of the axes would show."""
    return [line for line in ax.get_legend_handles_labels()[0] if isinstance(line, Line2D)]


def raw(ax: Axes) -> list[Line2D]:
    return [line for line in ax.lines if line.get_alpha() is not None]


def marks(ax: Axes) -> list[float]:
    """Where vertical lines are."""
    return [xs(line)[0] for line in ax.lines if line not in means(ax) and len(xs(line)) == 2]


def points(ax: Axes, marker: str) -> list[tuple[float, float]]:
    """Where single marks of this shape are."""
    found = [line for line in ax.lines if line.get_marker() == marker and len(xs(line)) == 1]
    return [
        (float(xs(line)[0]), float(ys(line)[0])) for line in found if line.get_linestyle() == "None"
    ]


def captions(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def xs(line: Line2D) -> Array:
    return np.asarray(line.get_xdata())


def ys(line: Line2D) -> Array:
    return np.asarray(line.get_ydata())


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "other.csv"
    path.write_text(text, encoding="utf-8")
    return path


@given(
    st.lists(
        st.tuples(st.integers(-50, 300), st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf])),
        unique_by=lambda point: point[0],
    ),
    st.integers(1, 40),
)
def test_a_moving_mean_is_that_of_the_finite_values_around(
    points: list[tuple[int, float]], window: int
) -> None:
    points.sort()
    all_steps, all_values = np.array(points, float).reshape(-1, 2).T
    steps, got = smooth(all_steps, all_values, window)
    finite = [place for place, (_, value) in enumerate(points) if np.isfinite(value)]
    shown = points[: finite[-1] + 1] if finite else points[:1]
    wanted: list[float] = []
    for step, _ in shown:
        near = [v for s, v in points if step - window / 2 <= s < step + window / 2]
        near = [v for v in near if np.isfinite(v)]
        wanted.append(float(np.mean(near)) if near else np.nan)
    np.testing.assert_array_equal(steps, [step for step, _ in shown])
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-6)


@given(st.lists(st.floats(-100, 100), min_size=1), st.floats(0, 0.99))
def test_an_exponential_mean_is_tensorboards(values: list[float], weight: float) -> None:
    _, got = smooth(np.arange(float(len(values))), np.array(values), weight=weight)
    mean, wanted = 0.0, []
    for count, value in enumerate(values, 1):
        mean = mean * weight + (1 - weight) * value
        wanted.append(mean / (1 - weight**count))
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)


def test_one_enormous_loss_leaves_the_means_after_it_exact() -> None:
    values = np.full(5000, 2.0)
    values[100] = 4e38
    _, means = smooth(np.arange(5000.0), values, 10)
    assert (means[60:] == 2).all()


def test_a_mean_leaves_no_more_points_than_a_screen_shows() -> None:
    steps, means = smooth(np.arange(100_000.0), noisy(100_000))
    assert steps.size == means.size == 2000
    assert (steps[0], steps[-1]) == (0, 99_999)


def test_25_epochs_are_a_curve_of_25_points() -> None:
    [line] = means(losses(list(1 + 1 / np.arange(1, 26))))
    np.testing.assert_allclose(ys(line), 1 + 1 / np.arange(1, 26))


@pytest.mark.parametrize(
    ("steps", "values", "window", "said"),
    [
        ([0, 1], [1, 2, 3], 1, r"steps \(2,\) and values \(3,\)"),
        ([[0, 1]], [[1, 2]], 1, "one axis"),
        ([0, 0], [1, 2], 1, "do not increase"),
        ([0, 1], [1, 2], 0, "window 0, wanted 1 step or more"),
    ],
)
def test_smoothing_refuses(steps: object, values: object, window: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        smooth(np.array(steps), np.array(values), window)


def test_the_line_is_the_mean_of_1000_steps_around() -> None:
    values = noisy(20_000).astype(float)
    [line] = means(losses(Result(values)))
    at = int(np.abs(xs(line) - 10_000).argmin())
    place = int(xs(line)[at])
    assert ys(line)[at] == pytest.approx(values[place - 500 : place + 500].mean(), rel=1e-12)


def test_a_logarithmic_axis_shows_the_same_numbers() -> None:
    run = Result(noisy(2000))
    plain, log = losses(run), losses(run, log=True)
    np.testing.assert_array_equal(ys(means(plain)[0]), ys(means(log)[0]))
    assert (plain.get_yscale(), log.get_yscale()) == ("linear", "log")
    assert plain.get_ylabel() == log.get_ylabel() == "loss"
    assert plain.get_xlabel() == "step"
    log.figure.figure.draw_without_rendering()
    texts = [text.get_text() for text in log.get_yticklabels()]
    assert len(texts) > 2
    assert all(float(text) > 0 for text in texts)


def test_a_short_run_has_a_curve_within_its_raw_values() -> None:
    values = noisy(500)
    ax = losses(Result(values))
    [line], [faint] = means(ax), raw(ax)
    assert ys(line).size == 500
    np.testing.assert_array_equal(ys(faint), values)
    assert values.min() < ys(line).min() < ys(line).max() < values.max()


def test_the_raw_line_of_a_long_run_keeps_its_extremes() -> None:
    values = noisy(123_456).copy()
    values[54_321], values[77_777] = 9, 0.1
    [faint] = raw(losses(Result(values)))
    assert ys(faint).size <= 2000
    assert (ys(faint).max(), ys(faint).min()) == (9, values[77_777])
    assert abs(xs(faint)[ys(faint).argmax()] - 54_321) < 200


def test_single_outliers_do_not_flatten_the_curve() -> None:
    values = noisy(20_000).copy()
    values[::5000] = 50
    assert losses(Result(values)).get_ylim()[1] < 4


def test_the_smooth_curves_alone_set_the_range() -> None:
    ax = losses([Result(noisy(20_000)), Result(noisy(20_000, 1))])
    low, high = ax.get_ylim()
    drawn = np.concatenate([ys(line) for line in means(ax)])
    assert low == pytest.approx(drawn.min(), abs=0.1)
    assert high == pytest.approx(drawn.max(), abs=0.1)


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("end", [[np.nan], [np.inf, np.nan], [4e38, np.inf, np.nan], [1e300] * 9])
def test_an_explosion_never_sets_the_scale(end: list[float], log: bool) -> None:
    exploding = Result(np.concatenate([noisy(200), end]), Recipe("b", hidden=64))
    alone = losses(Result(noisy(200, 1)), log=log).get_ylim()
    both = losses([Result(noisy(200, 1)), exploding], log=log).get_ylim()
    assert both[1] < 1.5 * alone[1]
    assert losses(exploding, log=log).get_ylim()[1] < 40


def test_a_run_that_diverged_is_marked_at_its_step() -> None:
    values = noisy(300).copy()
    values[250:] = np.nan
    values[100] = np.inf
    ax = losses([Result(noisy(300)), Result(values, Recipe("b", hidden=64))])
    assert captions(ax) == ["hidden 200", "hidden 64  diverged at step 250"]
    assert [x for x, _ in points(ax, "X")] == [250]
    assert xs(means(ax)[1])[-1] == 249


def test_the_best_step_has_a_ring() -> None:
    [(step, loss)] = points(losses([3.0, 2.5, 2.25, 2.5]), "o")
    assert (step, loss) == (2, 2.25)


def test_validation_losses_are_a_second_curve_of_their_run() -> None:
    ax = losses({"loss": [3, 2, 1.5], "val_loss": [3.5, 2.5, 2.75]})
    assert captions(ax) == ["losses", "losses, validation"]
    train, validation = means(ax)
    assert train.get_color() == validation.get_color()
    assert ys(validation).tolist() == [3.5, 2.5, 2.75]
    assert points(ax, "o") == [(1, 2.5)]


def test_runs_are_called_by_what_differs_between_their_recipes() -> None:
    recipes = [
        Recipe("lecture", rates=((0, rate),), seed=seed) for rate, seed in ((0.5, 1), (1, 2))
    ]
    runs = [Result(noisy(20), recipe) for recipe in recipes]
    assert captions(losses(runs)) == ["seed 1, rate 0.5", "seed 2, rate 1"]
    assert captions(losses(runs[:1])) == ["lecture"]


def test_files_of_one_name_are_called_by_their_folders(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "metrics.csv")
        paths[-1].write_text("step,loss\n0,3\n1,2\n", encoding="utf-8")
    assert captions(losses(paths)) == ["a", "b"]


def test_parts_of_one_run_are_joined_the_later_wins(tmp_path: Path) -> None:
    ax = losses([[3.0, 2.0, 1.0], [[0, 9.0], [5, 1.0]]], join=True)
    np.testing.assert_array_equal(xs(means(ax)[0]), [0, 1, 2, 5])
    np.testing.assert_array_equal(ys(means(ax)[0]), [9, 2, 1, 1])


def test_the_x_axis_can_be_time_or_examples(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "Wall time,Step,Value\n1700000000,0,3\n1700007200,50,2\n")
    ax = losses(path, x="time")
    assert xs(means(ax)[0]).tolist() == [0, 2]
    assert ax.get_xlabel() == "hours"
    assert xs(means(losses(Result(noisy(3)), x="examples"))[0]).tolist() == [0, 32, 64]
    with pytest.raises(InputError, match=r"has no times.*use --x step"):
        losses([2.0, 3.0], x="time")
    with pytest.raises(InputError, match="no run of npnet"):
        losses([2.0, 3.0], x="examples")


def test_losses_that_are_not_finite_leave_a_gap(tmp_path: Path) -> None:
    values = noisy(6000).copy()
    values[1000:2000], values[5000:] = np.inf, np.nan
    ax = losses(Result(values), window=100)
    [line] = means(ax)
    inside = (xs(line) > 1060) & (xs(line) < 1940)
    assert np.isnan(ys(line)[inside]).all()
    assert xs(line)[-1] == 4999
    save(ax, tmp_path / "gap.png")


@pytest.mark.parametrize(
    "values", [[np.nan, 2.5, np.inf], [2.5], [2.5] * 4, [0, -1, 2], [1e-320, 3e38]]
)
@pytest.mark.parametrize("log", [True, False])
def test_strange_runs_still_give_a_picture(values: list[float], log: bool, tmp_path: Path) -> None:
    save(losses(Result(np.array(values)), log=log), tmp_path / "strange.svg")


def test_the_legend_has_one_entry_a_run_with_its_split_losses() -> None:
    runs = [
        Result(noisy(50), split_losses={"train": 2.0711, "dev": 2.1119}),
        Result(noisy(50, seed=1), Recipe("_price $x$ of a $")),
    ]
    ax = losses(runs)
    assert captions(ax) == ["lecture  train 2.07  dev 2.11", r"_price \$x\$ of a \$"]
    assert captions(losses(runs, labels=["a\nb", "c"])) == ["a b  train 2.07  dev 2.11", "c"]
    assert captions(losses(runs[1], labels="alone")) == ["alone"]


def test_long_names_keep_both_ends() -> None:
    [caption] = captions(losses(Result(noisy(5)), labels="begin" + 300 * "-" + "end"))
    assert len(caption) == 36
    assert caption.startswith("begin")
    assert caption.endswith("end")


def test_the_legend_is_above_the_axes_and_inside_the_figure() -> None:
    runs = [Result(noisy(50, n), split_losses={"train": 2, "dev": 2, "test": 2}) for n in range(9)]
    ax = losses(runs, labels=[f"a run with quite a long name, number {n}" for n in range(9)])
    figure, legend = ax.figure, ax.get_legend()
    assert isinstance(figure, Figure)
    assert legend is not None
    figure.draw_without_rendering()
    box = legend.get_window_extent()
    assert box.y0 >= ax.bbox.y1
    assert box.y1 <= figure.bbox.y1
    assert box.x1 <= figure.bbox.x1
    assert ax.bbox.height > 0.6 * figure.bbox.height * 4.3 / 6.1


def test_no_two_runs_look_the_same_even_without_colour() -> None:
    lines = means(losses([Result(noisy(3, seed)) for seed in range(28)], window=1))
    styles = [repr(line._dash_pattern) for line in lines]  # type: ignore[attr-defined]
    assert len({(line.get_color(), style) for line, style in zip(lines, styles, strict=True)}) == 28
    assert all(a != b for a, b in itertools.pairwise(styles))


def test_the_rate_drop_is_marked_once_for_all_runs_that_share_it() -> None:
    recipe = Recipe("lecture", rates=((0, 0.1), (30, 0.01), (500, 0.001)))
    ax = losses([Result(noisy(100, seed), recipe) for seed in (1, 2)])
    assert marks(ax) == [30]
    assert [text.get_text() for text in ax.texts if "rate" in text.get_text()] == ["rate 0.01"]


def test_a_mark_of_one_run_among_several_has_its_colour() -> None:
    plain, dropped = Recipe("plain", rates=((0, 0.1),)), Recipe("b", rates=((0, 0.1), (30, 0.01)))
    ax = losses([Result(noisy(100), plain), Result(noisy(100, 1), dropped)])
    [mark] = [line for line in ax.lines if line not in means(ax) and list(xs(line)) == [30, 30]]
    assert mark.get_color() == means(ax)[1].get_color()


def test_a_smooth_schedule_is_not_marked() -> None:
    decay = Recipe("decay", rates=tuple((step, 0.1 / (step + 1)) for step in range(20)))
    assert marks(losses(Result(noisy(100), decay))) == []


def test_a_log_of_another_framework_needs_neither_every_step_nor_step_0(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "\ufeffepoch, loss,step,lr,note\n0,4,100,,x\n0,,150,0.1,\n\n"
        '0,"1",900,0.1,"a, b"\n1,nan,1000,0.10,\n1,100,1200,0.02,\n',
    )
    ax = losses(path)
    np.testing.assert_array_equal(xs(means(ax)[0]), [100, 900, 1000, 1200])
    np.testing.assert_allclose(ys(means(ax)[0]), [4, 1, 1, 100])
    assert (captions(ax), marks(ax)) == (["other"], [1200])


def test_a_folder_shows_what_its_run_shows(tmp_path: Path) -> None:
    folder = tmp_path / "lecture"
    folder.mkdir()
    recipe = Recipe("lecture", rates=((0, 0.1), (1500, 0.01)))
    run = Result(noisy(2500), recipe, {"train": 2.07, "dev": 2.11, "test": 2.1})
    rows = (
        f"{step},{loss!s},{0.1 if step < 1500 else 0.01}" for step, loss in enumerate(run.losses)
    )
    (folder / "history.csv").write_text("\n".join(["step,loss,lr", *rows]) + "\n")
    (folder / "losses.json").write_text(json.dumps(run.split_losses))
    there, here = losses([str(folder)]), losses(run)
    assert captions(there) == captions(here) == ["lecture  train 2.07  dev 2.11  test 2.10"]
    assert marks(there) == marks(here) == [1500]
    np.testing.assert_allclose(ys(means(there)[0]), ys(means(here)[0]), rtol=1e-7)


def test_files_that_are_no_logs_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "image.csv").write_bytes(b"\x89PNG\xff")
    (tmp_path / "run").mkdir()
    for name in ("image.csv", "missing.csv", "run"):
        with pytest.raises(InputError, match=name):
            losses(tmp_path / name)
    (tmp_path / "run" / "history.csv").write_text("step,loss,lr\n0,2,0.1\n")
    for broken in ("{", "[]", '{"train": null}'):
        (tmp_path / "run" / "losses.json").write_text(broken)
        with pytest.raises(InputError, match=r"losses\.json.*wanted losses like"):
            losses(tmp_path / "run")


def test_equal_recipes_in_two_folders_are_named_by_their_folders() -> None:
    def curve(name: str, hidden: int) -> Curve:
        return Curve(name, np.arange(2.0), np.ones(2), recipe=Recipe("lecture", hidden=hidden))

    sources = [[curve("s", 8)], [curve("hidden-4", 4), curve("hidden-8", 8)]]
    names = [run.name for run in labelled(sources, ["s", "grid"], None)]
    assert names == ["s", "hidden 4", "grid/hidden-8"]


def test_sources_that_are_no_runs_are_refused() -> None:
    with pytest.raises(InputError, match="no sources"):
        losses([])
    with pytest.raises(InputError, match="2 labels, wanted one for each of 1 runs"):
        losses(Result(noisy(3)), labels=["a", "b"])
    with pytest.raises(InputError, match="source 3, wanted a run's result"):
        losses(3)
    for shape in ((0,), (2, 2)):
        with pytest.raises(InputError, match=r"lecture: losses .*, wanted one for each step"):
            losses(Result(np.ones(shape)))


def test_axes_that_are_given_are_drawn_into_and_keep_their_neighbours_empty() -> None:
    figure = Figure()
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    assert losses(Result(noisy(5)), left) is left
    assert len(means(left)) == 1
    assert not right.lines


@pytest.mark.slow
def test_files_are_png_svg_and_pdf_and_the_same_every_time(tmp_path: Path) -> None:
    runs = [Result(noisy(200_000)), Result(noisy(500), Recipe("名前"))]
    for name in ("a.png", "b.PNG", "a.svg", "b.SVG", "a.pdf", "b.PDF"):
        save(losses(runs), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert (tmp_path / "a.svg").stat().st_size < 200_000
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    for suffix in ("png", "svg", "pdf"):
        again = tmp_path / f"b.{suffix.upper()}"
        assert (tmp_path / f"a.{suffix}").read_bytes() == again.read_bytes()


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(self: Figure, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("broken off")

    path = tmp_path / "loss.svg"
    path.write_text("old")
    monkeypatch.setattr(Figure, "savefig", break_off)
    with pytest.raises(RuntimeError, match="broken off"):
        save(losses(Result(noisy(5))), path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("loss.svg", "old")]


def test_other_suffixes_and_missing_folders_are_refused(tmp_path: Path) -> None:
    ax = losses(Result(noisy(5)))
    for name in ("loss.jpg", "loss"):
        with pytest.raises(InputError, match=r"wanted a name that ends in \.png, \.svg or \.pdf"):
            save(ax, tmp_path / name)
    with pytest.raises(InputError, match="cannot be written"):
        save(ax.figure.figure, tmp_path / "nowhere" / "loss.png")


@pytest.mark.slow
def test_drawing_and_saving_never_load_pyplot(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "step,loss\n0,3.3\n1,2.1\n")
    program = (
        "import sys; from npnet.plotting.plots import losses, save;"
        "save(losses(sys.argv[1]), sys.argv[2]);"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    arguments = [sys.executable, "-c", program, str(path), str(tmp_path / "loss.svg")]
    subprocess.run(arguments, check=True)


@pytest.mark.parametrize(
    ("values", "log", "says"),
    [
        ("0 0 nan", True, "no finite loss above 0, wanted one for --log"),
        ("inf nan", True, "no finite loss, wanted some"),
        ("inf nan", False, "no finite loss, wanted some"),
    ],
)
def test_a_source_without_a_loss_to_draw_is_refused(
    values: str, log: bool, says: str, tmp_path: Path
) -> None:
    rows = "".join(f"{step},{loss}\n" for step, loss in enumerate(values.split()))
    with pytest.raises(InputError, match=f"^losses: .*: {says}"):
        losses(csv_file(tmp_path, f"step,loss\n{rows}"), log=log)


def test_a_run_that_exploded_to_large_numbers_sets_no_scale_for_others() -> None:
    wild = noisy(2000).copy()
    wild[1000:] = 1e5
    ax = losses([Result(noisy(2000)), Result(wild)])
    assert ax.get_ylim()[1] < 10
    assert losses(Result(wild)).get_ylim()[1] > 1e4
    assert losses([Result(noisy(2000)), Result(wild)], log=True).get_ylim()[1] > 1e4


def test_a_long_label_has_a_second_line() -> None:
    run = Result(noisy(100), split_losses={"train": 2.5, "dev": 2.51, "test": 123456.0})
    [text] = captions(losses(run, labels="a name of some thirty-six letters is"))
    assert text.endswith("letters is  train 2.50  dev 2.51  test 1.23e+05")
    [text] = captions(losses(Result(run.losses, Recipe("l"), dict.fromkeys("abcdefghij", 2.0))))
    assert text.startswith("l\na 2.00  b 2.00")


def test_a_table_that_is_too_wide_becomes_paragraphs() -> None:
    curves = drawn([Result(noisy(100), split_losses={"train": 2.5, "dev": 2.51})], labels=["mine"])
    table = text_of(curves)
    assert text_of(curves, 200) == table
    lines = text_of(curves, 40).splitlines()
    assert lines[0] == "mine"
    assert max(map(len, lines)) <= 40
    assert "dev 2.5100" in " ".join(lines)
