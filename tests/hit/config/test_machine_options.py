"""An option that several commands have is the same one in each."""

from typing import Any, get_type_hints

import pytest

from analysis.__main__ import ReportOptions
from hit.classify import ClassifyOptions
from hit.config import TrainConfig
from hit.config.machine_options import MachineOptions, WorkerOptions
from hit.config.options import defaults, infos
from hit.evaluate import EvaluateOptions
from hit.import_runs import ImportOptions
from hit.recover import RecoverOptions
from hit.surface import SurfaceOptions
from hit.train import TrainOptions
from sweeps.spec.request import SweepOptions

#: Options whose help says more.
ALSO = {(SurfaceOptions, "workers"), (RecoverOptions, "experiment")}


@pytest.mark.parametrize(
    "options",
    [
        ClassifyOptions,
        EvaluateOptions,
        ImportOptions,
        RecoverOptions,
        ReportOptions,
        SurfaceOptions,
        SweepOptions,
        TrainConfig,
        TrainOptions,
    ],
)
def test_type_default_and_help_are_those_of_the_declaration(options: type[Any]) -> None:
    for declaration in (MachineOptions, WorkerOptions):
        for name in infos(declaration).keys() & infos(options).keys():
            assert get_type_hints(options)[name] == get_type_hints(declaration)[name]
            assert defaults(options)[name] == defaults(declaration)[name]
            assert infos(options)[name].metadata == infos(declaration)[name].metadata
            if (options, name) not in ALSO:
                assert infos(options)[name].description == infos(declaration)[name].description


def test_the_help_begins_with_what_a_command_has_of_its_own() -> None:
    assert list(defaults(ImportOptions))[:3] == ["path", "metrics", "experiment"]
    assert list(defaults(RecoverOptions)) == ["deliver", "adopt", "drop", "experiment", "state_dir"]
