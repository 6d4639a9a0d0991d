"""The contracts of drivers and launchers (`hit.testing` has those of other parts, and these two under one roof)."""

__all__ = ["check_driver", "check_launcher"]

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from hit.config import TrainConfig
from hit.config.options import build
from hit.config.rates.beta_grid import BetaGrid, axis_layer, grid_axes
from hit.errors import ConfigError
from hit.errors.run_outcomes import RunOutcome
from hit.schema import SCHEMA_VERSION, Kind, Tag, layer_metrics
from hit.store import Store
from hit.store.records import BASE_COLUMNS
from hit.testing.contract import ContractBroken, must
from hit.tracking.reservation import reserve_run
from sweeps.drivers.build import build_driver
from sweeps.drivers.driver import Driver, Proposal
from sweeps.launchers.build import build_launcher
from sweeps.launchers.launcher import Launcher, Training
from sweeps.spec.driver_options import Choice, ChoosingOptions
from sweeps.spec.launch_options import RunningOptions

_DIGEST = "of no data"
_RUNS = 12
_SECONDS = 300.0


def check_driver(name: str, *, grids: Mapping[str, str] | None = None, **options: Any) -> None:
    """Check a registered driver against a history that grows as its proposals are answered.

    Args:
        name: under which it is registered.
        grids: `grid_1`, … as people type them.
        options: what it chooses by, as `sweeps` takes it: `region="rate_1=5:40,rate=:60"`.

    Raises:
        ContractBroken: naming the rule.
    """
    label = f"driver {name!r}"
    base = TrainConfig(channels=4, z_dims=(5,), epochs=1)
    choosing = ChoosingOptions(**{"further_seeds": 0.0, **options})
    axes = grid_axes(grids or {}, [] if choosing.proposes_rates(name) else [1, 2])
    texts = {axis_layer(axis): text for axis, text in axes.items()}

    def fresh() -> Driver:
        choice = Choice.check(name, choosing, base, BetaGrid.parse(texts, 2, base.betas), (0,))
        return build_driver(choice, _DIGEST)

    try:
        _check_proposals(fresh, label)
    except ConfigError as error:
        raise ContractBroken(str(error)) from error


def _check_proposals(fresh: Callable[[], Driver], label: str) -> None:
    driver = fresh()
    must(driver.propose(_history([]), 0) == [], label, "propose nothing where nothing is asked for")
    rows: list[dict[str, Any]] = []
    while len(rows) < _RUNS:
        history = _history(rows)
        proposals = fresh().propose(history, 2)
        shuffled = history.sample(frac=1, random_state=len(rows))
        must(
            fresh().propose(shuffled, 2) == proposals,
            label,
            "answer the same history alike, in whatever order its rows stand: sort them, and seed what is drawn",
        )
        must(len(proposals) <= 2, label, "propose at most as many models as it is asked for", len(proposals))
        taken = {str(row["config_hash"]) for row in rows}
        for one in proposals:
            must(
                one.identity == one.config.identity(_DIGEST),
                label,
                "give a proposal the identity of its config, `config.identity(data_digest)`",
                one.identity,
            )
            must(one.identity not in taken, label, "leave out what is finished or running (`Driver.taken`)")
            must(bool(one.reason), label, "say why it proposes a model")
            taken.add(one.identity)
            rows.append(_row(one, len(rows)))
        if not proposals:
            break
    must(bool(rows), label, "propose models where there are none")
    history = _history(rows)
    must(driver.finished(history) <= len(rows), label, "count no more runs than there are (`mine`)")
    must(driver.finished(history) > 0, label, "count as its own the models that it has proposed (`mine`)")


