"""Vectors and labels from a user's table: a CSV or a Parquet file, a row an example, a column a feature."""

__all__ = ["read_table"]

import csv
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hit.data.dataset import Split
from hit.data.error_text import reason
from hit.data.labels import is_like_labels, read_labels
from hit.data.splitting import split_in_two
from hit.data.vector_arrays import as_vectors, check_labels_repeat, check_size
from hit.errors import DataError, nearest, shown

if TYPE_CHECKING:
    import pandas as pd

#: Columns that are the label where none is named.
_USUAL_LABELS = ("label", "y")
#: Says that no column is.
_NO_LABELS = "none"
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*")
_WHOLE = re.compile(r"\d+")


def read_table(path: Path, label: str = "") -> tuple[Split, Split, int, tuple[str, ...]]:
    """Training split, test split, number of classes and names of the features of a CSV or Parquet file.

    A column holds the labels: the one that `label` names, else the one called `label` or `y`; without one, or with
    `label` as none, there are no labels. Texts are classes: their distinct values, in order, become 0 … M−1. Numbers
    are classes or continuous, as `hit.data.labels.read_labels` says. All other columns are features: numbers, or true
    and false as 1 and 0. The rows are split by `hit.data.splitting.split_indices`. A CSV file is UTF-8, has commas,
    and its first line names the columns.

    Raises:
        DataError: no file of that kind; no header, or columns without a name of their own; a column called as labels
            are where `label` is empty; none beside the labels; a cell that is empty or no finite number, with its
            column and row; classes that are all different.
    """
    table = _read(path)
    names = [str(name) for name in table.columns]
    _check_names(names)
    column = _label_column(names, label)
    features = [name for name in names if name != column]
    if not features:
        raise DataError(f"a table must have a column of numbers beside its labels ({column}), got none")
    if not len(table):
        raise DataError("a table must have rows below the names of its columns, got none")
    labels, classes = (None, 0) if column is None else _labels(column, table[column])
    array = np.column_stack([_numbers(name, table[name]) for name in features])
    vectors = as_vectors("a table", array, features)
    return *split_in_two(vectors, labels), classes, tuple(features)


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd  # takes a second to import, which other data sets need not pay

    try:
        check_size("the file", path.stat().st_size)
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path, engine="pyarrow").reset_index(drop=True)
        _check_header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # that it leaves columns out
            return pd.read_csv(path, index_col=False, skipinitialspace=True, low_memory=False)
    except FileNotFoundError:
        raise DataError("there is no such file") from None
    except ImportError:
        raise DataError("a Parquet file is read by pyarrow, which is not installed: pip install pyarrow") from None
    except MemoryError:
        raise DataError("the table does not fit into memory") from None
    except UnicodeDecodeError as error:
        raise DataError(f"a CSV file must be text in UTF-8, got other bytes: {reason(error)}") from None
    except OSError as error:
        raise DataError(f"the file cannot be read: {reason(error)}") from None
    except (ValueError, TypeError, KeyError, Warning, csv.Error) as error:
        kind = "Parquet" if path.suffix.lower() == ".parquet" else "CSV"
        raise DataError(f"the file is no {kind} file that can be read: {reason(error)}") from None


def _check_header(path: Path) -> None:
    """Raise DataError unless the first line of a CSV file names its columns, with commas."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        names = next(csv.reader(file, skipinitialspace=True), [])
    if not names:
        raise DataError("a CSV file must begin with a line that names its columns, got an empty one")
    if len(names) == 1 and (found := next((mark for mark in ";\t|" if mark in names[0]), "")):
        raise DataError(f"a CSV file must have commas between its columns, got {shown(found)} in its first line")
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    # A first line of whole numbers beside a text may be one of names, such as 0, 1, 2, label.
    if len(numbers) == len(names) or not all(_WHOLE.fullmatch(name) for name in numbers):
        raise DataError(
            f"a CSV file must begin with a line that names its columns, got the numbers {shown(','.join(names[:6]))}"
        )
    _check_names(names)  # pandas would give columns of one name, or of none, names of its own


def _check_names(names: list[str]) -> None:
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise DataError(
                f"every column must have a name, and column {position} has none (an index that was written with the "
                "table? leave it out)"
            )
        if name in names[: position - 1]:
            hint = "; has the file no line of names?" if _NUMBER.fullmatch(name) else ""
            raise DataError(f"every column must have a name of its own, but several are called {shown(name)}{hint}")


def _label_column(names: list[str], label: str) -> str | None:
    """The column of labels; None: there are none."""
    if label in names:
        return label
    if label == _NO_LABELS:
        return None
    if label:
        raise DataError(
            f"label must name a column of the file, or be {_NO_LABELS}, got {shown(label)}{nearest(label, names)}"
        )
    found = [name for name in _USUAL_LABELS if name in names]
    if len(found) > 1:
        raise DataError("label must say which column holds the labels, label or y: the file has both")
    if found:
        return found[0]
    for name in names:
        if is_like_labels(name):
            raise DataError(
                f"label must say whether the column {shown(name)} holds the labels, got nothing: label={name}, or "
                f"label={_NO_LABELS}"
            )
    return None


def _labels(name: str, column: "pd.Series[Any]") -> tuple[Tensor, int]:
    """Classes 0 … M−1 of a column, int64, and M; or continuous labels, float32, and 0."""
    missing = column.isna()
    if missing.any():
        row = int(missing.to_numpy().argmax()) + 1
        raise DataError(
            f"column {shown(name)} must have a label in every row, got none in row {row} "
            f"({int(missing.sum())} of {len(column)} rows)"
        )
    values: NDArray[Any] = column.to_numpy()
    if values.dtype.kind in "iuf":
        read = read_labels({f"column {shown(name)}": values})
        return next(iter(read.parts.values())), read.classes
    if values.dtype.kind != "b":
        values = np.array([str(value) for value in values], dtype=object)
    distinct, indices = np.unique(values, return_inverse=True)
    check_labels_repeat(f"column {shown(name)}", len(distinct), len(values))
    return torch.from_numpy(indices.astype(np.int64)), len(distinct)


def _numbers(name: str, column: "pd.Series[Any]") -> NDArray[np.float64]:
    """A column of features; missing ones are NaN."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and column.dtype.kind != "c":
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    texts = column.astype(str)
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.isnan(numbers) & ~column.isna().to_numpy()
    if not wrong.any():
        return numbers
    row = int(wrong.argmax())
    raise DataError(
        f"column {shown(name)} must hold numbers, got {shown(texts.iloc[row])} in row {row + 1}; "
        "leave the column out, or write a column of 0 and 1 for each of its values"
    )
