"""A model whose β is an input: it starts as the plain one, keeps examples apart, and a plain one is read off."""

import math
from dataclasses import replace

import pytest
import torch

from hit.config import TrainConfig
from hit.models import HierarchicalVAE, Pass, build_model
from hit.models.surface_model import Condition, ModulatedLayer, SurfaceModel, condition_on_betas, fold
from hit.training.beta_sampling import draw_betas
from hit.training.objective import objective

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
SMALL = TrainConfig(channels=4, z_dims=(5,))

CONFIGS = [
    pytest.param(TrainConfig.from_flat({"channels": 4, "z_dims": 5} | flat), shape, id=name)
    for name, flat, shape in [
        ("ghvae", {}, GREY),
        ("ghvae-4-layers", {"z_dims": "2,3,5", "likelihood": "gaussian"}, COLOUR),
        ("lvae", {"model": "lvae"}, GREY),
        ("lvae-3-layers", {"model": "lvae", "z_dims": "3,5"}, GREY),
        ("vae", {"model": "vae", "likelihood": "gaussian_learned"}, COLOUR),
        ("ghvae-conv-mol", {"latent": "conv", "likelihood": "mol", "channels": 2}, COLOUR),
        ("lvae-conv-3-layers", {"model": "lvae", "latent": "conv", "z_dims": "3,5"}, GREY),
        ("ghvae-mol-grey", {"likelihood": "mol"}, GREY),
        ("lvae-linear-mol", {"model": "lvae", "linear_z1": 6, "likelihood": "mol"}, COLOUR),
        ("ghvae-gumbel", {"posterior": "gumbel_softmax"}, GREY),
    ]
]


