"""One-layer VAE: z_1 alone, a small feature map, under a standard normal prior."""

__all__ = ["OneLayerInference", "one_layer_decoder"]

from torch import Tensor, nn

from hit.distributions import LatentDistribution
from hit.models.hierarchy import Inference
from hit.models.networks import Heads, down, flat5, image_layers, relu, up


class OneLayerInference(Inference):
    """q(z_1|x): down C→c, down c→c, ReLU after each, twin heads conv 5/1/2; z_1 is c × side/4 × side/4."""

    def __init__(self, image_channels: int, side: int, channels: int) -> None:
        super().__init__()
        c = channels
        self.shape = (c, side // 4, side // 4)
        self.features = nn.Sequential(down(image_channels, c), relu(), down(c, c), relu())
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


def one_layer_decoder(channels: int, outputs: int, *, wide: bool) -> nn.Sequential:
    """z_1 → the likelihood's output of so many channels: up c→c, ReLU, up to the output; as in `image_layers`."""
    return nn.Sequential(up(channels, channels), relu(), *image_layers(up, channels, outputs, wide=wide))
