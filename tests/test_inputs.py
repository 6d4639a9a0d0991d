"""Whatever is typed after an option is taken or refused by one line, by every entry point, before anything begins."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import analysis.__main__ as report
import sweeps.__main__
import sweeps.main
from analysis.recommendation.applications import applications
from hit import classify, compress, decompress, evaluate, import_runs, recover, surface, train, transfer
from hit.cli import CONFIG, Parser
from hit.config import TrainConfig
from hit.config.early_stopping import EarlyStopping
from hit.config.options import build, output_file
from hit.config.rates.beta_grid import grid_axes
from hit.errors import ConfigError, StoreError
from hit.surfaces.plan import SurfacePlan
from sweeps.spec.request import SweepRequest
from tests.test_project import ENTRY_POINTS

Parsed = Mapping[str, Mapping[str, Any]]


def check_config(config: TrainConfig) -> None:
    assert TrainConfig.from_flat(config.to_flat()) == config
    assert all(abs(number) < float("inf") for number in config.numbers().values())


def check_train(parsed: Parsed) -> None:
    options = build(train.TrainOptions, parsed["run"])
    config = TrainConfig.from_flat(parsed[CONFIG])
    EarlyStopping.parse(options.early_stopping, config.layers)
    check_config(config)


def check_surface(parsed: Parsed) -> None:
    options = build(surface.SurfaceOptions, parsed["run"])
    config = TrainConfig.from_flat(parsed[CONFIG])
    surface._rates(parsed["rates"], options)
    plan = SurfacePlan(
        config=config,
        beta_low=options.beta_low,
        beta_high=options.beta_high,
        grids=grid_axes(parsed["grid"], range(1, config.layers + 1)),
        certificate=options.certificate,
        certificate_learning_rate=options.certificate_learning_rate,
    )
    for cell in [*plan.cells[:3], *plan.dedicated[:3]]:
        check_config(cell)


def check_sweep(parsed: Parsed) -> None:
    request = SweepRequest.parse(parsed)
    EarlyStopping.parse(request.running.early_stopping, request.base.layers, request.choosing.region)
    check_config(request.base)
    space = request.choice.space
    if space is not None:
        for place in (0.0, 0.5, 1.0):
            values = {one.name: one.at(place) for one in space.dimensions}
            assert all(-1e-6 <= one.place(values[one.name]) <= 1 + 1e-6 for one in space.dimensions)
            with contextlib.suppress(ConfigError):  # fields that each may have but that do not go together
                check_config(space.config(values))
    for betas, _ in zip(request.grid if request.choice.driver == "grid" else [], range(3), strict=False):
        for seed in request.choice.seeds[:3]:
            check_config(TrainConfig.from_flat(request.base.to_flat(), seed=seed, beta_1=betas[0]))


def check_main(parsed: Parsed) -> None:
    check_sweep(parsed)
    output_file(build(sweeps.main.PageOptions, parsed["report"]).output)


def check_report(parsed: Parsed) -> None:
    options = build(report.ReportOptions, parsed["report"])
    output_file(options.output)
    for one in applications(options.application, options.constraints):
        one.metrics(2)


@dataclass(frozen=True)
class Entry:
    """One entry point: its parser, and what it makes of the options before it loads anything."""

    parser: Callable[[], Parser]
    check: Callable[[Parsed], object]


ENTRIES = {
    "main": Entry(sweeps.main.parser, check_main),
    "train": Entry(train.parser, check_train),
    "evaluate": Entry(evaluate.parser, lambda parsed: build(evaluate.EvaluateOptions, parsed["evaluate"])),
    "classifier": Entry(classify.parser, lambda parsed: build(classify.ClassifyOptions, parsed["classifier"])),
    "surface": Entry(surface.parser, check_surface),
    "sweep": Entry(sweeps.__main__.parser, check_sweep),
    "report": Entry(report.parser, check_report),
    "import": Entry(import_runs.parser, lambda parsed: build(import_runs.ImportOptions, parsed["import"])),
    "transfer": Entry(transfer.parser, lambda parsed: build(transfer.TransferOptions, parsed["transfer"])),
    "compress": Entry(compress.parser, lambda parsed: build(compress.CompressOptions, parsed["compress"])),
    "decompress": Entry(decompress.parser, lambda parsed: build(decompress.DecompressOptions, parsed["decompress"])),
    "recover": Entry(recover.parser, lambda parsed: build(recover.RecoverOptions, parsed["recover"])),
}

#: What options are made of, and what has ended in a traceback somewhere.
WORDS = [
    *"0123456789.,:;=|@+-~/ <>'\"`",
    *(
        "e",
        "inf",
        "nan",
        "1e300",
        "1e-300",
        "-1e300",
        "9" * 400,
        "9" * 5000,
        "1000000000",
        "3000000000",
        "²",
        "٣",
        "\0",
    ),
    *("\udcff", "β", "\n", "true", "auto", "none", "all", ":linear", "corners", "region", "median", "percentile"),
    *("rate", "rate_1", "rate_2", "rate_99999999999999999999", "test/psnr", "test/rate", "=min", "=max", "<=", ">="),
    *("pareto:", " where ", "channels", "learning_rate", "z_dims", "seed", "digits", "gaussian", "coverage", "bayes"),
    *("~nosuchuser/x", "x" * 300, "/proc/nothing/report.html", "report.html", "../", "[" * 2000, " and " * 300),
]
texts = st.one_of(
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), max_size=6).map("".join),
    st.text(max_size=20),
    st.floats().map(str),
    st.integers().map(str),
)


def told(name: str, options: list[str]) -> str:
    """What is wrong with the options; '' where nothing is."""
    try:
        ENTRIES[name].check(ENTRIES[name].parser().parse(options))
    except (ConfigError, StoreError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ENTRIES)
class TestEntryPoint:
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data())
    def test_any_text_is_taken_or_refused(self, name: str, data: st.DataObject) -> None:
        known = list(ENTRIES[name].parser().defaults())
        chosen = data.draw(st.lists(st.tuples(st.sampled_from(known), texts), min_size=1, max_size=3))
        said = told(name, [f"--{option}={text}" for option, text in chosen])
        assert len(said) < 2000

    @settings(max_examples=20, deadline=None)
    @given(option=st.text(max_size=10), text=texts)
    @example(option="beta_" + "9" * 5000, text="1")
    @example(option="grid_" + "9" * 5000, text="1")
    @example(option="target_rate_" + "9" * 5000, text="1")
    def test_any_option_is_taken_or_refused(self, name: str, option: str, text: str) -> None:
        assert len(told(name, [f"--{option}=", text])) < 2000

    def test_the_defaults_are_taken(self, name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert told(name, []) == ""


def test_every_entry_point_is_tried() -> None:
    assert set(ENTRIES) == set(ENTRY_POINTS)
