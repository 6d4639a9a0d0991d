"""Rows and columns of a frame of runs, one row a model; plain sentences where something is missing."""

__all__ = [
    "NotMeasurable",
    "column",
    "data_form",
    "errors",
    "fidelity",
    "finished",
    "group_names",
    "grouped",
    "images_scored",
    "label_kind",
    "layers",
    "measured_by",
    "one_dataset",
    "rate_name",
    "replicates",
    "require",
    "seed_counts",
    "values",
]

import re
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
import pandas as pd

from analysis.earlier_runs import derived_layers
from analysis.suggested_commands import classify_command, evaluate_command, experiment_of, train_commands
from hit import schema
from hit.errors import StoreError, nearest, shown
from hit.metrics.standard_errors import accuracy_error
from hit.schema.metric_groups import GROUPS

#: Accuracies of classifiers on latents, and R² of regressions on them.
_OF_PROBE = re.compile(rf"test/accuracy_({'|'.join(schema.PROBES)})_z[1-9][0-9]*(_sampled)?\Z")
_OF_REGRESSION = re.compile(rf"test/r2_({'|'.join(schema.REGRESSIONS)})_z[1-9][0-9]*(_sampled)?\Z")
_LABELS = {
    schema.LabelKind.NONE: "no labels",
    schema.LabelKind.CONTINUOUS: "continuous labels",
    schema.LabelKind.CLASSES: "labels that are classes",
}
_COLUMN_OF = {tag: name for name, tag in schema.TAG_COLUMNS.items()}


class NotMeasurable(StoreError):
    """No run of these data can have a metric: it takes others."""