def perturb(model: SurfaceModel) -> SurfaceModel:
    """Heads as training leaves them: not zero."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, ModulatedLayer):
                last = module.head[-1].weight
                last += 0.3 * torch.randn(last.shape, generator=generator) / math.sqrt(last.shape[1])
    return model


def doubles(tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.double() for tensor in tensors)


def assert_same(one: Pass, other: Pass, rows: slice = slice(None)) -> None:
    torch.testing.assert_close(one.distortion[rows], other.distortion)
    for rate, expected in zip(one.rates, other.rates, strict=True):
        torch.testing.assert_close(rate[rows], expected)


@pytest.mark.parametrize(("config", "shape"), CONFIGS)
class TestConditioning:
    @pytest.fixture
    def x(self, config: TrainConfig, shape: tuple[int, int, int]) -> torch.Tensor:
        images = torch.randint(0, 256, (4, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        return build_model(config, shape).prepare(images).double()

    @pytest.fixture
    def betas(self, config: TrainConfig) -> torch.Tensor:
        uniform = torch.rand(4, config.layers, generator=torch.Generator().manual_seed(1))
        return (math.log(0.08) + math.log(150) * uniform).exp().double()

    def noise(self, model: HierarchicalVAE | SurfaceModel) -> tuple[torch.Tensor, ...]:
        return doubles(model.noise(4, torch.Generator().manual_seed(2)))

    def test_it_starts_as_the_plain_model_at_any_beta(
        self, config: TrainConfig, shape: tuple[int, int, int], x: torch.Tensor, betas: torch.Tensor
    ) -> None:
        plain = build_model(config, shape).double()
        noise = self.noise(plain)
        for kernels in (1, 2, 3):
            surface = condition_on_betas(build_model(config, shape), kernels=kernels).double()
            torch.testing.assert_close(surface(x, betas, noise).output, plain(x, noise).output)
            assert_same(surface(x, betas, noise), plain(x, noise))

    def test_examples_of_other_betas_are_not_seen(
        self, config: TrainConfig, shape: tuple[int, int, int], x: torch.Tensor, betas: torch.Tensor
    ) -> None:
        surface = perturb(condition_on_betas(build_model(config, shape)).double())
        noise = self.noise(surface)
        whole = surface(x, betas, noise)
        for row in range(4):
            only = slice(row, row + 1)
            own_noise = tuple(part[only] for part in noise)
            assert_same(whole, surface(x[only], betas[only], own_noise), only)
            assert_same(whole, surface(x[only], betas[row], own_noise), only)
        shifted = surface(x, betas.roll(1, 0), noise)
        assert not torch.isclose(whole.distortion, shifted.distortion, rtol=1e-9, atol=0).any(), "β must matter"

    @pytest.mark.parametrize("kernels", [1, 2, 3])
    def test_the_model_read_off_is_plain_and_the_same(
        self, config: TrainConfig, shape: tuple[int, int, int], x: torch.Tensor, betas: torch.Tensor, kernels: int
    ) -> None:
        surface = perturb(condition_on_betas(build_model(config, shape), kernels=kernels).double())
        before = {name: weight.clone() for name, weight in surface.state_dict().items()}
        noise = self.noise(surface)
        plain = fold(surface, betas[1].tolist())
        assert_same(plain(x, noise), surface(x, betas[1], noise))
        assert_same(plain(x, sample=False), surface(x, betas[1], sample=False))
        build_model(config, shape).double().load_state_dict(plain.state_dict(), strict=True)
        assert all(torch.equal(weight, before[name]) for name, weight in surface.state_dict().items())

    def test_every_layer_is_modulated_but_the_decoders_last(
        self, config: TrainConfig, shape: tuple[int, int, int]
    ) -> None:
        layers = (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)
        plain = [name for name, module in build_model(config, shape).named_modules() if isinstance(module, layers)]
        surface = condition_on_betas(build_model(config, shape))
        modulated = [name for name, module in surface.model.named_modules() if isinstance(module, ModulatedLayer)]
        assert set(plain) - set(modulated) == {plain[-1]}
        assert plain[-1].startswith("decoder.")
        outputs = surface.model.likelihood.outputs(shape[0])
        assert len(surface.model.get_submodule(plain[-1]).bias) == outputs

    def test_gradients_reach_every_head_after_one_step(
        self, config: TrainConfig, shape: tuple[int, int, int], x: torch.Tensor, betas: torch.Tensor
    ) -> None:
        wide = replace(config, channels=8)  # 4 channels may start with a ReLU that passes nothing
        surface = condition_on_betas(build_model(wide, shape)).double()
        optimiser = torch.optim.Adam(surface.parameters(), lr=1e-2)
        for _ in range(2):
            optimiser.zero_grad()
            objective(surface(x, betas, self.noise(surface)), betas).mean().backward()
            optimiser.step()
        still = [
            name
            for name, weight in surface.named_parameters()
            if ".head." in name and (weight.grad is None or not weight.grad.abs().sum() > 0)
        ]
        assert still == []


@pytest.mark.parametrize(
    "layer",
    [torch.nn.Conv2d(3, 5, 3, 2, 1), torch.nn.ConvTranspose2d(3, 5, 4, 2, 1), torch.nn.Linear(3, 5)],
    ids=["convolution", "transposed", "linear"],
)
def test_a_layer_mixes_the_outputs_of_its_kernels(layer: torch.nn.Conv2d) -> None:
    """y = s_1 y_1 + s_2 y_2 + t, each from a layer of its own, with the numbers that the head gives."""
    condition = Condition()
    modulated = ModulatedLayer(layer, 2, condition, kernels=2).double()
    assert torch.equal(
        modulated.layer.weight.chunk(2, int(isinstance(layer, torch.nn.ConvTranspose2d)))[0], layer.weight
    )
    with torch.no_grad():
        modulated.head[-1].bias.copy_(torch.arange(15) / 10)
    h = torch.randn(4, 3, 6, 6, dtype=torch.float64) if layer.weight.dim() == 4 else torch.randn(4, 3).double()
    rows = torch.randn(4, 2, dtype=torch.float64)
    with condition.holding(rows):
        found = modulated(h)
    one, other = modulated.layer(h).chunk(2, 1)
    scale, shift, further = (modulated.head(rows)[..., place : place + 5] for place in (0, 5, 10))
    channels = (4, 5, *(1 for _ in range(h.dim() - 2)))
    expected = (1 + scale).view(channels) * one + further.view(channels) * other + shift.view(channels)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(modulated.folded(rows[:1])(h[:1]), expected[:1])


def test_a_condition_does_not_outlive_its_pass() -> None:
    surface = condition_on_betas(build_model(SMALL, GREY))
    x = surface.prepare(torch.randint(0, 256, (2, *GREY), dtype=torch.uint8))
    surface(x, torch.ones(2))
    with pytest.raises(AssertionError, match=r"inside SurfaceModel\.forward alone"):
        surface.model(x)
    with pytest.raises(RuntimeError):
        surface(x[:, :, :9], torch.ones(2))
    with pytest.raises(AssertionError, match=r"inside SurfaceModel\.forward alone"):
        surface.model(x)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_strong_betas_of_the_top_layer_can_be_drawn_more_often(power: float) -> None:
    """Its density rises as its place to the power: the distribution function is that place to the power + 1."""
    source = torch.Generator().manual_seed(0)
    betas = torch.cat([draw_betas(100, 3, 0.1, 10, source, power=power) for _ in range(200)])
    places = (betas.log10() + 1) / 2
    for place in (0.2, 0.5, 0.9):
        below = (places < place).double().mean(0).tolist()
        assert below == pytest.approx([place, place, place ** (1 + power)], abs=0.005)
    (alone,) = draw_betas(1000, 1, 0.1, 10, source, power=power).log10().mean(0).tolist()
    assert alone == pytest.approx(0, abs=0.01), "one layer is no top layer above others"


def test_betas_are_log_uniform_over_the_range() -> None:
    surface = condition_on_betas(build_model(SMALL, GREY), beta_low=0.1, beta_high=10)
    source = torch.Generator().manual_seed(0)
    betas = torch.cat([draw_betas(100, 2, 0.1, 10, source) for _ in range(200)])
    assert 0.1 <= betas.min() < 0.101
    assert 9.9 < betas.max() <= 10.0001
    logs = betas.log10()
    assert logs.mean(0).tolist() == pytest.approx([0, 0], abs=0.002), "every batch is spread evenly"
    assert logs.std(0).tolist() == pytest.approx([2 / math.sqrt(12)] * 2, rel=0.02)
    assert abs(torch.corrcoef(logs.T)[0, 1]) < 0.03
    parts = ((logs[:100] + 1) / 2 * 100).floor().long()
    assert sorted(parts[:, 0].tolist()) == list(range(100)), "one example in every hundredth of the range"
    low = draw_betas(1000, 2, 0.1, 10, source, share=0.5)
    assert 0.99 < low.max() <= 1.0
    standardised = surface.standardised(betas)
    assert standardised.std(0).tolist() == pytest.approx([1, 1], rel=0.02)
