"""Models and likelihoods by name, with options of their own."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import pandas as pd
import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass

from hit.cli import CONFIG, Parser
from hit.config import TrainConfig, describe
from hit.config.part_options import option_helps
from hit.config.parts import LIKELIHOODS, MODELS
from hit.config.rates.rate_targets import TARGET_LAYERED
from hit.errors import ConfigError
from hit.extensions.discovery import temporary
from hit.extensions.source import Source
from hit.schema import is_metric
from hit.store.filters import meant
from sweeps.drivers.comparable_runs import comparable
from sweeps.spec.search_space import SearchSpace, parse_fields


@dataclass(frozen=True)
class Residual:
    depth: Annotated[int, Field(ge=1, description="residual blocks")] = 3
    gated: bool = False
    maps: str = "4"


def _build(image_shape: Any, likelihood: Any, options: Residual, config: TrainConfig) -> Any:
    return None


@pytest.fixture(autouse=True)
def residual(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with temporary():
        MODELS.register("residual", _build, options=Residual, layers=2, help="residual blocks")
        yield


def test_options_are_flat_and_come_back() -> None:
    config = TrainConfig.from_flat({"model": "residual", "model.depth": "4", "model.gated": "true", "model.maps": 8})
    assert config.model_options == Residual(depth=4, gated=True, maps="8")
    flat = config.to_flat()
    assert (flat["model.depth"], flat["model.gated"], flat["model.maps"]) == (4, True, "8")
    assert flat["model.source"].startswith("test_parts") or "test_parts" in flat["model.source"]
    assert TrainConfig.from_flat(flat) == config
    assert TrainConfig.from_flat({name: str(value) for name, value in flat.items() if value != ""}) == config
    assert {hash(config), hash(TrainConfig.from_flat(flat))} == {hash(config)}


def test_options_that_are_not_given_have_their_defaults() -> None:
    assert TrainConfig(model="residual").model_options == Residual()
    assert TrainConfig().model_options is None
    assert "model.source" not in TrainConfig().to_flat()


@pytest.mark.parametrize(
    ("flat", "said"),
    [
        ({"model.depth": 4}, "unknown parameter 'model.depth' of model 'ghvae'; it has no options"),
        ({"model": "residual", "model.dept": 4}, "unknown parameter 'model.dept' of model 'residual'; did you mean"),
        ({"model": "residual", "model.depth": 0}, "model.depth must be greater than or equal to 1, got 0"),
        ({"model": [["ghvae"]]}, r"model must be one of .*, got \[\['ghvae'\]\]"),
        ({"model": None, "likelihood": 3}, "model must be one of .*, got None"),
        ({"likelihood": 3}, "likelihood must be one of .*, got 3"),
        ({"model": "residul"}, "model must be one of .*'residual', got 'residul'; did you mean 'residual'?"),
        ({"likelihood.scale": 1}, "unknown parameter 'likelihood.scale' of likelihood 'bernoulli'"),
        (
            {"model": "residual", "model.source": "a.py@0123456789abcdef"},
            "model 'residual' must come from a.py@0123456789abcdef, got .*test_parts.*@[0-9a-f]{16}; name the file",
        ),
        ({"model": "mine", "model.source": "a.py@0123"}, "model 'mine' must come from a.py@0123, and nothing here has"),
        ({"model": "ghvae", "model.source": "a.py@0123"}, "model 'ghvae' must come from a.py@0123, got that of hit"),
    ],
)
def test_what_is_wrong_is_one_line(flat: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TrainConfig.from_flat(flat)


def test_options_of_another_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="model_options must be those of model 'ghvae'"):
        replace(TrainConfig(model="residual"), model="ghvae")


def test_an_identity_holds_the_source_and_the_options_that_are_not_at_their_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = TrainConfig(model="residual")
    deeper = TrainConfig.from_flat({"model": "residual", "model.depth": 4})
    assert usual.identity("d") != deeper.identity("d")

    @dataclass(frozen=True)
    class Longer(Residual):
        added: int = 0

    before = {name: config.identity("d") for name, config in (("usual", usual), ("deeper", deeper))}
    entry = MODELS.get("residual")
    monkeypatch.setitem(MODELS._entries, "residual", replace(entry, options=Longer))
    assert TrainConfig(model="residual").identity("d") == before["usual"], "an option was added, at its default"
    assert TrainConfig.from_flat({"model": "residual", "model.depth": 4}).identity("d") == before["deeper"]
    monkeypatch.setitem(MODELS._sources, "residual", Source("a.py", "0" * 16))
    assert TrainConfig(model="residual").identity("d") != before["usual"], "another version of the source"


def test_fields_that_a_model_does_not_read_do_not_tell_two_apart() -> None:
    first, second = (TrainConfig(model="residual", channels=channels, z_dims=(8, 9)) for channels in (4, 8))
    assert first.identity("d") == second.identity("d")
    assert first.layers == 2
    with pytest.raises(ConfigError, match="linear_z1 must be 0"):
        TrainConfig(model="residual", linear_z1=3)


def test_numbers_are_metrics_that_people_can_filter_on() -> None:
    numbers = TrainConfig(model="residual").numbers()
    assert numbers["model.depth"] == 3
    assert "dim_z2" not in numbers
    assert all(is_metric(name) for name in numbers)


def test_a_search_may_vary_an_option() -> None:
    base = TrainConfig(model="residual")
    dimensions = parse_fields("model.depth=2|4, learning_rate=1e-4:1e-2", base)
    config = SearchSpace(base, dimensions).config({"model.depth": 4, "learning_rate": 1e-3})
    assert config.model_options.depth == 4
    depth, *_ = parse_fields("model.depth=1:8", base)
    assert (depth.whole, depth.low, depth.high) == (True, 1, 8)
    with pytest.raises(ConfigError, match="space must name fields"):
        parse_fields("model.source=a|b", base)


def test_runs_from_before_an_option_was_added_compare_with_its_default() -> None:
    base = TrainConfig.from_flat({"model": "residual"})
    row = {**base.to_flat(), "data_digest": "d", "start_time": 0, "run_id": "a"}
    older = pd.DataFrame([row]).drop(columns="model.depth")
    assert len(comparable(older, base, "d")) == 1
    assert len(comparable(older.assign(**{"model.depth": math.nan}), base, "d")) == 1
    deeper = TrainConfig.from_flat({"model": "residual", "model.depth": 4})
    assert len(comparable(older, deeper, "d")) == 0
    assert len(comparable(pd.DataFrame([row]), base, "d")) == 1
    assert len(comparable(pd.DataFrame([row | {"model.source": "residual@other"}]), base, "d")) == 0


def test_a_filter_may_name_an_option() -> None:
    assert meant("model.depth > 2 and params.model.gated = 'True'") == (
        "metrics.`model.depth` > 2 and params.`model.gated` = 'True'"
    )
    assert meant("dataset.name = 'digits'") == "dataset.name = 'digits'"


def test_a_search_may_vary_the_model() -> None:
    base = TrainConfig(model="residual")
    space = SearchSpace(base, parse_fields("model=residual|ghvae", base))
    assert space.config({"model": "ghvae"}).model_options is None
    assert space.config({"model": "residual"}).model_options == Residual()


def test_the_command_line_takes_options_and_tells_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser("hit.train", "says", ["beta_", *TARGET_LAYERED])
    parser.add_config()
    parsed = parser.parse(["--model", "residual", "--model.depth", "4", "--model.gated=true"])
    assert parsed[CONFIG] == {"model": "residual", "model.depth": "4", "model.gated": "true"}
    assert parser.parse([])[CONFIG] == {}
    with pytest.raises(SystemExit):
        parser.parse(["--help"])
    assert "residual: residual blocks (default: 3)" in " ".join(capsys.readouterr().out.split())
    assert "residual blocks" in describe("model.depth")
    assert set(option_helps()) == {"model.depth", "model.gated", "model.maps", "model.latents", "model.start_ratio"}


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"options": int}, "options of model 'new' must be a frozen pydantic dataclass, got <class 'int'>"),
        ({"reads": {"chanels"}}, "model 'new' must read fields of a config, got 'chanels'; did you mean 'channels'"),
        ({"colour": 1}, "model 'new' must not be declared with 'colour'; known: help, options, reads, layers"),
    ],
)
def test_what_is_declared_wrongly_is_one_line(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MODELS.register("new", _build, **declared)
    assert "new" not in MODELS


def test_an_option_may_not_be_called_as_a_field() -> None:
    @dataclass(frozen=True)
    class Options:
        channels: int = 3

    with pytest.raises(ConfigError, match="option 'channels' of likelihood 'new' must have a name of its own"):
        LIKELIHOODS.register("new", _build, options=Options)


@pytest.mark.parametrize("name", ["residual", "ghvae"])
def test_a_name_twice_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"model '{name}' must be registered once: .*test_parts.* registers what"):
        MODELS.register(name, _build)


def test_a_name_is_letters_and_digits() -> None:
    with pytest.raises(ConfigError, match=r"model must be registered under letters, digits and _, got 'a\.b'"):
        MODELS.register("a.b", _build)
