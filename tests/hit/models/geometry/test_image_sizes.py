"""Images of any size and number of channels: what the networks make of them, and that only real pixels count."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hit.config import TrainConfig
from hit.models import HierarchicalVAE, build_model
from hit.models.build import _outline, check_fit
from hit.models.geometry.image_sizes import LARGEST_SIDE, SMALLEST_SIDE, ImageSize
from hit.models.surface_model import condition_on_betas, fold
from hit.training.checkpoints import load_weights, save_weights
from hit.training.objective import objective
from tests.benchmarks.image_size_costs import COLUMNS
from tests.commands import ROOT

SIDES = st.integers(SMALLEST_SIDE, LARGEST_SIDE)
SIZES = [(8, 8), (9, 13), (17, 64), (64, 64), (96, 128), (256, 255)]
#: Each kind of network, with a likelihood for any channels and one for others.
KINDS = [
    {"model": "ghvae"},
    {"model": "ghvae", "linear_z1": 3, "z_dims": "3,5"},
    {"model": "ghvae", "latent": "conv"},
    {"model": "ghvae", "latent": "conv", "z_dims": "3,5"},
    {"model": "lvae"},
    {"model": "lvae", "latent": "conv", "z_dims": "3,4,5"},
    {"model": "vae"},
]
LIKELIHOODS = ["mol", "gaussian", "bernoulli", "gaussian_learned", "bernoulli_grey"]
CHANNELS = [1, 2, 3, 5]


def _combinations() -> list[object]:
    """Every kind at every size, so that every likelihood and number of channels meets every kind and size."""
    found: list[object] = []
    for row, size in enumerate(SIZES):
        for column, kind in enumerate(KINDS):
            channels = CHANNELS[(row + column) % len(CHANNELS)]
            likelihood = LIKELIHOODS[(row + 2 * column) % len(LIKELIHOODS)]
            if channels == 3 and likelihood.startswith("bernoulli"):
                likelihood = "mol"
            if likelihood == "mol" and max(size) > 200 and "latent" not in kind:
                likelihood = "gaussian"  # its last layers are wide, and slow on large images
            flat = {"channels": 2, "z_dims": "4", "likelihood": likelihood, **kind}
            name = "-".join([*map(str, kind.values()), likelihood, f"{channels}x{size[0]}x{size[1]}"])
            found.append(pytest.param(TrainConfig.from_flat(flat), (channels, *size), id=name))
    return found


@pytest.mark.parametrize(("config", "shape"), _combinations())
class TestEveryModel:
    @pytest.fixture
    def model(self, config: TrainConfig, shape: tuple[int, int, int]) -> HierarchicalVAE:
        return build_model(config, shape)

    @pytest.fixture
    def x(self, model: HierarchicalVAE, shape: tuple[int, int, int]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        count = 3 if shape[1] < 64 else 1
        return model.prepare(torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator))

    def test_it_learns_from_the_pixels_and_gives_them_back(
        self, model: HierarchicalVAE, x: torch.Tensor, shape: tuple[int, int, int]
    ) -> None:
        outcome = model(x, model.noise(len(x), torch.Generator().manual_seed(1)))
        assert outcome.output.shape == (len(x), model.likelihood.outputs(shape[0]), *shape[1:])
        torch.testing.assert_close(outcome.distortion, -model.likelihood.log_prob(x, outcome.output))
        for rate in outcome.rates:
            assert rate.min() >= -1e-4
        for z, own in zip(outcome.latents, model.latent_shapes, strict=True):
            assert z.shape == (len(x), *own)
        objective(outcome, torch.ones(model.layers)).sum().backward()
        assert [name for name, weight in model.named_parameters() if weight.grad is None] == []
        with torch.no_grad():
            assert model.reconstruct(outcome).shape == x.shape
            assert model.generate(model.noise(1)).shape == (1, *shape)

    def test_what_is_decoded_beyond_the_image_counts_nothing(
        self, model: HierarchicalVAE, x: torch.Tensor, shape: tuple[int, int, int]
    ) -> None:
        *_, last = model.decoder.children()
        padded = isinstance(last, torch.nn.ZeroPad2d)
        halvings = ImageSize(*shape[1:]).z1_halvings if model.layers == 1 else ImageSize(*shape[1:]).halvings
        assert padded == any(ImageSize(*shape[1:]).padding(halvings))
        if not padded:
            return
        with torch.no_grad():
            before = model(x, sample=False)

            def scribble(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
                left, right, top, bottom = (-ends for ends in last.padding)  # type: ignore[union-attr]
                inside = torch.zeros_like(inputs[0], dtype=torch.bool)
                inside[..., top : inputs[0].shape[-2] - bottom, left : inputs[0].shape[-1] - right] = True
                return (inputs[0].masked_fill(~inside, 1e6),)

            last.register_forward_pre_hook(scribble)
            after = model(x, sample=False)
        assert torch.equal(before.distortion, after.distortion)
        assert torch.equal(before.output, after.output)

    def test_saved_and_read_back_it_is_the_same(
        self, model: HierarchicalVAE, x: torch.Tensor, config: TrainConfig, shape: tuple[int, int, int], tmp_path: Path
    ) -> None:
        save_weights(tmp_path / "weights", model, "identity")
        other = build_model(replace(config, seed=9), shape)
        load_weights(tmp_path / "weights", other, "identity")
        with torch.no_grad():
            before, after = model(x, sample=False), other(x, sample=False)
        assert torch.equal(before.distortion, after.distortion)
        assert torch.equal(torch.stack(before.rates), torch.stack(after.rates))


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_of_every_weight_matters_at_the_smallest_sides(kind: dict[str, object]) -> None:
    """No part of a kernel sees nothing but padding, neither of a small image nor of a long one."""
    config = TrainConfig.from_flat({"channels": 2, "z_dims": "4", "likelihood": "gaussian", **kind})
    for shape in ((2, 8, 8), (1, 8, 40), (1, 9, 9)):
        model = build_model(config, shape).double()
        x = torch.rand(40, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        noise = [one.double() for one in model.noise(40, torch.Generator().manual_seed(1))]
        with torch.no_grad():
            for weight in model.parameters():
                weight.abs_()  # no unit is dead by chance
        objective(model(x, noise), torch.ones(model.layers)).sum().backward()
        for name, weight in model.named_parameters():
            assert weight.grad is not None
            assert weight.dim() < 4 or (weight.grad != 0).all(), (name, shape)


@settings(max_examples=300, deadline=None)
@given(height=SIDES, width=SIDES)
def test_maps_of_any_size(height: int, width: int) -> None:
    size = ImageSize(height, width)
    halvings = size.halvings
    rows, columns = size.map_sides(halvings)
    nearest = math.floor(math.log(height * width / 16, 4) + 0.5 + 1e-9)
    assert halvings == min(max(2, nearest), math.ceil(math.log2(min(height, width))) - 1)
    assert halvings >= 2
    assert min(rows, columns) >= 2
    assert 1 <= size.z1_halvings < halvings <= size.z1_halvings + 2
    left, right, top, bottom = size.padding(halvings)
    assert (top + height + bottom, left + width + right) == (rows << halvings, columns << halvings)
    assert 0 <= right - left <= 1
    assert 0 <= bottom - top <= 1
    assert max(top + bottom, left + right) < 1 << halvings
    turned = ImageSize(width, height)
    assert turned.halvings == halvings
    assert turned.map_sides(halvings) == (columns, rows)


@settings(max_examples=20, deadline=None)
@given(height=SIDES, width=SIDES, channels=st.integers(1, 6), kind=st.sampled_from(KINDS), mol=st.booleans())
def test_any_size_comes_back(height: int, width: int, channels: int, kind: dict[str, object], mol: bool) -> None:
    """Of models without numbers, which tell shapes in no time."""
    likelihood = "mol" if mol else "gaussian_learned"
    config = TrainConfig.from_flat({"channels": 2, "z_dims": "4", "likelihood": likelihood, **kind})
    shape = channels, height, width
    check_fit(config, shape)
    model = _outline(config, shape)
    outcome = model(torch.empty(2, *shape, device="meta"), sample=False)
    assert model.reconstruct(outcome).shape == (2, *shape)
    assert tuple(z.shape[1:] for z in outcome.latents) == model.latent_shapes


def test_the_page_says_what_is_built() -> None:
    page = (ROOT / "docs" / "reference" / "image-sizes.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    of_sizes = [row for row in rows if re.fullmatch(r"\d+ × \d+", row[0])]
    assert len(of_sizes) == 22, "two tables of eleven sizes"
    for name, *told in of_sizes:
        height, width = map(int, name.split(" × "))
        models = [
            _outline(TrainConfig.from_flat({"likelihood": "gaussian", **kind}), (3, height, width))
            for kind in COLUMNS.values()
        ]
        if "·" in told[0]:
            counts = [sum(parameter.numel() for parameter in model.parameters()) for model in models]
            assert [cell.partition(" · ")[0] for cell in told] == [f"{count:,}" for count in counts]
            continue
        dense, conv, ladder, conv_ladder, vae = (model.latent_shapes for model in models)
        assert ladder == dense
        assert conv_ladder == conv
        maps = [" × ".join(map(str, shape[1:])) for shape in (dense[0], *conv, vae[0])]
        assert told == [str(ImageSize(height, width).halvings), *maps]


@pytest.mark.parametrize("latent", ["dense", "conv"])
def test_a_surface_of_any_size(latent: str) -> None:
    config = TrainConfig.from_flat({"channels": 2, "z_dims": "4", "likelihood": "mol", "latent": latent})
    shape = (2, 20, 37)
    plain = build_model(config, shape)
    x = plain.prepare(torch.randint(0, 256, (2, *shape), dtype=torch.uint8))
    with torch.no_grad():
        expected = plain(x, sample=False)
        surface = condition_on_betas(plain)
        found = surface(x, torch.tensor([0.5, 2.0]), sample=False)
        folded = fold(surface, (0.5, 2.0))(x, sample=False)
    torch.testing.assert_close(found.distortion, expected.distortion)
    torch.testing.assert_close(folded.distortion, expected.distortion)
