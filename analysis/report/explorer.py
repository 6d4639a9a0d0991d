"""Rate space to explore: the picture, the regions that the applications ask for, and the runs as columns."""

__all__ = ["ColorMetric", "Explorer", "data", "explorer"]

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from analysis.figures import common, rate_profile, rate_space, style
from analysis.figures.multiples import default_metrics
from analysis.figures.scales import spans_decades
from analysis.frame import column, data_form, errors, fidelity, finished, layers, rate_name, values
from analysis.recommendation.recommender import Recommendation
from analysis.report import tables
from analysis.report.array_pool import Pool
from analysis.settings import beta_names
from hit import schema
from hit.errors import StoreError

#: Points of each side of a region.
_PARTS = 12


@dataclass(frozen=True)
class ColorMetric:
    """A metric that may colour the runs: its name in the store, and its label in plain text."""

    name: str
    label: str


@dataclass(frozen=True)
class Explorer:
    """What the template and the scripts need.

    Attributes:
        colors: metrics that may colour the runs; the first one does so at first.
        layers: L; from three on a reader chooses which two are on the axes.
        axes: labels of the two axes, for the fields of a region.
        content: for the scripts: the figure, the scale and the metrics of its axes, and the region and
            the best run of each application, with a word on a region that is not to be trusted. From three layers
            on also the figures of the other planes, by the metrics of their axes, and the profile of all rates of
            each application.
    """

    colors: list[ColorMetric]
    layers: int
    axes: list[Markup]
    content: dict[str, Any]


def explorer(frame: pd.DataFrame, found: Sequence[Recommendation], pool: Pool) -> Explorer | None:
    """Rate space coloured by the first metric that runs have, PSNR (R² of vectors) first; None without rates.

    Args:
        frame: runs of one setting.
        found: what is recommended for them.
        pool: takes the arrays.
    """
    count = layers(frame)
    names = sorted(default_metrics(frame), key=lambda name: name != fidelity(frame)) or ["test/rate"]
    axes = common.plane(count, None)
    try:
        figure = rate_space(frame, names[0])
    except StoreError:
        return None
    scale = "log" if spans_decades(finished(frame), axes if count > 1 else axes[:1]) else "linear"
    row = {str(run_id): at for at, run_id in enumerate(frame["run_id"])}
    regions = []
    for index, one in enumerate(found):
        color, symbol = style.CATEGORIES[index % len(style.CATEGORIES)]
        region = {"name": one.application.name, "row": row[str(one.run["run_id"])], "color": color, "symbol": symbol}
        regions.append(region | _outline(one, count) | {"hedge": one.hedge})
    content = {"figures": pool.figures(figure), "scale": scale, "axes": axes, "applications": regions}
    if count > 2:
        content["planes"] = {
            " ".join(common.plane(count, pair)): pool.figures(rate_space(frame, names[0], pair=pair))
            for pair in itertools.combinations(range(1, count + 1), 2)
            if pair != (1, count)
        }
        content["profiles"] = [pool.figures(rate_profile(frame, one)) for one in found or names[:1]]
    form = data_form(frame)
    return Explorer(
        colors=[ColorMetric(name, schema.metric(name).of(form).axis) for name in names],
        layers=count,
        axes=[Markup(style.label(name, form)) for name in axes],  # noqa: S704 - made inert there
        content=content,
    )


def data(frame: pd.DataFrame, pool: Pool) -> dict[str, Any]:
    """The runs as columns: names, states and starts as texts, every metric and β that a run has as numbers.

    Standard errors stand apart, those of metrics that a run tells under the pointer.
    """
    names = [str(name) for name in frame.columns if schema.is_metric(str(name))]
    names = [name for name in names if name not in {schema.error_of(one) for one in names}]
    known = {name: numbers for name in names if (numbers := values(frame, name)).notna().any()}
    seeds = common.seed_counts(finished(frame)).reindex(frame.index)
    counted = {common.SEEDS: pool.numbers(seeds)} if seeds.max() > 1 else {}
    moments = pd.to_datetime(column(frame, "start_time"), utc=True)
    titles = column(frame, "run_name").where(column(frame, "run_name").notna(), frame["run_id"])
    count, form = layers(frame), data_form(frame)
    return {
        "ids": frame["run_id"].astype(str).tolist(),
        "names": titles.astype(str).tolist(),
        "experiments": column(frame, "experiment_id").fillna("").astype(str).tolist(),
        "statuses": column(frame, "status").astype(str).str.lower().tolist(),
        "starts": ["" if pd.isna(at) else f"{at:%Y-%m-%d %H:%M}" for at in moments],
        "columns": {name: pool.numbers(numbers) for name, numbers in known.items()} | counted,
        "errors": {name: pool.numbers(error) for name, error in _errors(frame, count).items() if name in known},
        "metrics": {name: _declaration(name, form) for name in known},
        "told": [name for name in [*beta_names(count), *_told(count)] if name in known],
        "table": tables.run_columns(frame),
    }


def _errors(frame: pd.DataFrame, count: int) -> dict[str, pd.Series]:
    """Standard errors of what runs tell, as far as they are known."""
    names = dict.fromkeys([*_told(count), *default_metrics(frame)])
    return {name: error for name in names if (error := errors(frame, name)).notna().any()}


def _declaration(name: str, form: schema.DataForm | None) -> dict[str, Any]:
    declared = schema.metric(name).of(form)
    return {
        "label": style.short(name),
        "unit": declared.unit,
        "axis": style.label(name, form),
        "title": style.title_of(name),
        "direction": declared.direction,
    }


def _told(count: int) -> list[str]:
    """What is told of the run that a reader looks at, as far as it has it."""
    rates = [rate_name(layer) for layer in range(1, count + 1)]
    accuracy, r_squared = f"test/accuracy_svm_rbf_z{count}", f"test/r2_kernel_ridge_z{count}"
    scores = ["test/distortion", "test/elbo", "test/psnr", "test/reconstruction_r2", f"test/mi_z{count}"]
    scores += [f"{accuracy}_sampled", accuracy, f"{r_squared}_sampled", r_squared]
    return [*rates, *(["test/rate"] if count > 1 else []), *scores, "sample/inception_score", "sample/fid_classifier"]


def _outline(found: Recommendation, count: int) -> dict[str, Any]:
    """The region's outline; of one layer, whose region has no say in the distortion, no y.

    Of more than two layers it is a rectangle in any plane, whose sides are given.
    """
    if count == 1:
        return {"outline": {"x": [found.region.low[0], found.region.high[0]], "y": None}}
    if count > 2:
        ends = zip(found.region.low, found.region.high, strict=True)
        return {"sides": {rate_name(layer): list(two) for layer, two in enumerate(ends, 1)}}
    x, y = common.region_outline(found.region, common.pair_of(count, None))
    # Lines of equal total are curves on logarithmic axes.
    share = np.linspace(0, 1, _PARTS, endpoint=False)
    along = [
        [start + part * (end - start) for start, end in itertools.pairwise(ends) for part in share] + ends[-1:]
        for ends in (x, y)
    ]
    return {"outline": {"x": along[0], "y": along[1]}}
