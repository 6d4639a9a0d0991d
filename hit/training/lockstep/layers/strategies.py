"""The ways in which the layers of many models may be computed; which is quickest depends on the device."""

__all__ = ["STRATEGIES", "GroupedConvolutions", "TritonConvolutions", "UnfoldedConvolutions"]

from torch import Tensor, nn

from hit.models.transposed import TransposedConvolution
from hit.training.lockstep.layers.one_by_one import OneByOne
from hit.training.lockstep.layers.stacked_convolution import has_triton, stackable
from hit.training.lockstep.layers.stacked_layers import Batches, StackedLayers, Work, compared_kernels
from hit.training.lockstep.layers.unfolded import unfolded
from hit.training.lockstep.layers.vectorised import Vectorised, replaced


class GroupedConvolutions(Vectorised):
    """Convolutions of all models as one with a group a model, matrix products as batched ones."""

    name = "grouped"

    def gradients(self, batches: Batches) -> tuple[Tensor, Tensor]:
        with compared_kernels(self.weights.device):
            return super().gradients(batches)

    def mapped(self, work: Work, x: Tensor, noise: tuple[Tensor, ...], *, shared: bool = False) -> tuple[Tensor, ...]:
        with compared_kernels(self.weights.device):
            return super().mapped(work, x, noise, shared=shared)

    def vectorisable(self, model: nn.Module) -> nn.Module:
        return replaced(model, {TransposedConvolution: _plain_transposed})


class UnfoldedConvolutions(Vectorised):
    """Convolutions as batched products of matrices, of unfolded maps and weights."""

    name = "unfolded"

    def vectorisable(self, model: nn.Module) -> nn.Module:
        return replaced(model, {nn.Conv2d: unfolded, nn.ConvTranspose2d: unfolded, TransposedConvolution: unfolded})


class TritonConvolutions(Vectorised):
    """Convolutions of all models by one kernel of our own each, which reads windows where they are."""

    name = "triton"

    def vectorisable(self, model: nn.Module) -> nn.Module:
        if self.weights.device.type == "cuda" and not has_triton():
            raise NotImplementedError("Triton is not installed")
        return replaced(model, {nn.Conv2d: stackable, nn.ConvTranspose2d: stackable, TransposedConvolution: stackable})


#: By name.
STRATEGIES: dict[str, type[StackedLayers]] = {
    one.name: one for one in (OneByOne, GroupedConvolutions, UnfoldedConvolutions, TritonConvolutions)
}


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
