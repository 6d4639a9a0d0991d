"""A surface of the store is found for the models that it stands for, and expects the rates that its cells have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hit import data
from hit.config import TrainConfig
from hit.errors import ConfigError
from hit.schema import Kind, Tag
from hit.store import Store
from hit.surfaces.plan import SurfacePlan
from hit.surfaces.stored import expected_rates, find_surface
from hit.surfaces.surface_run import surface_run
from hit.tracking import RunWriter
from tests.stores import new_database

DIGEST = "0123"
MODEL = TrainConfig(channels=4, z_dims=(5,), learning_rate=1e-2, schedule="one_cycle", metrics="core")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = new_database(folder / "store.db")
        self.store = Store(self.uri)

    def surface(self, config: TrainConfig = MODEL, digest: str = DIGEST, **tags: str) -> str:
        """A finished surface, as far as the store tells."""
        plan = SurfacePlan(config=config, grids={})
        run = RunWriter.begin(
            kind=Kind.SURFACE,
            name="surface",
            state_dir=self.folder,
            uri=self.uri,
            tags={Tag.DATA_DIGEST: digest, **tags},
        )
        with run:
            run.params(plan.params())
        return run.run_id

    def find(self, config: TrainConfig = MODEL, betas: tuple[float, float] = (0.1, 10.0), named: str = "") -> str:
        return find_surface(self.store, "hit", config, DIGEST, betas=betas, named=named)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_newest_that_stands_for_the_model_is_found(bench: Bench) -> None:
    assert bench.find() == ""
    bench.surface()
    newest = bench.surface(replace(MODEL, learning_rate=3e-3, seed=4))
    bench.surface(digest="of other data")
    bench.surface(replace(MODEL, channels=8))
    bench.surface(replace(MODEL, epochs=30))
    bench.surface(**{Tag.COLLAPSED: "2"})
    assert bench.find() == bench.find(replace(MODEL, betas=(0.3, 4.0), seed=9)) == newest
    assert bench.find(betas=(0.01, 10.0)) == "", "it was not trained for such a β"


def test_one_that_is_named_may_have_been_trained_longer(bench: Bench) -> None:
    longer, wider = bench.surface(replace(MODEL, epochs=30)), bench.surface(replace(MODEL, channels=8))
    foreign = bench.surface(digest="of other data")
    assert bench.find(named=longer) == longer
    for named, fault in {
        wider: "surface must have channels=4, got .* with 8",
        foreign: "surface must be one of the data set 'digits', got .* of other data",
        "0" * 32: "surface must be .* which the store does not know",
    }.items():
        with pytest.raises(ConfigError, match=fault):
            bench.find(named=named)
    with pytest.raises(ConfigError, match=r"surface must be trained for all β .* 0\.01 … 10, got .* for 0\.08 … 12"):
        bench.find(betas=(0.01, 10.0), named=longer)


def test_what_it_expects_is_what_its_cells_have(bench: Bench) -> None:
    config = replace(MODEL, epochs=3, batch_size=128, state_dir=str(bench.folder / "state"))
    plan = SurfacePlan(config=config, grids={"grid_1": "0.2,5", "grid_2": "1"})
    run_id = surface_run(plan, uri=bench.uri)
    cells = bench.store.history("hit", where=f"tags.`{Tag.AMORTISED}` = '{run_id}'").sort_values("beta_1")
    found = expected_rates(bench.store, run_id, config, cells[["beta_1", "beta_2"]].to_numpy(float), lambda: None)
    measured = cells[["test/rate_1", "test/rate_2"]].to_numpy(float)
    assert found[0, 0] > found[1, 0]
    np.testing.assert_allclose(found[:, 0], measured[:, 0], rtol=0.05)
    digest = data.load("digits").digest
    assert find_surface(bench.store, "hit", config, digest, betas=(0.1, 10.0), named=run_id) == run_id
