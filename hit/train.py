"""`python -m hit.train`: train and evaluate one model."""

__all__ = ["TrainOptions", "main", "parser"]

import os
import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import CONFIG, Parser, entry_point
from hit.config import TrainConfig
from hit.config.dataset_kind import dataset_kind
from hit.config.early_stopping import EARLY_STOPPING_HELP, EarlyStopping
from hit.config.field_types import RunId, Text
from hit.config.machine_options import ExperimentOptions
from hit.config.options import build
from hit.config.rates.rate_targets import TARGET_LAYERED
from hit.dataset_files import check_files
from hit.schema import Kind

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest

RESUME_HELP = "run id of an interrupted run to go on with; takes its config; more epochs make another run"
SWEEP_HELP = "run id of the sweep that it is a child of; a model that another process trains is then left to it"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TrainOptions(ExperimentOptions):
    """What `train` takes beside the config of its model."""

    resume: Annotated[RunId, Field(description=RESUME_HELP)] = ""
    sweep: Annotated[RunId, Field(description=SWEEP_HELP)] = ""
    early_stopping: Annotated[Text, Field(description=EARLY_STOPPING_HELP)] = ""


def parser() -> Parser:
    """The options of the command."""
    says = "Train one hierarchical VAE and measure it, in one run of the store."
    options = Parser("hit.train", says, ["beta_", *TARGET_LAYERED])
    options.add_config()
    options.add_options("run", TrainOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, train, print the main numbers and the run's id."""
    command = parser()
    parsed = command.parse(argv)
    options = build(TrainOptions, parsed["run"])
    flat = parsed[CONFIG]
    asked = TrainConfig.from_flat({"state_dir": flat.get("state_dir", "")} if options.resume else flat)
    if not options.resume:
        EarlyStopping.parse(options.early_stopping, asked.layers)
    dataset_kind(asked.dataset, asked.crop, asked.label)
    check_files(asked.dataset, asked.data_root)

    from tqdm import tqdm

    from hit.connection import chosen_experiment
    from hit.delivery.local_state import state_folder
    from hit.recovery import recover
    from hit.recovery.adoption import adopt_unknown
    from hit.runs.model_run import RunRequest
    from hit.runs.pruning import early_stopper
    from hit.runs.resuming import Longer, finished_config, given_options, resume_config, resumed
    from hit.runs.training_run import RunProgress, train_run
    from hit.schema import Tag, form_of, metric
    from hit.store import Store
    from hit.ui.run_names import command_name
    from hit.ui.views import charts_line

    stop.check()
    folder = state_folder(asked)
    resume = adopt_unknown(options.resume, folder, options.experiment) if options.resume else ""
    experiment = chosen_experiment(options.experiment, resumed=resume)
    recover(folder, experiment)
    config, run_id, longer = asked, resume, None
    if resume:
        given = given_options(argv, flat, command.defaults())
        finished = finished_config(resume)
        earlier = finished or resume_config(resume, asked.state_dir)
        config = resumed(resume, earlier, given, finished=finished is not None)
        if finished is not None:
            print(f"run {resume} is FINISHED: there is nothing left to do", file=sys.stderr)
            print(resume)
            return
        if config.epochs != earlier.epochs:
            run_id, longer = "", Longer(resume, earlier)
    request = RunRequest(
        experiment=experiment,
        run_id=run_id or os.environ.get("MLFLOW_RUN_ID") or None,
        name=command_name(""),
        sweep=options.sweep or None,
        exclusive=bool(options.sweep),
    )
    with tqdm(total=config.epochs, unit="epoch", desc="training", disable=None) as bar:

        def show(progress: RunProgress) -> None:
            bar.set_description(progress.doing)
            bar.update(progress.epoch - bar.n)

        run_id = train_run(
            config,
            request,
            longer=longer,
            watch=early_stopper(EarlyStopping.parse(options.early_stopping, config.layers), config, experiment),
            stop=stop,
            on_progress=show,
        )
    store = Store()
    run = store.run(run_id)
    data = run.data
    measured = data.metrics
    rates = [f"test/rate_{layer}" for layer in range(config.layers, 0, -1)]
    for name in ("test/elbo", "test/distortion", *rates, "test/psnr", "test/reconstruction_r2"):
        if name in measured:
            print(f"{metric(name).of(form_of(measured)).axis:28} {measured[name]:10.4g}", file=sys.stderr)
    if config.targets:
        for layer in range(config.layers, 0, -1):
            print(f"{metric(f'beta_{layer}').axis:28} {measured[f'beta_{layer}']:10.4g}", file=sys.stderr)
        for name, error in config.targets.relative_errors("test", measured).items():
            print(f"{metric(name).axis:50} {error:+.1%}", file=sys.stderr)
    if missed := data.tags.get(Tag.INFEASIBLE):
        print(f"infeasible: {missed}", file=sys.stderr)
    elif config.targets.missed(measured):
        print("missed by more than 5 %: more epochs, or smaller batches, give β more steps", file=sys.stderr)
    if not options.sweep:
        print(charts_line(str(store.client.tracking_uri), run.info.experiment_id), file=sys.stderr)
    print(run_id)


if __name__ == "__main__":
    entry_point(main, Kind.TRAIN)
