"""One model for every β: layers mixed and shifted by small functions of each example's (log β_1, …, log β_L)."""

__all__ = ["Condition", "ModulatedLayer", "SurfaceModel", "condition_on_betas", "fold"]

import copy
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hit.distributions import Likelihood
from hit.errors import ConfigError
from hit.models.hierarchy import HierarchicalVAE, Pass

_LOG = logging.getLogger(__name__)

_HIDDEN = 64
#: Config seeds are below 2^31, and torch's CPU generator takes 32 bits of a seed and drops the rest:
#: the heads' weights come from a stream that no model's weights come from.
_SEED_OFFSET = 1 << 31

_Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


class Condition:
    """What the layers of one model are conditioned on, for the time of one pass and no longer."""

    def __init__(self) -> None:
        self._rows: Tensor | None = None

    @property
    def rows(self) -> Tensor:
        """Standardised log β of the pass under way, (batch or 1) × L."""
        assert self._rows is not None, "layers that are conditioned on β run inside SurfaceModel.forward alone"
        return self._rows

    @contextmanager
    def holding(self, rows: Tensor) -> Iterator[None]:
        """Condition every layer on `rows` inside the block."""
        assert self._rows is None, "one pass at a time"
        self._rows = rows
        try:
            yield
        finally:
            self._rows = None


class ModulatedLayer(nn.Module):
    """Σ_k s_k y_k + t with y_1 … y_K the outputs of K layers of one form, and (s, t) = head(b), one number a channel.

    b are the standardised log β of the example. With one kernel that is FiLM (https://arxiv.org/abs/1709.07871); with
    more, the weight itself is a mixture that depends on the example, a channel at a time (after CondConv,
    https://arxiv.org/abs/1904.04971): what a layer has to find in an image differs where the layer above has collapsed
    from where it has not. The head is L → 64 → 64 → (K + 1) · channels. Its last layer starts at zero, and s at
    (1, 0, …, 0), so that the layer starts as it was. With two hidden layers it can change as sharply with β as a layer
    of latents that collapses at some β.

    Args:
        layer: a convolution, transposed convolution or linear layer with bias.
        layers: L, numbers in b.
        condition: where the pass under way leaves its b.
        kernels: K; the first is that of `layer`, others are drawn as those of a new one.
    """

    def __init__(self, layer: _Layer, layers: int, condition: Condition, kernels: int = 2) -> None:
        super().__init__()
        self.layer = _widened(layer, kernels)
        self.kernels = kernels
        last = nn.Linear(_HIDDEN, (kernels + 1) * _outputs(layer))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.Linear(layers, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.SiLU(), last)
        self._condition = condition

    def forward(self, h: Tensor) -> Tensor:
        y: Tensor = self.layer(h)
        shift, *scales = self._modulation(self._condition.rows)
        broadcast = (*shift.shape, *(1 for _ in range(y.dim() - 2)))
        total = shift.view(broadcast)
        for one, scale in zip(y.chunk(self.kernels, 1), scales, strict=True):
            total = torch.addcmul(total, one, scale.view(broadcast))
        return total

    def folded(self, row: Tensor) -> nn.Module:
        """The plain layer that this one is at one b (1 × L): the affine map goes into weight and bias."""
        shift, *scales = (numbers[0] for numbers in self._modulation(row))
        bias, outputs = self.layer.bias, _output_axis(self.layer)
        assert bias is not None
        along = [-1 if axis == outputs else 1 for axis in range(self.layer.weight.dim())]
        parts = zip(self.layer.weight.chunk(self.kernels, outputs), bias.chunk(self.kernels), scales, strict=True)
        mixed = [(weight * scale.view(along), own * scale) for weight, own, scale in parts]
        weights, biases = zip(*mixed, strict=True)
        return _with(self.layer, sum(weights[1:], weights[0]), sum(biases[1:], biases[0]) + shift)

    def _modulation(self, rows: Tensor) -> tuple[Tensor, ...]:
        """t, s_1, …, s_K, each rows × channels."""
        scale, shift, *others = self.head(rows).chunk(self.kernels + 1, 1)
        return shift, 1 + scale, *others


def _outputs(layer: _Layer) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def _output_axis(layer: nn.Module) -> int:
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0  # transposed: inputs × outputs × k × k


def _widened(layer: _Layer, kernels: int) -> _Layer:
    """One layer that gives the outputs of so many: those of `layer`, then those of new ones."""
    if kernels == 1:
        return layer
    new = [copy.deepcopy(layer) for _ in range(kernels - 1)]
    for one in new:
        one.reset_parameters()
    weights, biases = zip(*((one.weight, one.bias) for one in (layer, *new)), strict=True)
    return _with(layer, torch.cat(weights, _output_axis(layer)), torch.cat(biases))


@torch.no_grad()
def _with(layer: _Layer, weight: Tensor, bias: Tensor) -> _Layer:
    """A layer of the same form with this weight and bias, and as many outputs as they have."""
    other = copy.deepcopy(layer)
    other.weight, other.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    setattr(other, "out_features" if isinstance(layer, nn.Linear) else "out_channels", len(bias))
    return other


