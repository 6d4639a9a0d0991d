"""Many models computed one after the other."""

__all__ = ["OneByOne"]

import torch
from torch import Tensor, nn

from hit.training.lockstep.layers.stacked_layers import Batches, StackedLayers, Work, compared_kernels, totals_of
from hit.training.loop import mixed_precision


class OneByOne(StackedLayers):
    """One model after the other, as each is computed alone."""

    name, at_once = "one_by_one", 1
    channels_last = True

    def gradients(self, batches: Batches) -> tuple[Tensor, Tensor]:
        gradients, totals = [], []
        for index, model in enumerate(self.models):
            noise = tuple(one[index] for one in batches.noise)
            inputs = [value[index] for value in batches.inputs]
            with mixed_precision(batches.precision, self.weights.device), compared_kernels(self.weights.device):
                arguments = batches.arguments(batches.x[index], noise, *inputs)
                outcome = model(*arguments, temperature=batches.temperature)
            losses = batches.losses(outcome, *inputs)
            with compared_kernels(self.weights.device):
                gradients.append(self._gradient(model, losses.mean()))
            totals.append(totals_of(losses, outcome))
        return torch.stack(gradients), torch.stack(totals)

    @torch.no_grad()
    def mapped(self, work: Work, x: Tensor, noise: tuple[Tensor, ...], *, shared: bool = False) -> tuple[Tensor, ...]:
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
