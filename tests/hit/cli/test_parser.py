"""Options of the command line: what somebody typed is told from what has a default."""

import re

import pytest

from hit.cli import CONFIG
from hit.errors import ConfigError
from hit.train import parser
from sweeps import main


def test_only_what_was_typed_is_handed_on() -> None:
    assert parser().parse(["--epochs", "10", "--warmup=true"]) == {
        CONFIG: {"epochs": "10", "warmup": "true"},
        "run": {},
    }
    assert parser().defaults()["beta_2"] == 1.0, "which the help shows"


def test_an_option_of_a_further_layer_goes_where_that_of_the_first_is() -> None:
    assert parser().parse(["--beta_3", "2", "--target_rate_3=9"])[CONFIG] == {"beta_3": "2", "target_rate_3": "9"}


def test_a_command_has_defaults_of_its_own() -> None:
    parsed = main.parser().parse(["--batch_size", "64", "--grid_3", "1,2"])
    assert parsed[CONFIG] == main.DEFAULTS | {"batch_size": "64"}
    assert parsed["choosing"] == {"further_seeds": main.FURTHER_SEEDS}
    assert parsed["grid"] == {"grid_3": "1,2"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lerning_rate", "1"], "unknown option '--lerning_rate'; did you mean 'learning_rate'"),
        (["--beta_2"], "expected one argument"),
        (["--beta_3"], "option '--beta_3' must have a value"),
        (["epochs=3"], "options must begin with --, got 'epochs=3'"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parser().parse(words)
    assert "\n" not in str(caught.value)


def test_an_unknown_option_without_a_near_one_tells_some_in_their_order() -> None:
    with pytest.raises(ConfigError) as caught:
        parser().parse(["--xyz", "1"])
    assert str(caught.value).startswith("unknown option '--xyz'; known: dataset, data_root, crop, label, model, ")
    assert re.search(r", z_dims and \d+ more$", str(caught.value))


def test_the_help_shows_choices_and_no_empty_defaults() -> None:
    text = " ".join(parser().format_help().split())
    assert "--model {ghvae,lvae,vae,deep} ghvae, lvae (ladder), vae (one layer) or deep (maps" in text
    assert "--warmup {true,false}" in text
    assert "(default: )" not in text
    assert " str " not in text
