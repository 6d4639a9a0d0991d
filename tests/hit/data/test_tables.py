"""Tables of vectors: what is accepted, and one line on everything that is not."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from hit.data import load
from hit.errors import DataError

ROWS = [(0.5 * row, row % 3, f"kind {row % 2}") for row in range(20)]
TABLE = pd.DataFrame(ROWS, columns=["length", "count", "species"])


def written(folder: Path, text: str | bytes, name: str = "table.csv") -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def refusal(name: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(name, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"dataset {name!r}: ")
    return message


def test_a_csv_and_a_parquet_file_hold_the_same_data(tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "it.csv", index=False)
    TABLE.to_parquet(tmp_path / "it.parquet")
    data = load(str(tmp_path / "it.csv"), label="species")
    assert (data.shape, data.classes, data.features) == ((2,), 2, ("length", "count"))
    assert (len(data.train), len(data.test)) == (16, 4)
    assert data.test.labels.bincount().tolist() == [2, 2]
    rows = {(2 * x, y) for x, y in torch.cat([data.train.images, data.test.images]).tolist()}
    assert rows == {(float(row), float(row % 3)) for row in range(20)}
    assert load(str(tmp_path / "it.parquet"), label="species").digest == data.digest


@pytest.mark.parametrize("name", ["label", "y"])
def test_a_column_of_that_name_is_the_label(tmp_path: Path, name: str) -> None:
    TABLE.rename(columns={"count": name}).drop(columns="species").to_csv(tmp_path / "it.csv", index=False)
    data = load(str(tmp_path / "it.csv"))
    assert (data.classes, data.features) == (3, ("length",))


def test_true_and_false_are_numbers_and_whole_floats_are_classes(tmp_path: Path) -> None:
    data = load(written(tmp_path, "a,b,label\n" + "0,True,1.0\n1,False,2.0\n" * 5))
    assert sorted(data.train.images.unique().tolist()) == [0, 1]
    assert data.classes == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b,label\n1,2,0\n,4,1\n3,nan,1\n",
            "must hold finite numbers, got nan in column 'a', row 2 (2 of 6 numbers)",
        ),
        ("a,b,label\n1,2,0\n5,inf,1\n3,1,1\n", "got inf in column 'b', row 2 (1 of 6 numbers)"),
        (
            "a,b,label\n1,2,0\n5,1e300,1\n3,1,1\n",
            "must hold numbers of at most 3.4e38, got 1e+300 in column 'b', row 2",
        ),
        ("5.1,3.5,0\n4.9,3.0,1\n", "must begin with a line that names its columns, got the numbers '5.1,3.5,0'"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "must begin with a line that names its columns"),
        ("5,3,0\n4,3,1\n", "must begin with a line that names its columns, got the numbers '5,3,0'"),
        ("a,b,label\n1,2,0\n2,blue,1\n1,3,0\n", "column 'b' must hold numbers, got 'blue' in row 2"),
        ("label\n0\n1\n0\n1\n", "must have a column of numbers beside its labels (label), got none"),
        (
            "a,target\n0,1\n1,0\n",
            "label must say whether the column 'target' holds the labels, got nothing: label=target",
        ),
        ("a,y,label\n0,1,0\n1,0,1\n", "label must say which column holds the labels, label or y: the file has both"),
        ("a,label\n1,a\n2,b\n3,c\n", "must hold classes, each of several examples, but its 3 labels are all different"),
        ("a,label\n1,0.5\n2,0.5\n", "continuous labels must differ, but all of the training images are 0.5"),
        ("a,label\n1,-1\n2,1\n2,1\n", "column 'label' must be 0 or more, got -1"),
        ("a,label\n1,x\n2,\n2,x\n", "column 'label' must have a label in every row, got none in row 2 (1 of 3 rows)"),
        ("a,b,label\n1,2,0\n1,2,0,7\n", "is no CSV file that can be read: Error tokenizing data"),
        ("a,b,label\n1,2,0,7\n1,2,0,7\n", "is no CSV file that can be read: Length of header"),
        ("a;b;label\n1;2;0\n", "must have commas between its columns, got ';'"),
        (",a,label\n0,1,0\n1,2,1\n", "every column must have a name, and column 1 has none (an index"),
        ("a,a,label\n1,2,0\n2,3,1\n", "every column must have a name of its own, but several are called 'a'"),
        ("0,0,a\n1,2,b\n", "several are called '0'; has the file no line of names?"),
        ("", "must begin with a line that names its columns, got an empty one"),
        ("a,b,label\n", "must have rows below the names of its columns, got none"),
        ("a,label\n1,é\n".encode("latin1"), "must be text in UTF-8"),
        (bytes(range(256)), "must be text in UTF-8"),
        ("a,label\n1,0\n2,1\n3,2\n", "got 3 integers that are all different"),
    ],
)
def test_refuses(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert message in refusal(written(tmp_path, text))


def test_names_what_is_missing(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(str(tmp_path / "none.csv"))
    TABLE.to_csv(tmp_path / "it.csv", index=False)
    said = refusal(str(tmp_path / "it.csv"), label="specie")
    assert "label must name a column of the file, or be none, got 'specie'; did you mean 'species'?" in said
    assert "is no Parquet file that can be read" in refusal(written(tmp_path, b"PAR1xxPAR1", "it.parquet"))
    assert "label must be empty but for CSV and Parquet files, got 'y'" in refusal("digits", label="y")
    assert "crop must be 0" in refusal(str(tmp_path / "it.csv"), crop=32)


def test_without_pyarrow_a_parquet_file_says_what_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    TABLE.to_parquet(tmp_path / "it.parquet")

    def refuse(*arguments: Any, **options: Any) -> None:
        raise ImportError("Unable to find a usable engine; tried using: 'pyarrow'")

    monkeypatch.setattr(pd, "read_parquet", refuse)
    assert "is read by pyarrow, which is not installed: pip install pyarrow" in refusal(str(tmp_path / "it.parquet"))


def test_a_table_above_the_memory_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hit.data.vector_arrays.memory_of", lambda device: 10)
    TABLE.to_csv(tmp_path / "it.csv", index=False)
    assert "must fit into the 1e-08 GB of memory here" in refusal(str(tmp_path / "it.csv"), label="species")
    np.savez(tmp_path / "it.npz", x=np.random.randn(20, 3), y=np.arange(20) % 2)
    assert "x and y must fit into the 1e-08 GB of memory here" in refusal(str(tmp_path / "it.npz"))
