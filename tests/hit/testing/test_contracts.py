"""The contracts that are shipped for parts of others: every part of ours keeps them, and what breaks one is told."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hit.config import TrainConfig
from hit.config.parts import DATASETS, LIKELIHOODS, MODELS
from hit.data import Dataset, Split, load
from hit.distributions import LearnedGaussian, Likelihood
from hit.errors import ConfigError
from hit.extensions.discovery import temporary
from hit.models import HierarchicalVAE, build_model
from hit.models.build import hierarchical
from hit.schema.metrics import EXTENSION_METRICS
from hit.testing import (
    ContractBroken,
    check_dataset,
    check_driver,
    check_launcher,
    check_likelihood,
    check_metric,
    check_model,
)
from sweeps.spec.parts import DRIVERS, LAUNCHERS

SMALL: dict[str, Any] = {"channels": 4, "z_dims": "5", "likelihood": "gaussian"}
REGION = "rate_1=5:40,rate_2=2:20,rate=:60"
OF_DRIVERS: dict[str, dict[str, Any]] = {
    "grid": {},
    "coverage": {"region": REGION, "grids": {"grid_1": "1", "grid_2": "1"}},
    "bayes": {"sampler": "tpe"},
}
#: The others start processes that import torch anew: tests/sweeps/launchers has them.
OF_LAUNCHERS = ["inline"]


@pytest.fixture
def _registered() -> Iterator[None]:
    with temporary():
        yield


@pytest.mark.parametrize("name", MODELS.names())
def test_models(name: str) -> None:
    check_model(name, **SMALL)


@pytest.mark.parametrize("name", LIKELIHOODS.names())
def test_likelihoods(name: str) -> None:
    check_likelihood(name)


def test_a_likelihood_of_colour() -> None:
    check_likelihood("mol", (3, 4, 5))


def test_datasets() -> None:
    check_dataset("digits")
    with pytest.raises(ContractBroken, match="dataset 'digts': unknown; did you mean 'digits'"):
        check_dataset("digts")


@pytest.mark.parametrize("name", DRIVERS.names())
def test_drivers(name: str) -> None:
    check_driver(name, **OF_DRIVERS[name])


@pytest.mark.parametrize("name", OF_LAUNCHERS)
def test_launchers(name: str) -> None:
    assert name in LAUNCHERS
    check_launcher(name)


class _Broken(HierarchicalVAE):
    """A model of ours with one fault."""

    fault = ""

    def forward(self, x: Tensor, *arguments: Any, **named: Any) -> Any:
        outcome = super().forward(x, *arguments, **named)
        match self.fault:
            case "shape":
                return replace(outcome, distortion=outcome.distortion.sum())
            case "nan":
                return replace(outcome, distortion=outcome.distortion * torch.nan)
            case "negative":
                return replace(outcome, rates=(outcome.rates[0] - 1e3, *outcome.rates[1:]))
            case "gradient":
                return replace(
                    outcome, distortion=outcome.distortion.detach(), rates=tuple(r.detach() for r in outcome.rates)
                )
            case "rates":
                return replace(outcome, rates=(2 * outcome.rates[0], *outcome.rates[1:]))
            case "noisy":
                return replace(outcome, latents=tuple(z + torch.randn_like(z) for z in outcome.latents))
        return outcome


def _with(fault: str) -> Any:
    def build(shape: Any, likelihood: Likelihood, options: Any, config: TrainConfig) -> Any:
        if fault == "error":
            raise KeyError("depth")
        if fault == "type":
            return nn.Linear(2, 3)
        made = hierarchical(shape, likelihood, None, config)
        made.__class__ = _Broken
        made.fault = fault  # type: ignore[attr-defined]
        if fault == "unused":
            made.idle = nn.Linear(2, 3)
        if fault == "output":
            made.decoder = nn.Sequential(made.decoder, nn.Flatten())
        if fault == "latents":
            made.latent_shapes = ((2,), *made.latent_shapes[1:])
        if fault == "evidence":
            made.inference.evidence = lambda x: (x,)
        if fault == "posterior":
            made.inference.posterior = lambda *arguments: arguments[1]
        return made

    return build


@pytest.mark.usefixtures("_registered")
class TestBrokenModels:
    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            ("shape", "model 'broken' must give the distortion as 3 numbers, got one number"),
            ("nan", "model 'broken' must give finite numbers, got NaN or infinity in the distortion"),
            ("negative", "model 'broken' must have a KL of zero or more in every layer, got R_1 = -9"),
            ("gradient", "model 'broken' must have weights that the objective depends on, got none"),
            ("unused", "model 'broken' must use all of its weights, and no gradient reaches idle.weight"),
            ("output", "model 'broken' must decode z_1 to 3×1×28×28, got 3×784"),
            ("latents", r"model 'broken' must give p\(z_1\) with means of 3×2, got 3×"),
            ("evidence", "model 'broken' must give evidence of 2 layers, index 0 for z_1, got 1"),
            ("posterior", r"model 'broken' must give q\(z_2\) as one of hit.distributions, such as .*, got Tensor"),
            ("error", "model 'broken' must be built without an error, got KeyError: 'depth'"),
            ("type", "model 'broken' must be built as a HierarchicalVAE, got Linear"),
        ],
    )
    def test_are_refused_before_anything_rests_on_them(self, fault: str, said: str) -> None:
        MODELS.register("broken", _with(fault), reads={"channels", "z_dims"})
        with pytest.raises(ConfigError, match=said):
            build_model(TrainConfig(model="broken", channels=4, z_dims=(5,)), (1, 28, 28))
        with pytest.raises(ContractBroken, match=said):
            check_model("broken", **SMALL)

    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            ("rates", "model 'broken' must have rates that sum to the KL of the joint"),
            ("noisy", "model 'broken' must take the posterior mean for z_1 where nothing is drawn"),
        ],
    )
    def test_are_told_by_the_contract(self, fault: str, said: str) -> None:
        MODELS.register("broken", _with(fault), reads={"channels", "z_dims"})
        with pytest.raises(ContractBroken, match=said):
            check_model("broken", **SMALL)

    def test_layers_are_those_that_are_declared(self) -> None:
        MODELS.register("broken", _with(""), reads={"channels"}, layers=3)
        with pytest.raises(
            ConfigError, match="model 'broken' must be built with the L = 3 layers that it declares, got 2"
        ):
            build_model(TrainConfig(model="broken", channels=4, betas=(1.0,) * 3), (1, 28, 28))


class _Wrong(LearnedGaussian):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        logs = super().log_prob(x, output)
        return logs + 5 if self.fault == "mass" else logs.mean() if self.fault == "shape" else logs

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if self.fault == "seed":
            return output + torch.randn_like(output)
        return super().sample(output, generator) + (1 if self.fault == "mean" else 0)


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("mass", "must have a density of at most 1 in all on the pixel range"),
        ("shape", "must give log p(x|z_1) as one number an image, summed over pixels, got ()"),
        ("seed", "must draw the same images by the same generator"),
        ("mean", "must draw images whose mean is `mean`"),
    ],
)
def test_broken_likelihoods(fault: str, said: str) -> None:
    LIKELIHOODS.register("wrong", lambda shape, options, config: _Wrong(fault))
    with pytest.raises(ContractBroken) as caught:
        check_likelihood("wrong")
    assert f"likelihood 'wrong' {said}" in str(caught.value)


@pytest.mark.usefixtures("_registered")
def test_a_dataset_and_metrics_of_vectors() -> None:
    vectors = torch.arange(20.0).view(5, 4)
    DATASETS.register("rows", lambda request: Dataset(request.name, Split(vectors), Split(vectors), 0))
    check_dataset("rows")
    EXTENSION_METRICS.register(
        "test/far",
        lambda context: context.images.abs().max() + context.labels.mean(),
        takes="vectors",
        labels="continuous",
    )
    check_metric("test/far")
    with pytest.raises(ContractBroken, match="metric 'test/far' must be tried on data that it takes, got rows"):
        check_metric("test/far", load("rows"))


@pytest.mark.usefixtures("_registered")
def test_metrics() -> None:
    EXTENSION_METRICS.register("test/mean", lambda context: context.images.mean(), direction="maximize")
    EXTENSION_METRICS.register("test/spread_z{l}", lambda context: [z.std() for z in context.means])
    check_metric("test/mean")
    check_metric("test/spread_z{l}")
    EXTENSION_METRICS.register("test/drawn", lambda context: torch.rand(()))
    with pytest.raises(ContractBroken, match="metric 'test/drawn' must be the same every time: seed what is drawn"):
        check_metric("test/drawn")
    EXTENSION_METRICS.register("test/many", lambda context: context.labels)
    with pytest.raises(ContractBroken, match="metric test/many must be a number, got Tensor of 64 numbers"):
        check_metric("test/many")
    EXTENSION_METRICS.register("test/none", lambda context: float("nan"))
    with pytest.raises(ContractBroken, match="metric 'test/none' must be finite"):
        check_metric("test/none")
    for name, said in (
        ("test/psnr", "must have a name of its own, and hit declares it"),
        ("ssim", "under test/… or sample/… of letters, digits and _"),
    ):
        with pytest.raises(ConfigError, match=said):
            EXTENSION_METRICS.register(name, lambda context: 0)
