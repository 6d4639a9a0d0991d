"""One-layer VAE: z_1 alone, a small feature map of images, under a standard normal prior."""

__all__ = ["OneLayerInference", "one_layer_decoder", "one_layer_maps"]

from torch import Tensor, nn

from hit.distributions import LatentDistribution
from hit.models.geometry.image_sizes import ImageSize
from hit.models.hierarchy import Inference
from hit.models.networks import Heads, cropped, down, flat5, image_layers, padded, relu, up


class OneLayerInference(Inference):
    """q(z_1|x): twin heads of features of x.

    Args:
        features: x → what it says of z_1.
        heads: the same → q(z_1|x).
    """

    def __init__(self, features: nn.Module, heads: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.heads = heads

    def evidence(self, x: Tensor) -> tuple[Tensor | LatentDistribution, ...]:
        return (self.heads(self.features(x)),)

    def posterior(
        self,
        layer: int,
        evidence: Tensor | LatentDistribution,
        above: Tensor | None,
        prior: LatentDistribution | None,
    ) -> LatentDistribution:
        assert isinstance(evidence, LatentDistribution)
        return evidence


def one_layer_maps(image_channels: int, size: ImageSize, channels: int) -> tuple[OneLayerInference, tuple[int, ...]]:
    """Of images: down C→c, down c→c …, S in all, ReLU after each, twin heads conv 5/1/2; and the shape of z_1.

    z_1 is a map S = ⌊2T/3⌋ halvings below the image (`ImageSize`): c × H/4 × W/4 of 28 to 64 pixels.
    """
    c, count = channels, size.z1_halvings
    shape = (c, *size.map_sides(count, padded_for=count))
    inputs = [image_channels, *(c for _ in range(count - 1))]
    halvings = [layer for above in inputs for layer in (down(above, c), relu())]
    features = nn.Sequential(*padded(size.padding(count)), *halvings)
    return OneLayerInference(features, Heads(flat5(c, c), flat5(c, c), shape)), shape


def one_layer_decoder(size: ImageSize, channels: int, outputs: int, *, wide: bool) -> nn.Sequential:
    """z_1 → the likelihood's output of so many channels: up c→c S − 1 times, ReLU after each, up to the output.

    The last layers are `image_layers`.
    """
    hidden = [layer for _ in range(size.z1_halvings - 1) for layer in (up(channels, channels), relu())]
    output = image_layers(up, channels, outputs, wide=wide)
    return nn.Sequential(*hidden, *output, *cropped(size.padding(size.z1_halvings)))
