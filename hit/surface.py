"""`python -m hit.surface`: train one model for every β, and read a grid of models off it."""

__all__ = ["RATES", "SurfaceOptions", "main", "parser"]

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import CONFIG, Parser, entry_point
from hit.config import TrainConfig, flat_defaults
from hit.config.dataset_kind import dataset_kind
from hit.config.field_roles import Role, role_of
from hit.config.field_types import LEAST_BETA, Beta, LearningRate, RunId, Text
from hit.config.machine_options import WORKERS_HELP, WorkerOptions, Workers
from hit.config.options import build
from hit.config.rates.beta_grid import GRID_DEFAULTS, GRID_HELP, grid_axes
from hit.config.rates.rate_targets import RateTargets
from hit.dataset_files import check_files
from hit.errors import ConfigError, shown
from hit.schema import Kind
from hit.surfaces.plan import SURFACE_DEFAULTS, SurfacePlan

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest

#: What a model has and a surface has not: β of its own, weights to start from, and targets while it trains.
_LEFT_OUT = tuple(name for name in flat_defaults() if role_of(name) in (Role.RATES, Role.START))
RATES = {"target_rate_1": "", "target_rate_2": ""}
_RATES_HELP = {name: f"with surface: the cell with this R_{name[-1]}, nats; empty: none" for name in RATES}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class SurfaceOptions(WorkerOptions):
    """What `surface` takes beside the config of its model and the grid."""

    beta_low: Annotated[Beta, Field(ge=LEAST_BETA, description="lowest β_l that the model is trained for")] = 0.08
    beta_high: Annotated[Beta, Field(ge=LEAST_BETA, description="highest β_l that the model is trained for")] = 12.0
    kernels: Annotated[
        int,
        Field(
            ge=1,
            le=8,
            description="kernels of every layer, which β mix; 1: β scale and shift layers alone, in 2/3 of the time",
        ),
    ] = 2
    certificate: Annotated[
        Text,
        Field(
            description="β_1:β_2 with commas, or 'corners' (and centre) of the grid, at which dedicated models are "
            "trained and compared; empty: none"
        ),
    ] = ""
    certificate_learning_rate: Annotated[LearningRate, Field(description="step size of the dedicated models")] = 1e-3
    surface: Annotated[
        RunId, Field(description="run id of a finished surface to read off; it is not trained again")
    ] = ""
    workers: Annotated[Workers, Field(description=f"after training: {WORKERS_HELP}")] = WorkerOptions.workers
    resume: Annotated[RunId, Field(description="run id of an interrupted surface to go on with; takes its options")] = (
        ""
    )


