"""What an experiment looks like in the MLflow UI, before anybody has set anything up."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from hit.connection import experiment_id
from hit.schema import is_metric
from hit.ui.views import charts_line, charts_page, prepare_page
from tests.stores import new_database

VIEW = "mlflow.sharedViewState."
LIMIT = 5000  # characters of an experiment's tag


def prepared(folder: Path) -> tuple[MlflowClient, str]:
    client = MlflowClient(new_database(folder / "store.db"))
    experiment = experiment_id(client, "hit")
    prepare_page(client, experiment)
    return client, experiment


def views(client: MlflowClient, experiment: str) -> dict[str, str]:
    tags = client.get_experiment(experiment).tags
    return {name.removeprefix(VIEW): text for name, text in tags.items() if name.startswith(VIEW)}


def state(text: str) -> Any:
    packed = json.loads(text)["state"].removeprefix("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_the_view_is_under_the_key_of_the_address(tmp_path: Path) -> None:
    client, experiment = prepared(tmp_path)
    (key,) = views(client, experiment)
    assert charts_page(experiment).endswith(f"viewStateShareKey={key}")
    assert len(views(client, experiment)[key]) < LIMIT


def test_charts_show_declared_metrics_in_sections_that_exist(tmp_path: Path) -> None:
    client, experiment = prepared(tmp_path)
    (text,) = views(client, experiment).values()
    shown = state(text)
    sections = {section["uuid"] for section in shown["compareRunSections"]}
    charts = shown["compareRunCharts"]
    assert {chart["metricSectionId"] for chart in charts} <= sections
    assert len({chart["uuid"] for chart in charts}) == len(charts)
    named = [
        chart[axis]["key"] for chart in charts if chart["type"] == "CONTOUR" for axis in ("xaxis", "yaxis", "zaxis")
    ]
    assert named == ["test/rate_1", "test/rate_2", "test/psnr"]
    named += [name for chart in charts for name in chart.get("selectedMetrics", [])]
    named += [column.removeprefix("metrics.`").rstrip("`") for column in shown["selectedColumns"]]
    assert all(is_metric(name) for name in named), named


def test_what_somebody_has_chosen_stays(tmp_path: Path) -> None:
    client, experiment = prepared(tmp_path)
    ((key, _),) = views(client, experiment).items()
    client.set_experiment_tag(experiment, VIEW + key, "theirs")
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "genai_development")
    prepare_page(client, experiment)
    assert views(client, experiment) == {key: "theirs"}
    assert client.get_experiment(experiment).tags["mlflow.experimentKind"] == "genai_development"


def test_the_line_names_the_server_or_the_local_ui() -> None:
    assert charts_line("http://127.0.0.1:7777", "3").startswith("charts in the MLflow UI: http://127.0.0.1:7777/#/exp")
    assert charts_line("sqlite:////tmp/mlflow.db", "3").startswith(
        "charts in the MLflow UI (make ui): http://127.0.0.1:5000/#"
    )
    assert "secret" not in charts_line("https://me:secret@example.org", "3")
    assert "secret" not in charts_line("https://me:se cret@example.org", "3")
