"""The figures that a publication's table can contain."""

from pathlib import Path

import pytest

from npnet import InputError
from npnet.recipes.publication import read_publication

FILE = """
source = "A run for this test."

[corpus]
name = "names.txt"
sha256 = "{sha}"

[recipe]
seed = 5
hidden = 64

[printed]
""".replace("{sha}", "0" * 64)


def written(folder: Path, printed: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(FILE + printed, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ('split_losses = {dev = "2.1", val = "2.1"}', "got 'dev and val', wanted one of them"),
        ('split_losses = {part = "2.1"}', "part"),
        ("targets = [1, 2]", "wanted 32 indices as recipe.batch says"),
        ("figures = 3", "figures"),
        ("parameters = 12297", "wanted a number in quotes"),
        ('losses = [["0", "2,3"]]', "2,3"),
        ('probs_row = {32 = ["0.5"]}', "wanted a row from 0 to 31, as recipe.batch says"),
        ('probs_row = {a = ["0.5"]}', "wanted a row from 0 to 31, as recipe.batch says"),
    ],
)
def test_figures_that_cannot_be_are_refused(tmp_path: Path, printed: str, says: str) -> None:
    with pytest.raises(InputError, match=r"mine\.toml") as caught:
        read_publication(written(tmp_path, printed))
    assert says in str(caught.value)


def test_val_is_the_dev_split_by_its_other_name(tmp_path: Path) -> None:
    read = read_publication(written(tmp_path, 'split_losses = {train = "2.0", val = "2.1"}'))
    assert dict(read.printed.split_losses) == {"train": "2.0", "val": "2.1"}
