"""The certificate: what it compares, that an equal model has no gap, and what stands in the store."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import ConfigError
from hit.evaluation import evaluate_model
from hit.models import build_model
from hit.models.surface_model import condition_on_betas, fold
from hit.processes.stop import StopRequest
from hit.schema import Kind, Tag
from hit.store import Store
from hit.surfaces.certificate import Comparison, compare, summary
from hit.surfaces.plan import SurfacePlan
from hit.surfaces.surface_run import _warn_of_collapse, read_surface, surface_run
from hit.training import fit
from hit.training.loop import Epoch
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")

CONFIG = TrainConfig(
    channels=4, z_dims=(5,), epochs=3, batch_size=64, learning_rate=1e-2, schedule="one_cycle", metrics="core"
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = data.load("digits")
    train, test = whole.train, whole.test
    return Dataset(
        "digits",
        Split(train.images[:300], train.labels[:300]),
        Split(test.images[:100], test.labels[:100]),
        whole.classes,
    )


def record(run_id: str, metrics: dict[str, float]) -> SimpleNamespace:
    return SimpleNamespace(info=SimpleNamespace(run_id=run_id), data=SimpleNamespace(metrics=metrics))


def test_a_surface_has_no_gap_to_itself(digits: Dataset) -> None:
    surface = condition_on_betas(build_model(CONFIG, digits.image_shape))
    fit(surface, digits.train, CONFIG)
    config = replace(CONFIG, betas=(0.5, 0.8))
    same = record("a", evaluate_model(fold(surface, config.betas), digits, config.betas).metrics)
    compared = compare(same, same, config, surface.eval(), digits, StopRequest())  # type: ignore[arg-type]
    assert compared.objective_gap == 0
    assert compared.distortion_gap == pytest.approx(0, abs=2e-3), compared.why_not
    worse = record("b", same.data.metrics | {"test/objective": 1.02 * same.data.metrics["test/objective"]})
    assert compare(same, worse, config, surface, digits, StopRequest()).objective_gap == pytest.approx(0.02)  # type: ignore[arg-type]
    dense = record("c", same.data.metrics | {"test/distortion": -50.0})  # as of a density
    beaten = compare(dense, same, config, surface, digits, StopRequest()).distortion_gap  # type: ignore[arg-type]
    assert beaten is not None, "the surface has these rates"
    assert beaten > 0, "a surface whose D is larger is worse, whatever the sign of D"


def test_where_every_layer_is_collapsed_there_is_nothing_to_invert(digits: Dataset) -> None:
    surface = condition_on_betas(build_model(CONFIG, digits.image_shape)).eval()
    config = replace(CONFIG, betas=(10.0, 10.0))
    metrics = evaluate_model(fold(surface, config.betas), digits, config.betas).metrics
    dead = record("a", metrics | {"test/rate_1": 0.0, "test/rate_2": 0.01})
    compared = compare(dead, record("b", metrics), config, surface, digits, StopRequest())  # type: ignore[arg-type]
    paid = 10 * metrics["test/rate_1"] + 10 * (metrics["test/rate_2"] - 0.01)
    assert compared.distortion_gap == pytest.approx(paid / metrics["test/distortion"])


def test_a_collapse_is_said_once_and_early(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 11):
        _warn_of_collapse(Epoch(number, {"train/rate_1": 20.0, "train/rate_2": 0.01}), 10)
    said = capsys.readouterr().err
    assert said.count("collapsed: z_2 carries 0.01 nats over all β after 3 of 10 epochs") == 1
    assert "z_1" not in said


def test_the_summary_is_mean_and_worst_of_what_there_is() -> None:
    one = Comparison((1.0, 1.0), "a", "b", 100.0, 101.0, 0.01, None, "outside")
    other = replace(one, objective_gap=-0.03, distortion_gap=0.02)
    assert summary([one, other]) == pytest.approx(
        {
            "certificate/objective_gap": -0.01,
            "certificate/objective_gap_worst": 0.01,
            "certificate/distortion_gap": 0.02,
            "certificate/distortion_gap_worst": 0.02,
        }
    )
    assert "certificate/distortion_gap" not in summary([one])


def test_corners_are_those_of_the_grid_with_its_centre() -> None:
    plan = SurfacePlan(config=CONFIG, grids={"grid_1": "0.1:10:3", "grid_2": "1,4"}, certificate="corners")
    assert plan.certified == [(0.1, 1.0), (0.1, 4.0), (10.0, 1.0), (10.0, 4.0), (1.0, 2.0)]
    assert {cell.betas for cell in plan.cells} > set(plan.certified)


@pytest.mark.parametrize("text", ["1", "1:2:3", "a:b", "corner"])
def test_points_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="certificate must be 'corners' or β_1:…:β_L with commas, here 2 numbers"):
        _ = SurfacePlan(config=CONFIG, grids={}, certificate=text)


def test_a_surface_is_certified_and_read_off_again(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("hit.surfaces.surface_run", "hit.surfaces.cells", "hit.runs.training_run"):
        monkeypatch.setattr(f"{module}.load_once", lambda *_: digits)
    uri = new_database(tmp_path / "store.db")
    config = replace(CONFIG, state_dir=str(tmp_path / "state"))
    plan = SurfacePlan(config=config, grids={"grid_1": "1", "grid_2": "1"}, certificate="0.5:0.5,1:1")
    run_id = surface_run(plan, uri=uri)
    store = Store(uri)
    parent = store.run(run_id)
    (rows,) = [json.loads(store.download(run_id, "certificate.json", tmp_path).read_text())]
    assert [tuple(row["betas"]) for row in rows] == [(0.5, 0.5), (1.0, 1.0)]
    gaps = [row["objective_gap"] for row in rows]
    assert parent.data.metrics["certificate/objective_gap"] == pytest.approx(sum(gaps) / 2)
    assert parent.data.metrics["certificate/objective_gap_worst"] == pytest.approx(max(gaps))

    runs = store.history("hit", kind=Kind.TRAIN)
    dedicated = runs[runs["amortised"].isna()]
    assert set(dedicated["config_hash"]) == {one.identity(digits.digest) for one in plan.dedicated}
    assert set(dedicated["parent"]) == {run_id}
    assert set(dedicated["learning_rate"]) == {1e-3}
    by_id = runs.set_index("run_id")
    for row in rows:
        assert row["objective"] == by_id.loc[row["dedicated"], "test/objective"]
        assert row["amortised_objective"] == by_id.loc[row["amortised"], "test/objective"]
        assert by_id.loc[row["amortised"], "amortised"] == run_id

    # What is finished is taken from the store: another surface trains no dedicated model again.
    surface_run(replace(plan, config=replace(config, epochs=3, learning_rate=5e-3)), uri=uri)
    again = store.history("hit", kind=Kind.TRAIN)
    assert len(again[again["amortised"].isna()]) == 2

    asked = by_id.loc[rows[0]["amortised"], ["test/rate_1", "test/rate_2"]]
    rates = {1: float(asked["test/rate_1"])}  # so small a model leaves z_2 alone
    machine = TrainConfig(state_dir=str(tmp_path / "state"), metrics="core")
    _, (cell,) = read_surface(run_id, grids={}, rates=rates, config=machine, uri=uri)
    assert cell.data.tags[Tag.AMORTISED] == cell.data.tags[Tag.PARENT] == run_id
    assert cell.data.metrics["test/rate_1"] == pytest.approx(rates[1], rel=0.03)
    _, more = read_surface(run_id, grids={"grid_1": "0.2,2", "grid_2": "3"}, rates={}, config=machine, uri=uri)
    assert [one.data.metrics["beta_1"] for one in more] == [0.2, 2.0]
    # A certificate can be asked for later, at other β.
    read_surface(run_id, grids={"grid_1": "1", "grid_2": "1"}, rates={}, config=machine, certificate="2:1", uri=uri)
    later = tmp_path / "later"
    later.mkdir()
    ((row,),) = [json.loads(store.download(run_id, "certificate.json", later).read_text())]
    assert row["betas"] == [2.0, 1.0]
    assert store.run(run_id).data.metrics["certificate/objective_gap"] == pytest.approx(row["objective_gap"])
    assert store.run(run_id).info.status == "FINISHED"
    with pytest.raises(ConfigError, match=r"surface must be the run id of a finished surface, got .*, of kind 'train'"):
        read_surface(rows[0]["dedicated"], grids={}, rates={}, config=machine, uri=uri)
    with pytest.raises(ConfigError, match=r"surface must be .* which the store does not know"):
        read_surface("0" * 32, grids={}, rates={}, config=machine, uri=uri)


def test_folding_outside_the_trained_range_warns(digits: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    surface = condition_on_betas(build_model(CONFIG, digits.image_shape))
    fold(surface, (1.0, 20.0))
    assert re.match(r"beta_2 = 20 is outside 0\.08 … 12.*extrapolation", caplog.messages[-1])
    for betas, fault in (
        ((1.0,), "betas must be 2 numbers, one a layer, got 1"),
        ((0.0, 1.0), "beta_1 must be finite and greater than 0, got 0"),
        ((1.0, float("nan")), "beta_2 must be finite and greater than 0, got nan"),
    ):
        with pytest.raises(ConfigError, match=fault):
            fold(surface, betas)
    x = surface.prepare(digits.test.images[:4])
    torch.testing.assert_close(
        fold(surface, (1.0, 1.0))(x, sample=False).output, surface(x, torch.ones(2), sample=False).output
    )
