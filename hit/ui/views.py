"""An experiment in the MLflow UI: it opens on runs and charts, and has a view of rate space prepared."""

__all__ = ["IMAGE_KEYS", "charts_line", "charts_page", "prepare_page", "run_page"]

import base64
import contextlib
import json
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hit.errors.redaction import redact
from hit.schema import Kind, Tag

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Pictures of a model that the UI's image grid shows.
IMAGE_KEYS = ("reconstructions", "samples")

_EXPERIMENT_KIND = "mlflow.experimentKind"
_VIEW = "mlflow.sharedViewState."
#: Names the view in addresses. A view that is drawn anew gets another number: the old one may be somebody's by then.
_VIEW_KEY, _VIEW_NAME = "hit-rate-space-1", "Rate space"
#: Which side of the UI an address opens.
_SIDE = "workflowType=machine_learning"
#: Where `make ui` listens.
_LOCAL_UI = "http://127.0.0.1:5000"

#: Axes of the parallel coordinates: β, rates, what they give; and the scores that take a classifier of the data.
_AXES = ["log10_beta_1", "log10_beta_2", "test/rate_1", "test/rate_2", "test/psnr", "test/accuracy_svm_rbf_z2_sampled"]
_SCORES = ["test/rate_1", "test/rate_2", "sample/inception_score", "sample/fid_classifier"]
_COLUMNS = ["beta_1", "beta_2", "test/rate_1", "test/rate_2", "test/distortion", "test/psnr", _AXES[-1]]


def prepare_page(client: "MlflowClient", experiment: str) -> None:
    """Let the UI open an experiment (its id) on its runs, not on traces, and give it the view of rate space.

    What is there already, be it changed by somebody, stays.
    """
    from mlflow.exceptions import MlflowException

    with contextlib.suppress(MlflowException):  # a page is not worth a run
        record = client.get_experiment(experiment)
        if _EXPERIMENT_KIND not in record.tags:
            client.set_experiment_tag(experiment, _EXPERIMENT_KIND, "custom_model_development")
        if _VIEW + _VIEW_KEY not in record.tags:
            client.set_experiment_tag(experiment, _VIEW + _VIEW_KEY, _saved_view(record.creation_time or 0))


def charts_page(experiment: str) -> str:
    """Path of the UI's page of an experiment (its id) with the charts of the prepared view."""
    return f"/#/experiments/{experiment}/runs?{_SIDE}&compareRunsMode=CHART&viewStateShareKey={_VIEW_KEY}"


def run_page(experiment: str, run_id: str, artifact: str = "") -> str:
    """Path of the UI's page of a run, or of one of its artifacts, on the side of the UI that is for models.

    Without the word at its end the UI shows what is there for language models.

    >>> run_page("7", "0123", "decisions.json")
    '/#/experiments/7/runs/0123/artifacts/decisions.json?workflowType=machine_learning'
    """
    path = f"/#/experiments/{quote(experiment, safe='')}/runs/{quote(run_id, safe='')}"
    return f"{path}{f'/artifacts/{quote(artifact)}' if artifact else ''}?{_SIDE}"


def charts_line(uri: str, experiment: str) -> str:
    """One line that tells where that page is: on the tracking server at `uri`, else on the UI that `make ui` starts.

    >>> charts_line("https://me:secret@mlflow.example.org/", "7").partition("/#/")[0]
    'charts in the MLflow UI: https://mlflow.example.org'
    """
    if uri.startswith(("http://", "https://")):
        return f"charts in the MLflow UI: {redact(uri).rstrip('/')}{charts_page(experiment)}"
    return f"charts in the MLflow UI (make ui): {_LOCAL_UI}{charts_page(experiment)}"


def _saved_view(now: int) -> str:
    """A saved view as the UI keeps it in an experiment's tag: its state, deflated, in an envelope with its name."""
    state = base64.b64encode(zlib.compress(json.dumps(_state(), separators=(",", ":")).encode(), 9)).decode()
    return json.dumps({"name": _VIEW_NAME, "createdAt": now, "updatedAt": now, "state": f"deflate;{state}"})


def _state() -> dict[str, Any]:
    """The models, best PSNR first: where runs are sorted by time they are nested, and nested ones are not drawn."""
    charts = [
        _chart(
            "CONTOUR",
            "space",
            "rates",
            xaxis=_axis("test/rate_1"),
            yaxis=_axis("test/rate_2"),
            zaxis=_axis("test/psnr"),
        ),
        _chart("PARALLEL", "space", "parallel", selectedParams=[], selectedMetrics=_AXES, showAllRuns=True),
        _chart("PARALLEL", "space", "scores", selectedParams=[], selectedMetrics=_SCORES, showAllRuns=True),
        *(_chart("IMAGE", "images", key, imageKeys=[key], step=0, showRunParams=False) for key in IMAGE_KEYS),
    ]
    sections = [
        _section("space", "Rate space", columns=2, cardHeight=440),
        _section("images", "Images", columns=1, cardHeight=620),
        # The UI makes these itself, of the metrics by their prefix; here they come after ours, folded up.
        *(_section(name, name, display=False) for name in ("test", "sample", "train")),
        *(_section(name, name, display=False) for name in ("Model metrics", "System metrics")),
    ]
    return {
        "searchFilter": f"tags.`{Tag.KIND}` = '{Kind.TRAIN}'",
        "orderByKey": "metrics.`test/psnr`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [f"metrics.`{name}`" for name in _COLUMNS],
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": charts,
        "compareRunSections": sections,
        "isAccordionReordered": True,
        "hideEmptyCharts": True,
    }


def _axis(metric: str) -> dict[str, str]:
    return {"key": metric, "type": "METRIC"}


def _chart(kind: str, section: str, name: str, **fields: Any) -> dict[str, Any]:
    common = {"type": kind, "uuid": f"hit-{name}", "metricSectionId": f"hit-{section}", "runsCountToCompare": 100}
    return common | {"deleted": False, "isGenerated": False} | fields


def _section(name: str, title: str, *, display: bool = True, **fields: Any) -> dict[str, Any]:
    return {"uuid": f"hit-{name}", "name": title, "display": display, "isReordered": False, "deleted": False} | fields
