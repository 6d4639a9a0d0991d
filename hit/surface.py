"""`python -m hit.surface`: train one model for every β, and read a grid of models off it."""

__all__ = ["DEFAULTS", "SurfaceOptions", "main", "parser"]

import os
import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.axes import GRID_DEFAULTS, GRID_HELP
from hit.cli import CONFIG, Parser, entry_point
from hit.config import TrainConfig
from hit.options import EXPERIMENT_HELP, build
from hit.schema import Kind
from hit.targets import TARGET_DEFAULTS

if TYPE_CHECKING:
    from hit.stop import StopRequest

#: Where a surface differs from a single model: it has more to learn, and its schedule ends at a small step.
DEFAULTS = {"epochs": 30, "learning_rate": 3e-3}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class SurfaceOptions:
    """What `surface` takes beside the config of its model and the grid."""

    beta_low: Annotated[float, Field(gt=0, description="lowest β_l that the model is trained for")] = 0.08
    beta_high: Annotated[float, Field(gt=0, description="highest β_l that the model is trained for")] = 12.0
    experiment: Annotated[str, Field(description=EXPERIMENT_HELP)] = ""
    resume: Annotated[str, Field(description="run id of an interrupted surface to go on with; takes its options")] = ""


def parser() -> Parser:
    """The options of the command."""
    options = Parser("hit.surface", "Train one model for every β, and measure a grid of β read off it.", ["grid_"])
    options.add_config(leave_out=("beta_1", "beta_2", "schedule", "init_from", *TARGET_DEFAULTS), **DEFAULTS)
    options.add_options("run", SurfaceOptions)
    options.add_group("grid", GRID_DEFAULTS, GRID_HELP)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, train, measure the grid, print the span of the rates and the surface's run id."""
    parsed = parser().parse(argv)
    options = build(SurfaceOptions, parsed["run"])
    asked = TrainConfig.from_flat(parsed[CONFIG])

    from tqdm import tqdm

    from hit.connection import chosen_experiment
    from hit.recovery import recover
    from hit.runner import Progress, state_folder
    from hit.schema import Tag, metric
    from hit.store import Store
    from hit.surface_run import SurfacePlan, resume_plan, surface_run

    if options.resume:
        plan = resume_plan(options.resume, asked.state_dir)
    else:
        plan = SurfacePlan(
            config=asked,
            beta_low=options.beta_low,
            beta_high=options.beta_high,
            grids=parsed["grid"],
            experiment=chosen_experiment(options.experiment),
        )
    stop.check()
    recover(state_folder(plan.config), plan.experiment)
    with tqdm(total=plan.config.epochs, unit="epoch", desc="training", disable=None) as bar:

        def show(progress: Progress) -> None:
            bar.set_description(progress.doing)
            bar.update(progress.epoch - bar.n)

        run_id = surface_run(
            plan, run_id=options.resume or os.environ.get("MLFLOW_RUN_ID") or None, stop=stop, on_progress=show
        )
    store = Store()
    cells = store.history(plan.experiment, where=f"tags.`{Tag.AMORTISED}` = '{run_id}'")
    rates = [f"test/rate_{layer}" for layer in range(plan.config.layers, 0, -1)]
    for name in ("test/elbo", "test/distortion", *rates, "test/psnr"):
        if name in cells:
            low, high = cells[name].min(), cells[name].max()
            print(f"{metric(name).axis:28} {low:10.4g} to {high:.4g} over {len(cells)} cells", file=sys.stderr)
    if collapsed := store.run(run_id).data.tags.get(Tag.COLLAPSED):
        print(f"collapsed: the layers {collapsed} carry next to nothing at every β of the grid", file=sys.stderr)
    print(run_id)


if __name__ == "__main__":
    entry_point(main, Kind.SURFACE)