def check_launcher(name: str, **options: Any) -> None:
    """Check a registered launcher: it trains two tiny models, and tells of one that cannot be trained.

    Args:
        name: under which it is registered.
        options: what it takes, as `sweeps` takes it.

    Raises:
        ContractBroken: naming the rule.
    """
    label = f"launcher {name!r}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            running = build(RunningOptions, {"launcher": name, **options})
            with build_launcher(running, 1, folder, 1) as launcher:
                must(launcher.free > 0, label, "have room for a model at first", launcher.free)
                found = [_train(launcher, folder, seed, label) for seed in (0, 1)]
                must(found[0] != found[1], label, "train the model that it is given")
                missing = _train(launcher, folder / "missing", 0, label, dataset="no such data")
                must(missing is None, label, "tell of a model that cannot be trained as failed")
        except ConfigError as error:
            raise ContractBroken(str(error)) from error
        ours = build_launcher(build(RunningOptions, {"launcher": "inline"}), 1, folder, 1)
        with ours:
            expected = _train(ours, folder / "ours", 0, label)
        must(found[0] == expected, label, "train the same model as any other launcher", f"{found[0]}, not {expected}")


def _train(launcher: Launcher, folder: Path, seed: int, label: str, **fields: Any) -> float | None:
    """The ELBO of a model that the launcher trained; None where it failed."""
    folder.mkdir(exist_ok=True)
    store = Store(f"sqlite:///{folder}/store.db")
    config = TrainConfig(
        channels=4, z_dims=(5,), epochs=1, batch_size=512, metrics="core", threads=1, seed=seed, device="cpu"
    )
    config = replace(config, state_dir=str(folder / "state"), **fields)
    identity = config.identity(_DIGEST)
    tags = {str(Tag.CONFIG_HASH): identity, str(Tag.SWEEP): "none"}
    run_id = reserve_run(store, "hit", "checked", config.to_flat(), tags)
    waited = 0.0
    while not launcher.free and waited < _SECONDS:
        list(launcher.outcomes(1.0))
        waited += 1.0
    must(launcher.free > 0, label, "have room for a model again once the last one has ended", launcher.free)
    launcher.submit(Training(identity, config, run_id, "hit", "none", f"sqlite:///{folder}/store.db"))
    waited = 0.0
    while waited < _SECONDS:
        for outcome in launcher.outcomes(1.0):
            if outcome.state == "progress":
                continue
            must(outcome.job.identity == identity, label, "tell of the model that it was given")
            if outcome.state != RunOutcome.FINISHED:
                return None
            return float(store.run(run_id).data.metrics["test/elbo"])
        waited += 1.0
    raise ContractBroken(f"{label} must come to an outcome for every model, got none within {_SECONDS:g} s")


def _history(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as the store gives them."""
    frame = pd.DataFrame(rows, columns=None if rows else [*BASE_COLUMNS, *TrainConfig().to_flat()])
    for name in BASE_COLUMNS:
        if name not in frame:
            frame[name] = None
    for name in ("start_time", "end_time"):
        frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
    return frame


def _row(proposal: Proposal, number: int) -> dict[str, Any]:
    """A finished run whose rates fall with their β, or are what was asked for."""
    config = proposal.config
    asked = {target.rpartition("_")[2]: nats for target, nats in config.targets.to_flat().items()}
    rates = {layer: asked.get(str(layer), 30 / layer / (1 + beta)) for layer, beta in enumerate(config.betas, start=1)}
    total = sum(rates.values())
    measured = {one.name: total for one in layer_metrics(config.layers) if one.name.startswith("test/")}
    measured |= {f"test/rate_{layer}": rate for layer, rate in rates.items()}
    measured |= {"test/rate": total, "test/distortion": 200 - total, "test/elbo": -200.0 - number / 100}
    return {
        **config.to_flat(),
        **measured,
        "run_id": f"{number:032d}",
        "kind": Kind.TRAIN.value,
        "schema": SCHEMA_VERSION,
        "config_hash": proposal.identity,
        "group": config.group(_DIGEST),
        "data_digest": _DIGEST,
        "status": "FINISHED",
        "start_time": float(number),
        "end_time": number + 0.5,
    }
