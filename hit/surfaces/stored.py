"""Surfaces that the store holds: found for a model, fetched, and asked which rates a model of given β would have."""

__all__ = ["PLAN_FILE", "expected_rates", "find_surface", "stored_surface"]

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from mlflow.entities import Run

from hit.config import TrainConfig
from hit.config.field_roles import Role, role_of
from hit.errors import ConfigError
from hit.schema import WEIGHTS, Kind, Tag
from hit.schema.experiments import Experiment
from hit.store import Store, config_of
from hit.surfaces.plan import SurfacePlan

if TYPE_CHECKING:  # torch, which takes seconds to import, is for those who fetch one
    from hit.surfaces.cells import TrainedSurface

#: The artifact of a surface's run that says how it was trained.
PLAN_FILE = "surface.json"

#: Test images that tell expected rates.
_IMAGES, _BATCH = 500, 250
#: What a surface may differ in from the models that it stands for, beside its step size: see `find_surface`.
_OTHERWISE = frozenset({Role.MACHINE, Role.DATA, Role.RATES, Role.SEED, Role.START})


def find_surface(
    store: Store,
    experiment: str | Experiment,
    config: TrainConfig,
    data_digest: str,
    *,
    betas: tuple[float, float],
    named: str = "",
) -> str:
    """Run id of a finished surface that stands for models like this one, whatever their β; empty where there is none.

    That is the newest of the experiment with the same data, networks, epochs, batches and schedule that was trained for
    the β asked about and none of whose layers has collapsed. Its step size is its own, as a surface has more to learn.

    Args:
        store: the run store.
        experiment: the experiment, or its name.
        config: the model; its β, targets and seed do not matter.
        data_digest: of its data set.
        betas: the lowest and the highest that it is to be asked about.
        named: run id of the one to take; it may have been trained for longer, or otherwise.

    Raises:
        ConfigError: the named one is no finished surface of the same data and networks, or not of these β.
        StoreAway: the store does not answer.
    """
    wanted = {name: value for name, value in config.to_flat().items() if _decides(name)}
    if named:
        run = _finished(store, named)
        if run.data.tags.get(Tag.DATA_DIGEST) != data_digest:
            raise ConfigError(f"surface must be one of the data set {config.dataset!r}, got {named!r} of other data")
        found = _config(run)
        for name in sorted(name for name in wanted if role_of(name) is not Role.TRAINING):
            if found.get(name) != wanted[name]:
                raise ConfigError(f"surface must have {name}={wanted[name]}, got {named!r} with {found.get(name)}")
        if not _covers(run, betas):
            raise ConfigError(
                f"surface must be trained for all β that may be proposed, {betas[0]:g} … {betas[1]:g}, got {named!r}, "
                f"trained for {run.data.params.get('beta_low')} … {run.data.params.get('beta_high')}"
            )
        return named
    where = f"attributes.status = 'FINISHED' and tags.`{Tag.DATA_DIGEST}` = '{data_digest}'"
    fitting = ""
    for run in store.runs(experiment, where=where, kind=Kind.SURFACE):  # oldest first
        found = _config(run)
        alive = Tag.COLLAPSED not in run.data.tags and _covers(run, betas)
        if alive and all(found.get(name) == value for name, value in wanted.items()):
            fitting = str(run.info.run_id)
    return fitting


def stored_surface(store: Store, run_id: str, folder: Path) -> "TrainedSurface":
    """A finished surface of the store, its weights under `folder`.

    Raises:
        ConfigError: the run is no finished surface.
    """
    from hit.surfaces.cells import TrainedSurface

    run = _finished(store, run_id)
    plan = SurfacePlan.from_json(json.loads(store.download(run_id, PLAN_FILE, folder).read_text()))
    home = store.experiment(plan.experiment)
    if not home.id:  # it has been renamed since
        home = Experiment(home.name, str(run.info.experiment_id))
    plan = replace(plan, experiment=home)
    return TrainedSurface(plan, store.download(run_id, WEIGHTS, folder), run_id, run.data.tags[Tag.DATA_DIGEST])


def expected_rates(
    store: Store, run_id: str, config: TrainConfig, betas: npt.NDArray[np.float64], check: Callable[[], None]
) -> npt.NDArray[np.float64]:
    """R_1, …, R_L that a stored surface has at some β on its first 500 test images, nats per image, M×L.

    Args:
        store: the run store.
        run_id: a finished surface.
        config: says where the data lie and on which device to run.
        betas: β_1, …, β_L within the range that it was trained for (`find_surface`), M×L.
        check: called between batches; raises to stop.

    Raises:
        ConfigError: the run is no finished surface.
    """
    import torch

    from hit.processes.devices import select_device
    from hit.runs.datasets import load_once
    from hit.surfaces.cells import load_surface

    with tempfile.TemporaryDirectory() as folder:
        source = stored_surface(store, run_id, Path(folder))
        device = select_device(config.device)
        dataset = load_once(config.dataset, config.data_root, device, config.crop, config.label)
        surface = load_surface(source, dataset.shape, device)
    x = surface.prepare(dataset.test.head(_IMAGES))
    found = []
    with torch.no_grad():
        for row in torch.tensor(betas, dtype=torch.float32, device=device):
            generator = torch.Generator(device).manual_seed(0)  # the same noise at every β
            sums = torch.zeros(surface.layers, dtype=torch.float64)
            for part in x.split(_BATCH):
                check()
                outcome = surface(part, row, surface.noise(len(part), generator))
                sums += torch.stack([rate.double().sum() for rate in outcome.rates]).cpu()
            found.append(sums / len(x))
    return np.asarray(torch.stack(found).numpy())


def _decides(name: str) -> bool:
    return role_of(name) not in _OTHERWISE and name != "learning_rate"


def _covers(run: Run, betas: tuple[float, float]) -> bool:
    try:
        low, high = (float(run.data.params[name]) for name in ("beta_low", "beta_high"))
    except (KeyError, ValueError):
        return False
    return low * (1 - 1e-9) <= betas[0] and betas[1] <= high * (1 + 1e-9)


def _config(run: Run) -> dict[str, Any]:
    """The typed fields of a surface's config, whoever logged its params; empty where they are of another version."""
    try:
        return TrainConfig.from_flat(config_of(run)).to_flat()
    except ConfigError:
        return {}


def _finished(store: Store, run_id: str) -> Run:
    return store.finished(run_id, Kind.SURFACE, "surface must be the run id of a finished surface")
