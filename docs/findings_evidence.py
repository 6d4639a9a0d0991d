"""What a store holds on the paper's findings for one data set: models, surface, certificate, and how long they took."""

__all__ = ["CELLS", "Certified", "Evidence", "evidence"]

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from analysis.frame import column, finished
from analysis.query import runs
from analysis.recommendation.recommender import APPLICATIONS, Recommendation, recommend
from analysis.settings import Setting, settings
from docs.findings_store import certificate_rows
from hit.errors import StoreError
from hit.schema import Kind
from hit.store import Store

#: Title of what is said of surfaces' cells.
CELLS = "Cells of the surface"


@dataclass(frozen=True)
class Certified:
    """A surface beside a dedicated model, as `hit.surfaces.certificate.Comparison` says.

    Attributes:
        betas: β_1 … β_L.
        objective, amortised_objective: D + Σ β_l R_l of the model and of the surface, nats per image.
        objective_gap: of the surface over the model.
        distortion_gap: the same of D at the model's rates; None where the surface does not have them.
        seed: of both.
    """

    betas: tuple[float, ...]
    objective: float
    amortised_objective: float
    objective_gap: float
    distortion_gap: float | None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Evidence:
    """All of one data set.

    Attributes:
        scale: name of how much was trained.
        cells: of the surfaces, one row each; empty without one.
        dedicated: models that were trained for one β.
        surfaces: their runs, one row a seed.
        classifier: its run, one row or none.
        surface_seconds: what the trainings of all surfaces took.
        images: `train` and `test` → how many.
        certificate: where surfaces and dedicated models were compared.
    """

    scale: str
    cells: pd.DataFrame
    dedicated: pd.DataFrame
    surfaces: pd.DataFrame
    classifier: pd.DataFrame
    surface_seconds: float
    images: Mapping[str, int]
    certificate: tuple[Certified, ...]

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """What verdicts are asked of, by what it is made of: cells and models never mix, as their step sizes differ."""
        parts = {CELLS: self.cells, "Models for one β": self.dedicated}
        return {name: found[0] for name, part in parts.items() if (found := settings(part))}

    @cached_property
    def recommended(self) -> dict[str, list[Recommendation]]:
        """What is recommended for each application, by what the runs are (`settings`)."""
        return {name: list(_recommended(part)) for name, part in self.settings.items()}


def evidence(uri: str, dataset: str, scale: str) -> Evidence | None:
    """What the store holds of a data set; None without a finished model.

    Args:
        uri: the store.
        dataset: that of the experiment `findings-<dataset>`.
        scale: name of how much was trained.
    """
    store, experiment = Store(uri), f"findings-{dataset}"
    if not store.experiment(experiment).id:
        return None
    models = finished(runs(experiment, tracking_uri=uri))
    if models.empty:
        return None
    surfaces = store.history(experiment, kind=Kind.SURFACE)
    if len(surfaces):
        surfaces = surfaces.drop_duplicates("seed", keep="last").sort_values("seed")
    classifier = store.history(experiment, kind=Kind.CLASSIFIER, where="attributes.status = 'FINISHED'").tail(1)
    seeds = {str(row["run_id"]): int(row["seed"]) for _, row in surfaces.iterrows()}
    is_cell = column(models, "amortised").notna()
    return Evidence(
        scale,
        models[is_cell],
        models[~is_cell],
        surfaces,
        classifier,
        sum(point.value for point in store.histories([*seeds], ["train/seconds"])) if seeds else 0.0,
        _images(store, str(models["run_id"].iloc[0])),
        tuple(one for run_id, seed in seeds.items() for one in _certificate(store, run_id, seed)),
    )


def _recommended(setting: Setting) -> Iterator[Recommendation]:
    for one in APPLICATIONS:
        with suppress(StoreError):
            yield recommend(setting.frame, one.name)


def _images(store: Store, run_id: str) -> dict[str, int]:
    """How many a run has trained on and was tested on."""
    for one in store.run(run_id).inputs.dataset_inputs:
        profile = json.loads(one.dataset.profile or "{}")
        return {part: int(profile[part]) for part in ("train", "test") if part in profile}
    return {}


def _certificate(store: Store, run_id: str, seed: int) -> Iterator[Certified]:
    names = [name for name in Certified.__dataclass_fields__ if name != "seed"]
    for row in certificate_rows(store, run_id):
        yield Certified(**{name: row[name] for name in names} | {"betas": tuple(row["betas"]), "seed": seed})
