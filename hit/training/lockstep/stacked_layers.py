"""How the layers of many models are computed at once: what differs is time and memory, never more than rounding."""

__all__ = [
    "STRATEGIES",
    "Batches",
    "GroupedConvolutions",
    "OneByOne",
    "StackedLayers",
    "TritonConvolutions",
    "UnfoldedConvolutions",
]

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hit.models import Pass
from hit.models.transposed import TransposedConvolution
from hit.training.lockstep.parameters import ParameterLayout
from hit.training.lockstep.stacked_convolution import stackable
from hit.training.lockstep.unfolded import unfolded
from hit.training.loop import mixed_precision

#: What is computed of a model, its prepared images and their noise.
_Work = Callable[[Any, Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]

#: Layers that autocast computes in lower precision.
_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class Batches:
    """A batch a model, and what its losses depend on.

    Attributes:
        x: prepared images, M × batch × example.
        noise: of every layer, M × batch × latent shape.
        inputs: what `losses` takes of every model beside its pass, M × anything.
        arguments: what a model is called with, of its images, its noise and its rows of `inputs`.
        losses: what a model minimises of every image, (batch,), of its pass and its rows of `inputs`.
        precision: of the layers (`TrainConfig.precision`).
        temperature: of a categorical z_L, one number; None: there is none.
    """

    x: Tensor
    noise: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    arguments: Callable[..., tuple[Any, ...]]
    losses: Callable[..., Tensor]
    precision: str
    temperature: Tensor | None = None


class StackedLayers(ABC):
    """M models whose parameters are the rows of one matrix.

    The models' own parameters are views of their rows, so that each of them can be used alone at any time.

    Args:
        models: of one architecture, on one device.

    Attributes:
        name: as it is remembered.
        at_once: models that are computed at once without gradients: their images may be more than those of a step.
        models: the same.
        layout: where parameters lie.
        weights: M × P.
    """

    name: str
    at_once = 64
    channels_last = False

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.models = tuple(models)
        self.layout = ParameterLayout(self.models[0], channels_last=self.channels_last)
        rows = [self.layout.row(dict(model.named_parameters())) for model in self.models]
        self.weights = torch.stack(rows)
        for model, row in zip(self.models, self.weights, strict=True):
            views = self.layout.views(row)
            for name, parameter in model.named_parameters():
                parameter.data = views[name]

    @abstractmethod
    def gradients(self, batches: Batches) -> tuple[Tensor, Tensor]:
        """The gradients of the mean losses, M × P, and sums over the batches, M × (2 + L): loss, D, R_1 … R_L."""

    @abstractmethod
    def mapped(self, work: _Work, x: Tensor, noise: tuple[Tensor, ...], *, shared: bool = False) -> tuple[Tensor, ...]:
        """What is computed of each model, each M × anything, without gradients.

        Args:
            work: of a model, its images and their noise; it gives as many tensors of every model.
            x: prepared images, M × batch × example.
            noise: of every layer, M × batch × latent shape.
            shared: whether all models have the same images and noise, which are given once, without M.
        """

    def rates(self, x: Tensor, noise: tuple[Tensor, ...]) -> Tensor:
        """R_1 … R_L of every image, M × batch × L, without gradients; arguments as for `mapped`."""

        def work(model: Any, x: Tensor, noise: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (torch.stack(model(x, noise).rates, 1),)

        return self.mapped(work, x, noise)[0]


class OneByOne(StackedLayers):
    """One model after the other, as each is computed alone."""

    name, at_once = "one_by_one", 1
    channels_last = True

    def gradients(self, batches: Batches) -> tuple[Tensor, Tensor]:
        gradients, totals = [], []
        for index, model in enumerate(self.models):
            noise = tuple(one[index] for one in batches.noise)
            inputs = [value[index] for value in batches.inputs]
            with mixed_precision(batches.precision, self.weights.device), _compared_kernels(self.weights.device):
                arguments = batches.arguments(batches.x[index], noise, *inputs)
                outcome = model(*arguments, temperature=batches.temperature)
            losses = batches.losses(outcome, *inputs)
            with _compared_kernels(self.weights.device):
                gradients.append(self._gradient(model, losses.mean()))
            totals.append(_totals(losses, outcome))
        return torch.stack(gradients), torch.stack(totals)

    @torch.no_grad()
    def mapped(self, work: _Work, x: Tensor, noise: tuple[Tensor, ...], *, shared: bool = False) -> tuple[Tensor, ...]:
        if shared:
            outcomes = [work(model, x, noise) for model in self.models]
        else:
            rows = [tuple(one[index] for one in noise) for index in range(len(self.models))]
            outcomes = [work(model, *own) for model, *own in zip(self.models, x, rows, strict=True)]
        return tuple(torch.stack(tensors) for tensors in zip(*outcomes, strict=True))

    def _gradient(self, model: nn.Module, loss: Tensor) -> Tensor:
        named = dict(model.named_parameters())
        trained = [name for name, parameter in named.items() if parameter.requires_grad]
        found = torch.autograd.grad(loss, [named[name] for name in trained], allow_unused=True, materialize_grads=True)
        still = {name: torch.zeros_like(parameter) for name, parameter in named.items() if name not in trained}
        return self.layout.row(dict(zip(trained, found, strict=True)) | still)


class _Cast:
    """Casts the input of a layer before it is called, where there is a lower precision to cast to."""

    def __init__(self) -> None:
        self.lower: torch.dtype | None = None

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, *rest = inputs
        return (x if self.lower is None else x.to(self.lower), *rest)


class _Called(nn.Module):
    """A model, of which something is computed."""

    def __init__(self, model: nn.Module, work: _Work) -> None:
        super().__init__()
        self.model, self._work = model, work

    def forward(self, x: Tensor, noise: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return self._work(self.model, x, noise)


class _Vectorised(StackedLayers):
    """All models at once, by `torch.func.vmap` over one of them.

    Autocast does not reach what `vmap` makes of a layer: its input and its weights are cast here.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__(models)
        layers = [name for name, one in self.models[0].named_modules() if isinstance(one, _LAYERS)]
        self._template = self.vectorisable(copy.deepcopy(self.models[0])).train()
        self._of_layers = {name for name in self.layout.shapes if name.rpartition(".")[0] in layers}
        self._cast = _Cast()
        for name in layers:
            self._template.get_submodule(name).register_forward_pre_hook(self._cast)
        self._trained = {name: one.requires_grad for name, one in self.models[0].named_parameters()}

    @abstractmethod
    def vectorisable(self, model: nn.Module) -> nn.Module:
        """A model whose layers `vmap` takes, in place, with the same parameters."""

    def gradients(self, batches: Batches) -> tuple[Tensor, Tensor]:
        weights = self.weights.detach().requires_grad_()
        named = self.layout.views(weights)
        self._cast.lower = None if batches.precision == "float32" else torch.bfloat16
        if self._cast.lower is not None:
            lower = self.layout.views(weights.to(self._cast.lower))
            named |= {name: lower[name] for name in self._of_layers}
        named = {name: value if self._trained[name] else value.detach() for name, value in named.items()}

        def one(named: dict[str, Tensor], x: Tensor, noise: tuple[Tensor, ...], *inputs: Tensor) -> tuple[Tensor, ...]:
            outcome: Pass = torch.func.functional_call(
                self._template, named, batches.arguments(x, noise, *inputs), {"temperature": batches.temperature}
            )
            losses = batches.losses(outcome, *inputs)
            return losses.mean(), _totals(losses, outcome)

        losses, totals = torch.func.vmap(one)(named, batches.x, batches.noise, *batches.inputs)
        (gradient,) = torch.autograd.grad(losses.sum(), weights)
        return gradient, totals

    @torch.no_grad()
    def mapped(self, work: _Work, x: Tensor, noise: tuple[Tensor, ...], *, shared: bool = False) -> tuple[Tensor, ...]:
        self._cast.lower = None
        called = _Called(self._template, work)
        buffers = [dict(model.named_buffers()) for model in self.models]
        named = self.layout.views(self.weights)
        named |= {name: torch.stack([own[name] for own in buffers]) for name in buffers[0]}

        def one(named: dict[str, Tensor], x: Tensor, noise: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            own = {f"model.{name}": value for name, value in named.items()}
            return torch.func.functional_call(called, own, (x, noise))  # type: ignore[no-any-return]

        in_dims = (0, None, None) if shared else (0, 0, 0)
        called.train(self.models[0].training)
        try:
            found: tuple[Tensor, ...] = torch.func.vmap(one, in_dims, chunk_size=self.at_once)(named, x, noise)
        finally:
            called.train()
        return found


class GroupedConvolutions(_Vectorised):
    """Convolutions of all models as one with a group a model, matrix products as batched ones."""

    name = "grouped"

    def gradients(self, batches: Batches) -> tuple[Tensor, Tensor]:
        with _compared_kernels(self.weights.device):
            return super().gradients(batches)

    def mapped(self, work: _Work, x: Tensor, noise: tuple[Tensor, ...], *, shared: bool = False) -> tuple[Tensor, ...]:
        with _compared_kernels(self.weights.device):
            return super().mapped(work, x, noise, shared=shared)

    def vectorisable(self, model: nn.Module) -> nn.Module:
        return _replaced(model, {TransposedConvolution: _plain_transposed})


class UnfoldedConvolutions(_Vectorised):
    """Convolutions as batched products of matrices, of unfolded maps and weights."""

    name = "unfolded"

    def vectorisable(self, model: nn.Module) -> nn.Module:
        return _replaced(model, {nn.Conv2d: unfolded, nn.ConvTranspose2d: unfolded, TransposedConvolution: unfolded})


class TritonConvolutions(_Vectorised):
    """Convolutions of all models by one kernel of our own each, which reads windows where they are."""

    name = "triton"

    def vectorisable(self, model: nn.Module) -> nn.Module:
        return _replaced(model, {nn.Conv2d: stackable, nn.ConvTranspose2d: stackable, TransposedConvolution: stackable})


#: By name.
STRATEGIES: dict[str, type[StackedLayers]] = {
    one.name: one for one in (OneByOne, GroupedConvolutions, UnfoldedConvolutions, TritonConvolutions)
}


def _compared_kernels(device: torch.device) -> AbstractContextManager[None]:
    """Within it cuDNN compares its kernels before a first use: those that it takes by rule are seldom good here."""
    if device.type != "cuda":
        return nullcontext()
    chosen = torch.backends.cudnn
    flags: AbstractContextManager[None] = chosen.flags(
        enabled=chosen.enabled, benchmark=True, deterministic=chosen.deterministic, allow_tf32=chosen.allow_tf32
    )
    return flags


def _totals(losses: Tensor, outcome: Pass) -> Tensor:
    numbers = [losses.sum(), outcome.distortion.sum(), *(rate.sum() for rate in outcome.rates)]
    return torch.stack(numbers).detach()


def _replaced(model: nn.Module, makers: dict[type[nn.Module], Callable[..., nn.Module]]) -> nn.Module:
    for name, module in list(model.named_modules()):
        maker = makers.get(type(module))
        if maker is not None:
            model.set_submodule(name, maker(module))
    return model


def _plain_transposed(layer: TransposedConvolution) -> nn.Module:
    """torch's own, whose kernels `vmap` knows."""
    plain = nn.ConvTranspose2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        layer.output_padding,  # type: ignore[arg-type]
        layer.groups,
        layer.bias is not None,
        layer.dilation,  # type: ignore[arg-type]
        device="meta",
    )
    plain.weight, plain.bias = layer.weight, layer.bias
    return plain
