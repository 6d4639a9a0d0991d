"""Many models computed at once, by `torch.func.vmap` over one of them."""

__all__ = ["Vectorised", "replaced"]

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hit.models import Pass
from hit.training.lockstep.layers.stacked_layers import Batches, StackedLayers, Work, totals_of

#: Layers that autocast computes in lower precision.
_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


class Vectorised(StackedLayers):
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
            return losses.mean(), totals_of(losses, outcome)

        losses, totals = torch.func.vmap(one)(named, batches.x, batches.noise, *batches.inputs)
        (gradient,) = torch.autograd.grad(losses.sum(), weights)
        return gradient, totals

    @torch.no_grad()
    def mapped(self, work: Work, x: Tensor, noise: tuple[Tensor, ...], *, shared: bool = False) -> tuple[Tensor, ...]:
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


class _Cast:
    """Casts the input of a layer before it is called, where there is a lower precision to cast to."""

    def __init__(self) -> None:
        self.lower: torch.dtype | None = None

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, *rest = inputs
        return (x if self.lower is None else x.to(self.lower), *rest)


class _Called(nn.Module):
    """A model, of which something is computed."""

    def __init__(self, model: nn.Module, work: Work) -> None:
        super().__init__()
        self.model, self._work = model, work

    def forward(self, x: Tensor, noise: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return self._work(self.model, x, noise)


def replaced(model: nn.Module, makers: dict[type[nn.Module], Callable[..., nn.Module]]) -> nn.Module:
    """The model, in place, with layers of these types made anew by what makes them."""
    for name, module in list(model.named_modules()):
        maker = makers.get(type(module))
        if maker is not None:
            model.set_submodule(name, maker(module))
    return model
