"""`python -m analysis`: the report on what the store holds."""

__all__ = ["ReportOptions", "main", "parser"]

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import Parser, entry_point
from hit.config.field_types import RunId, Text, Where
from hit.config.machine_options import ExperimentOptions, MachineOptions, StateDir
from hit.config.options import build, output_file
from hit.schema import Kind

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest


APPLICATION_HELP = (
    "what to recommend for: all, or with commas reconstruction, compression, representation, generation, density; "
    "or metrics with weights, test/psnr:1,test/rate:-0.5, or pareto:test/psnr,test/rate=min; several with ; between"
)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ReportOptions(ExperimentOptions):
    """Which runs to report on, and where to."""

    where: Annotated[Where, Field(description="an MLflow filter on the runs, such as metrics.beta_2 > 1")] = ""
    sweep: Annotated[RunId, Field(description="run id of a sweep, for its runs alone")] = ""
    application: Annotated[Text, Field(description=APPLICATION_HELP)] = "all"
    constraints: Annotated[
        Text, Field(description="what recommended runs keep: test/rate<=40,test/psnr>=18, with commas")
    ] = ""
    output: Annotated[Text, Field(min_length=1, description="file of the report, a single HTML page")] = "report.html"
    register: Annotated[
        bool, Field(description="whether to put the recommended models into MLflow's model registry")
    ] = False
    findings: Annotated[
        bool, Field(description="whether to print what the runs say about the paper's statements, and write no page")
    ] = False
    state_dir: StateDir = MachineOptions.state_dir


def parser() -> Parser:
    """The options of the command."""
    options = Parser("analysis", "Figures and recommendation from the store, as one page that works offline.")
    options.add_options("report", ReportOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, write the page, log it with its run, say where it is."""
    options = build(ReportOptions, parser().parse(argv)["report"])
    if options.findings:
        _print_findings(options)
        return
    output_file(options.output)

    from analysis.recommendation.applications import applications

    asked = applications(options.application, options.constraints)
    wanted = [one.name for one in asked]

    from analysis.publish import Selection, publish
    from analysis.recommendation.text import summary_lines
    from hit.config import TrainConfig
    from hit.connection import chosen_experiment
    from hit.delivery.local_state import state_folder
    from hit.errors import StoreError, StoreRefused
    from hit.recovery import recover
    from hit.tracking import RunWriter
    from hit.ui.run_names import command_name

    experiment = chosen_experiment(options.experiment)
    folder = state_folder(TrainConfig(state_dir=options.state_dir))
    with contextlib.suppress(StoreRefused):  # a store that we may not write to can be read all the same
        recover(folder, experiment)
    models = Selection.of(experiment, where=options.where, sweep=options.sweep)
    try:
        advice = summary_lines(models.frame, asked)
    except StoreError as error:
        if options.application.strip() != "all":
            raise
        advice = [str(error)]  # pictures need less
    writer = RunWriter.begin_or_take_over(
        os.environ.get("MLFLOW_RUN_ID"),
        kind=Kind.REPORT,
        name=command_name(f"report {options.where or options.sweep or experiment}"),
        state_dir=folder,
        experiment=experiment,
        stop=stop,
    )
    with contextlib.ExitStack() as until_published:
        run = None
        try:
            run = until_published.enter_context(writer)
        except StoreRefused as error:
            print(f"the report is written, and not logged with its store: {error}", file=sys.stderr)
        path = publish(run, models, options.output, wanted)
    print(*advice, sep="\n")
    print(f"report: {path}")
    if options.register:
        from analysis.register import register_all

        for model in register_all(models.frame, wanted):
            print(
                f"{'registered' if model.new else 'known'}: {model.uri} (version {model.version}, run {model.run_id})"
            )


def _print_findings(options: ReportOptions) -> None:
    """Text alone: no page, and no run in the store."""
    from analysis.query import runs
    from analysis.statements.findings import findings, lines
    from analysis.suggested_commands import train_commands
    from hit.connection import chosen_experiment
    from hit.errors import StoreError

    experiment = chosen_experiment(options.experiment)
    found = findings(runs(experiment, options.where, sweep=options.sweep or None))
    if not found:
        raise StoreError(f"no run has finished: {train_commands(str(experiment))}")
    print(*lines(found), sep="\n")


if __name__ == "__main__":
    entry_point(main, Kind.REPORT)
