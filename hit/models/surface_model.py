"""One model for every β: layers scaled and shifted by small functions of each example's (log β_1, …, log β_L)."""

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
    """y · (1 + s) + t with y the layer's output and (s, t) = head(b), one number a channel.

    FiLM (https://arxiv.org/abs/1709.07871) by b, the standardised log β of the example; the head is
    L → 64 → 64 → 2 · channels, and its last layer starts at zero, so that the layer starts as it was. With two hidden
    layers it can change as sharply with β as a layer of latents that collapses at some β.

    Args:
        layer: a convolution, transposed convolution or linear layer with bias.
        layers: L, numbers in b.
        condition: where the pass under way leaves its b.
    """

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, layers: int, condition: Condition) -> None:
        super().__init__()
        self.layer = layer
        channels = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
        last = nn.Linear(_HIDDEN, 2 * channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.Linear(layers, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.SiLU(), last)
        self._condition = condition

    def forward(self, h: Tensor) -> Tensor:
        y: Tensor = self.layer(h)
        scale, shift = self._modulation(self._condition.rows)
        broadcast = (*scale.shape, *(1 for _ in range(y.dim() - 2)))
        return torch.addcmul(shift.view(broadcast), y, scale.view(broadcast))

    def folded(self, row: Tensor) -> nn.Module:
        """The plain layer that this one is at one b (1 × L): the affine map goes into weight and bias."""
        scale, shift = (numbers[0] for numbers in self._modulation(row))
        layer = copy.deepcopy(self.layer)
        weight, bias = layer.weight, layer.bias
        assert bias is not None
        outputs = 1 if isinstance(layer, nn.ConvTranspose2d) else 0  # transposed: inputs × outputs × k × k
        weight.mul_(scale.view([-1 if axis == outputs else 1 for axis in range(weight.dim())]))
        bias.mul_(scale).add_(shift)
        return layer

    def _modulation(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(1 + s, t), each rows × channels."""
        scale, shift = self.head(rows).chunk(2, 1)
        return 1 + scale, shift


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
    model: HierarchicalVAE, *, beta_low: float = 0.08, beta_high: float = 12.0, seed: int = 0
) -> SurfaceModel:
    """Make a model one that takes β with every example; untrained, it equals `model` at any β.

    Every convolution and linear layer is modulated, heads included; the decoder's last layer, which
    gives the likelihood's parameters, is not.

    Args:
        model: of `build_model`, any family, any L. It is taken over: its layers are wrapped in place.
        beta_low, beta_high: range of β.
        seed: of the weights of the heads.
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
            modulated = ModulatedLayer(module, model.layers, condition)
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