class SurfaceModel(nn.Module):
    """A hierarchical VAE that takes β with every example: one model for a whole surface in rate space.

    Args:
        model: its layers are `ModulatedLayer`s (`condition_on_betas`).
        condition: what those layers read.
        beta_low, beta_high: the range of β that it is trained for; log β is standardised as if uniform over it.
    """

    log_mean: Tensor
    log_std: Tensor

    def __init__(self, model: HierarchicalVAE, condition: Condition, beta_low: float, beta_high: float) -> None:
        super().__init__()
        assert 0 < beta_low < beta_high
        self.model = model
        self.beta_low = beta_low
        self.beta_high = beta_high
        self._condition = condition
        low, high = math.log(beta_low), math.log(beta_high)
        self.register_buffer("log_mean", torch.tensor((low + high) / 2))
        self.register_buffer("log_std", torch.tensor((high - low) / math.sqrt(12)))

    @property
    def layers(self) -> int:
        """L."""
        return self.model.layers

    @property
    def likelihood(self) -> Likelihood:
        """p(x|z_1), the same for every β."""
        return self.model.likelihood

    def prepare(self, images: Tensor) -> Tensor:
        """As `HierarchicalVAE.prepare`."""
        return self.model.prepare(images)

    def noise(self, batch: int, generator: torch.Generator | None = None) -> tuple[Tensor, ...]:
        """As `HierarchicalVAE.noise`."""
        return self.model.noise(batch, generator)

    def forward(
        self,
        x: Tensor,
        betas: Tensor,
        noise: Sequence[Tensor] | None = None,
        *,
        sample: bool = True,
        temperature: float | None = None,
    ) -> Pass:
        """One pass as `HierarchicalVAE.forward`, of the model at these β.

        Args:
            x: prepared images, batch × C × H × W.
            betas: β_1 … β_L > 0, of shape (L,) for the whole batch or (batch, L), a row an example.
            noise, sample, temperature: see there.
        """
        with self._condition.holding(self.standardised(betas)):
            outcome: Pass = self.model(x, noise, sample=sample, temperature=temperature)
        return outcome

    def standardised(self, betas: Tensor) -> Tensor:
        """(log β − mean) / std, (batch or 1) × L: what the layers are conditioned on."""
        return ((betas.log() - self.log_mean) / self.log_std).view(-1, self.layers)


def condition_on_betas(
    model: HierarchicalVAE,
    *,
    beta_low: float = 0.08,
    beta_high: float = 12.0,
    seed: int = 0,
    kernels: int = 2,
) -> SurfaceModel:
    """Make a model one that takes β with every example; untrained, it equals `model` at any β.

    Every convolution and linear layer is modulated, heads included; the decoder's last layer, which
    gives the likelihood's parameters, is not.

    Args:
        model: of `build_model`, any family, any L. It is taken over: its layers are wrapped in place.
        beta_low, beta_high: range of β.
        seed: of the weights of the heads and of the further kernels.
        kernels: of every layer; 1: layers are scaled and shifted alone.
    """
    condition = Condition()
    wrapped = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))
    }
    *_, last = (name for name in wrapped if name.startswith("decoder."))
    del wrapped[last]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED_OFFSET + seed)
        for name, module in wrapped.items():
            modulated = ModulatedLayer(module, model.layers, condition, kernels)
            model.set_submodule(name, modulated.to(module.weight))
    return SurfaceModel(model, condition, beta_low, beta_high)


@torch.no_grad()
def fold(surface: SurfaceModel, betas: Sequence[float]) -> HierarchicalVAE:
    """The plain model that a surface is at one β, a copy with weights of its own, ready for evaluation.

    At a fixed β every modulated layer is an affine layer, so the result has the layers and the weights' names of
    `build_model`, costs what a plain model costs, and gives the surface's numbers up to rounding.

    Args:
        surface: trained; it is left as it is.
        betas: β_1 … β_L. Outside the range that the surface was trained for a line says so.

    Raises:
        ConfigError: not L numbers, or one that is not finite and above 0.
    """
    if len(betas) != surface.layers:
        raise ConfigError(f"betas must be {surface.layers} numbers, one a layer, got {len(betas)}")
    for layer, beta in enumerate(betas, start=1):
        if not 0 < beta < math.inf:
            raise ConfigError(f"beta_{layer} must be finite and greater than 0, got {beta:g}")
        if not surface.beta_low <= beta <= surface.beta_high:
            _LOG.warning(
                f"beta_{layer} = {beta:g} is outside {surface.beta_low:g} … {surface.beta_high:g}, "
                "the range that the surface was trained for: the model is an extrapolation"
            )
    row = surface.standardised(torch.tensor(betas, dtype=surface.log_mean.dtype, device=surface.log_mean.device))
    modulated = [module for module in surface.model.modules() if isinstance(module, ModulatedLayer)]
    # In the copy plain layers stand in their place; copying their heads first would take five times as long.
    plain: HierarchicalVAE = copy.deepcopy(surface.model, {id(module): module.folded(row) for module in modulated})
    return plain.eval()
