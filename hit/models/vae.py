"""One-layer VAE: z_1 alone, a small feature map, under a standard normal prior."""

__all__ = ["OneLayerInference", "one_layer_decoder"]

from torch import Tensor, nn

from hit.distributions import LatentDistribution
from hit.models.geometry.image_sizes import ImageSize
from hit.models.hierarchy import Inference
from hit.models.networks import Heads, cropped, down, flat5, image_layers, padded, relu, up


class OneLayerInference(Inference):
    """q(z_1|x): down C→c, down c→c …, S in all, ReLU after each, twin heads conv 5/1/2.

    z_1 is a map S = ⌊2T/3⌋ halvings below the image (`ImageSize`): c × H/4 × W/4 of 28 to 64 pixels.
    """

    def __init__(self, image_channels: int, size: ImageSize, channels: int) -> None:
        super().__init__()
        c = channels
        count = size.z1_halvings
        self.shape = (c, *size.map_sides(count, padded_for=count))
        inputs = [image_channels, *(c for _ in range(count - 1))]
        halvings = [layer for channels in inputs for layer in (down(channels, c), relu())]
        self.features = nn.Sequential(*padded(size.padding(count)), *halvings)
        self.heads = Heads(flat5(c, c), flat5(c, c), self.shape)

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


def one_layer_decoder(size: ImageSize, channels: int, outputs: int, *, wide: bool) -> nn.Sequential:
    """z_1 → the likelihood's output of so many channels: up c→c S − 1 times, ReLU after each, up to the output.

    The last layers are `image_layers`.
    """
    hidden = [layer for _ in range(size.z1_halvings - 1) for layer in (up(channels, channels), relu())]
    output = image_layers(up, channels, outputs, wide=wide)
    return nn.Sequential(*hidden, *output, *cropped(size.padding(size.z1_halvings)))