def parser() -> Parser:
    """The options of the command."""
    options = Parser(
        "hit.surface",
        "Train one model for every β, and measure a grid of β read off it.",
        ["grid_", "target_rate_"],
        {"beta_": "grid_"},
    )
    options.add_config(leave_out=_LEFT_OUT, **SURFACE_DEFAULTS)
    options.add_options("run", SurfaceOptions)
    options.add_group("grid", GRID_DEFAULTS, GRID_HELP)
    options.add_group("rates", RATES, _RATES_HELP)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, train or fetch the surface, measure the cells, print their span and the surface's run id."""
    command = parser()
    parsed = command.parse(argv)
    options = build(SurfaceOptions, parsed["run"])
    flat = parsed[CONFIG]
    asked = TrainConfig.from_flat({"state_dir": flat.get("state_dir", "")} if options.resume else flat)
    rates = _rates(parsed["rates"], options)
    dataset_kind(asked.dataset, asked.crop, asked.label)
    check_files(asked.dataset, asked.data_root)

    from tqdm import tqdm

    from hit.connection import chosen_experiment
    from hit.delivery.local_state import state_folder
    from hit.processes.cpus import worker_count
    from hit.recovery import recover
    from hit.recovery.adoption import adopt_unknown
    from hit.runs.resuming import given_options, is_finished
    from hit.runs.training_run import RunProgress
    from hit.schema import Tag, form_of, metric
    from hit.store import Store
    from hit.surfaces.resuming import assert_same_as_finished, resume_plan
    from hit.surfaces.surface_run import read_surface, surface_run
    from hit.tracking.project_run import project_run
    from hit.ui.run_names import command_name

    workers = worker_count(options.workers)
    stop.check()
    folder = state_folder(asked)
    resume = adopt_unknown(options.resume, folder, options.experiment) if options.resume else ""
    experiment = chosen_experiment(options.experiment, resumed=resume)
    recover(folder, experiment)
    if resume:
        given = given_options(argv, flat | parsed["run"] | parsed["grid"], command.defaults())
        if is_finished(resume, Kind.SURFACE):
            assert_same_as_finished(resume, given)
            print(f"surface {resume} is FINISHED: there is nothing left to do", file=sys.stderr)
            print(resume)
            return
        plan = replace(resume_plan(resume, asked.state_dir, given), experiment=experiment)
    else:
        plan = SurfacePlan(
            config=asked,
            beta_low=options.beta_low,
            beta_high=options.beta_high,
            kernels=options.kernels,
            grids={} if options.surface else grid_axes(parsed["grid"], range(1, asked.layers + 1)),
            certificate=options.certificate,
            certificate_learning_rate=options.certificate_learning_rate,
            experiment=experiment,
        )
    with tqdm(total=0 if options.surface else plan.config.epochs, unit="epoch", desc="surface", disable=None) as bar:

        def show(progress: RunProgress) -> None:
            bar.set_description(progress.doing)
            bar.update(progress.epoch - bar.n)

        if options.surface:
            run_id = options.surface
            name = f"cells of surface {run_id[:8]}"
            with project_run(Kind.EVALUATE, name=name, state_dir=folder, stop=stop):
                plan, children = read_surface(
                    run_id,
                    grids=parsed["grid"],
                    rates=rates,
                    config=asked,
                    certificate=options.certificate,
                    certificate_learning_rate=options.certificate_learning_rate,
                    workers=workers,
                    stop=stop,
                    on_progress=show,
                )
            named = {child.info.run_id for child in children}
        else:
            run_id = surface_run(
                plan,
                run_id=resume or os.environ.get("MLFLOW_RUN_ID") or None,
                name=command_name(""),
                workers=workers,
                stop=stop,
                on_progress=show,
            )
            named = set()
    store = Store()
    cells = store.history(plan.experiment, where=f"tags.`{Tag.AMORTISED}` = '{run_id}'")
    if named:
        cells = cells[cells["run_id"].isin(named)]
    layers = range(plan.config.layers, 0, -1)
    form = form_of(cells.dropna(axis=1, how="all"))
    for name in (
        "test/elbo",
        "test/distortion",
        *(f"test/rate_{layer}" for layer in layers),
        "test/psnr",
        "test/reconstruction_r2",
    ):
        if name in cells:
            low, high = cells[name].min(), cells[name].max()
            print(f"{metric(name).of(form).axis:28} {low:10.4g} to {high:.4g} over {len(cells)} cells", file=sys.stderr)
    if rates:
        betas = [f"β_{layer} = {cells[f'beta_{layer}'].iloc[0]:.4g}" for layer in layers]
        print(", ".join(betas), file=sys.stderr)
    record = store.run(run_id).data
    if collapsed := record.tags.get(Tag.COLLAPSED):
        print(f"collapsed: the layers {collapsed} carry next to nothing at every β of the grid", file=sys.stderr)
    for name, value in record.metrics.items():
        if name.startswith("certificate/"):
            print(f"{metric(name).axis}: {value:+.2%}", file=sys.stderr)
    print(cells["run_id"].iloc[0] if rates else run_id)


def _rates(texts: Mapping[str, str], options: SurfaceOptions) -> dict[int, float]:
    """Layer → nats.

    Raises:
        ConfigError: a rate that is none, rates without a surface to read them off, or beside a certificate.
    """
    if not options.surface:
        for name, text in texts.items():
            if text:
                raise ConfigError(
                    f"{name} needs surface, the run id of a finished one to read it off, got {shown(text)}"
                )
    elif options.certificate and any(texts.values()):
        raise ConfigError(f"certificate goes with a grid of β, not with rates, got {shown(options.certificate)}")
    layers = max((int(name.rpartition("_")[2]) for name in texts), default=1)
    targets = RateTargets.parse(texts, layers)
    return {layer: target.nats for layer, target in enumerate(targets.layers, start=1) if target is not None}


if __name__ == "__main__":
    entry_point(main, Kind.SURFACE)
