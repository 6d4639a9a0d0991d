"""What a driver is asked for: what it becomes, and mistakes in one line."""

import pytest

from hit.config.rates.beta_grid import parse_axis
from hit.errors import ConfigError
from sweeps.__main__ import parser
from sweeps.drivers.bayes import BayesDriver
from sweeps.drivers.build import build_driver
from sweeps.drivers.coverage_by_betas import BetaCoverage
from sweeps.drivers.coverage_by_targets import TargetCoverage
from sweeps.drivers.grid import GridDriver
from sweeps.spec.request import SweepRequest

REGION = ["--region", "rate_1=5:40,rate_2=2:20"]


def request(*words: str) -> SweepRequest:
    return SweepRequest.parse(parser().parse(words))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["--seeds", "0,1"], GridDriver),
        (REGION, GridDriver),
        (["--driver", "coverage", *REGION], TargetCoverage),
        (["--driver", "coverage", "--over", "betas", *REGION], BetaCoverage),
        (["--driver", "bayes"], BayesDriver),
        (["--driver", "bayes", "--over", "rates", *REGION, "--model", "lvae"], BayesDriver),
    ],
)
def test_a_name_becomes_a_driver(words: list[str], kind: type) -> None:
    assert type(build_driver(request(*words, "--further_seeds", "0").choice, "digest")) is kind


def test_ranges_come_from_the_grid() -> None:
    choice = request("--driver", "bayes", "--grid_1", "0.01:100:2", "--grid_2", "0.5", "--space", "channels=4|8").choice
    assert choice.space is not None
    beta, channels = choice.space.dimensions
    assert (beta.name, beta.low, beta.high, beta.log) == ("beta_1", 0.01, 100.0, True)
    assert channels.choices == (4, 8)
    assert choice.base.betas == (0.01, 0.5)
    fine = request("--driver", "coverage", "--over", "betas", *REGION, "--grid_2", "1").choice.grid
    assert [len(axis) for axis in fine.axes] == [401, 1]


def test_steering_begins_where_it_is_told_to() -> None:
    assert request("--driver", "coverage", *REGION, "--grid_1", "0.5").choice.base.betas == (0.5, 1.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--driver", "cover"], "driver must be one of 'grid', 'bayes' or 'coverage', got 'cover'.*did you mean"),
        (["--driver", "coverage"], "--region rate_1=5:40,rate_2=2:20,rate=:60$"),
        (["--driver", "coverage", "--model", "vae"], "driver=coverage is to reach, .* --region rate_1=5:40,rate=:60$"),
        (["--driver", "coverage", "--region", "rate_1=5:"], "region must have an upper end for every rate"),
        (["--driver", "coverage", *REGION, "--hole", "0"], "hole must be greater than 0"),
        (["--driver", "coverage", *REGION, "--seeds", "0,1"], "seeds must be one for driver=coverage, got 0,1"),
        (["--driver", "coverage", *REGION, "--target_rate_1", "9"], "target_rate_1 must be empty where the driver"),
        (["--driver", "coverage", *REGION, "--grid_1", "1,2"], "grid_1 must be one value, where β_1 starts"),
        (["--driver", "bayes", "--over", "rates"], "which rates driver=bayes with over=rates is to reach"),
        (["--driver", "bayes", "--grid_1", "0,1"], "grid_1 must be above 0"),
        (["--driver", "bayes", "--grid_1", "1", "--grid_2", "1"], "must say what bayes may vary"),
        (["--driver", "bayes", "--objectives", "test/psnrr"], "objectives must name .*did you mean 'test/psnr'"),
        (["--driver", "bayes", "--objectives", "test/rate"], "which way test/rate is better: test/rate=min or"),
        (["--driver", "bayes", "--objectives", "test/psnr=up"], "must have min or max after test/psnr=, got 'up'"),
        (["--driver", "bayes", "--objectives", ","], "objectives must name one or more metrics"),
        (
            ["--driver", "bayes", "--objectives", "test/mi_z2", "--metrics", "core"],
            "metrics must hold latents for test/mi_z2 to be measured, got core",
        ),
        (["--driver", "bayes", "--constraints", "test/psnr=20"], "constraints must be metric>=number"),
        (["--driver", "bayes", "--constraints", "test/psnrr>=20"], "did you mean 'test/psnr'"),
        (["--driver", "bayes", "--space", "chanels=1|2"], "space must name fields .*did you mean 'channels'"),
        (["--driver", "bayes", "--space", "seed=1|2"], "space must name fields"),
        (["--driver", "bayes", "--space", "channels=8"], "two or more values for channels, got '8'"),
        (
            ["--driver", "bayes", "--space", "likelihood=bernoulli|mool"],
            "likelihood must be one of .*did you mean 'mol'",
        ),
        (["--driver", "bayes", "--space", "z_dims=20|8,20"], "leave the number of layers at 2, got z_dims=8,20"),
        (["--driver", "bayes", "--space", "learning_rate=1:0.1"], "numbers low < high"),
        (
            ["--driver", "coverage", "--region", "rate=:50", "--surface", "abc"],
            "surface must be auto or none unless driver=coverage and over=betas, got 'abc'",
        ),
        (["--driver", "bayes", "--sampler", "cma"], "sampler must be one of .*did you mean 'cmaes'"),
        (["--over", "rates"], "over must be betas for driver=grid, got 'rates'"),
        (["--region", "rate_1=5:4"], "region must have 0 ≤ low < high for rate_1, got '5:4'"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        request(*words)
    assert "\n" not in str(caught.value)


def test_a_sampler_that_cannot_says_so() -> None:
    choice = request("--driver", "bayes", "--sampler", "cmaes", "--objectives", "test/psnr,test/elbo").choice
    with pytest.raises(ConfigError, match="sampler must be another one than cmaes for several objectives"):
        build_driver(choice, "digest")


@pytest.mark.parametrize("text", ["0:1:3:log", "0:1:1:linear", "2:1:3:linear", "0:1:linear"])
def test_a_wrong_linear_axis_is_one_line(text: str) -> None:
    assert parse_axis("grid_1", "1:3:3:linear") == (1.0, 2.0, 3.0)
    with pytest.raises(ConfigError, match="grid_1 must be"):
        parse_axis("grid_1", text)