def finished(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs that ended well and are therefore complete."""
    return frame[frame["status"] == "FINISHED"]


def layers(frame: pd.DataFrame) -> int:
    """L, the largest number of layers of latents among the models."""
    logged = values(frame, "layers")
    earlier = frame[logged.isna()]
    derived = derived_layers(column(earlier, "model"), column(earlier, "z_dims"))
    return max(derived, int(logged.max()) if logged.notna().any() else 0)


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """The column `name`, all missing where the store has none."""
    return frame[name] if name in frame else pd.Series(np.nan, index=frame.index, name=name, dtype=object)


def values(frame: pd.DataFrame, name: str) -> pd.Series:
    """The column `name` as floats; what is missing or not finite is NaN."""
    found = column(frame, name)
    numbers = found if found.dtype == np.float64 else pd.to_numeric(found, errors="coerce").astype(float)
    known = np.isfinite(numbers.to_numpy())
    return numbers.copy() if known.all() else numbers.where(known)


def errors(frame: pd.DataFrame, name: str) -> pd.Series:
    """Standard errors of the column `name`, in its unit, as floats; NaN where none is known.

    They say how far a number would be another one on other test images. The runs of a sweep share their test images,
    and with them most of that: two runs differ by less than their errors would say if they were independent.
    `analysis.recommendation.measurement_noise` learns the share that is a run's own.

    They are the metric's own (`hit.schema.error_of`). Runs of versions that logged none have a binomial one of
    accuracies of latents, from the number of images that these rest on.
    """
    numbers = values(frame, name)
    known = values(frame, schema.error_of(name)).where(numbers.notna())
    if _OF_PROBE.match(name) and (known.isna() & numbers.notna()).any():
        binomial = accuracy_error(numbers.clip(0, 1), images_scored(frame, name))
        known = known.fillna(pd.Series(binomial, index=frame.index)).where(numbers.notna())
    return known


def images_scored(frame: pd.DataFrame, name: str) -> pd.Series:
    """How many test images the accuracy or R² `name` of each run rests on; NaN for what is neither, of a latent."""
    scored = _OF_PROBE.match(name) or _OF_REGRESSION.match(name)
    points = values(frame, "test/held_out" if scored else "")
    return points.where((points > 0) & values(frame, name).notna())


def measured_by(frame: pd.DataFrame, evaluator: schema.Tag) -> pd.Series:
    """Who measured each run's scores, by the fingerprint in a tag; missing where nobody did."""
    return column(frame, _COLUMN_OF[evaluator])


def fidelity(frame: pd.DataFrame) -> str:
    """Name of the metric that says how well the data of these runs come back: PSNR of images, R² of vectors."""
    return "test/reconstruction_r2" if data_form(finished(frame)) == "vectors" else "test/psnr"


def label_kind(frame: pd.DataFrame) -> schema.LabelKind | None:
    """What the labels of the data of most of these runs are; None where no run says, as of earlier versions."""
    known = column(frame, "labels").dropna()
    known = known[known.isin(list(schema.LabelKind))]
    return None if known.empty else schema.LabelKind(known.mode().iloc[0])


def rate_name(layer: int) -> str:
    """Name of R_l of the test set in the store."""
    return f"test/rate_{layer}"


def require(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """The finished runs that have every one of these metrics, all scored by one evaluator, numbered from 0.

    Scores of different evaluators are not compared: the evaluator of most runs is kept.

    Raises:
        NotMeasurable: the data are not what a metric takes.
        StoreError: a name is neither declared nor in the frame, or no finished run has it; says what to run.
    """
    rows = finished(frame)
    if rows.empty:
        raise StoreError(f"no run has finished: {train_commands(experiment_of(frame))}")
    for name in names:
        if not schema.is_metric(name) and name not in frame:
            known = [declared.name for declared in schema.layer_metrics(layers(frame))]
            raise StoreError(f"no metric is called {shown(name)}{nearest(name, known)}")
        measured = rows[values(rows, name).notna()]
        if measured.empty and not schema.is_metric(name):
            raise StoreError(f"no finished run has {name}, which a person has logged")
        form, takes = data_form(rows), schema.described(name).takes
        if measured.empty and takes is not None and form not in (None, takes):
            raise NotMeasurable(
                f"no run can have {name} ({schema.metric(name).label}): it takes {takes}, and the data are {form}"
            )
        kind, labels = label_kind(rows), schema.described(name).labels
        if measured.empty and labels is not None and kind not in (None, labels):
            raise NotMeasurable(
                f"no run can have {name} ({schema.metric(name).label}): it takes {_LABELS[labels]}, and the data have "
                f"{_LABELS[kind]}"
            )
        if measured.empty:
            judged = (
                f" (it takes a classifier of the data: `{classify_command(frame)}`)"
                if schema.metric(name).evaluator == schema.Tag.JUDGE
                else ""
            )
            raise StoreError(
                f"no finished run has {name} ({schema.metric(name).label}): "
                f"measure it by `{evaluate_command(frame, name)}`{judged}"
            )
        rows = measured
    needed = {schema.described(name).evaluator for name in names}
    for tag in (group.evaluator for group in GROUPS.values()):
        if tag is not None and tag in needed:
            evaluators = measured_by(rows, tag).fillna("")
            rows = rows[evaluators == evaluators.mode().iloc[0]]
    return rows.reset_index(drop=True)


def data_form(rows: pd.DataFrame) -> schema.DataForm | None:
    """What the data of these runs are; None where nothing tells."""
    return schema.form_of([name for name in ("test/log_jacobian", "test/psnr") if values(rows, name).notna().any()])


def one_dataset(frame: pd.DataFrame) -> str:
    """The data set of these runs by its name, for a title: of a file or folder without those that it lies in.

    Raises:
        StoreError: they are of several, whose numbers do not compare.
    """
    names = column(frame, "dataset").dropna().astype(str).unique()
    if len(names) > 1:
        raise StoreError(f"runs of one dataset compare, got {', '.join(sorted(names))}: choose one by where")
    digests = column(finished(frame), "data_digest").dropna().astype(str).unique()
    if len(digests) > 1:
        raise StoreError(f"runs of one version of {names[0]} compare, got the digests {', '.join(sorted(digests))}")
    return PurePath(names[0]).name if len(names) else ""


def group_names(frame: pd.DataFrame) -> pd.Series:
    """What runs that differ in their seed alone have in common (`hit.group`); a run without it stands for itself."""
    known = column(frame, "group")
    return known.where(known.notna(), frame["run_id"]).rename("group")


def grouped(frame: pd.DataFrame, *columns: pd.Series) -> pd.DataFrame:
    """Runs that differ in their seed alone as one row: mean and spread of each column, and how many seeds.

    The index is the group. Columns are pairs (place, statistic): `table[0, "mean"]` is the mean of the first column
    given, `table[0, "spread"]` its sample standard deviation, NaN of a single run; `table["seeds", "count"]` how many.

    Args:
        frame: finished runs.
        columns: numbers of these runs, which may be made of several metrics.
    """
    groups = group_names(frame)
    found: dict[tuple[int | str, str], pd.Series] = {
        (place, statistic): numbers.groupby(groups).agg(how)
        for place, numbers in enumerate(columns)
        for statistic, how in (("mean", "mean"), ("spread", "std"))
    }
    found["seeds", "count"] = groups.groupby(groups).size()
    return pd.DataFrame(found)


def seed_counts(frame: pd.DataFrame) -> pd.Series:
    """How many of these runs differ from each in their seed alone, itself among them."""
    groups = group_names(frame)
    return groups.map(groups.value_counts())


def replicates(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Finished runs that differ in their seed alone, as one row: mean, spread and count of each metric.

    The index is `hit.group` (a run without one stands for itself); columns are pairs
    (metric, statistic), so that `table["test/psnr", "mean"]` is a column. The spread is the sample
    standard deviation, NaN for a single run; the count is of runs that have the metric, by the evaluator
    of most runs.

    Raises:
        StoreError: no run has finished, or no finished run has one of the metrics.
    """
    rows = finished(frame)
    groups = group_names(rows)
    statistics = {
        (name, statistic): values(rows, name).where(rows["run_id"].isin(known)).groupby(groups).agg(how)
        for name, known in {name: require(frame, name)["run_id"] for name in metrics}.items()
        for statistic, how in (("mean", "mean"), ("spread", "std"), ("count", "count"))
    }
    return pd.DataFrame(statistics)
