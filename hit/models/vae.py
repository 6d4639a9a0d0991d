"""One-layer VAE: z_1 alone, a small feature map, under a standard normal prior."""

__all__ = ["OneLayerInference", "one_layer_decoder"]

from torch import Tensor, nn

from hit.distributions import DiagonalGaussian
from hit.models.hierarchy import Inference
from hit.models.networks import Heads, conv, down, relu, up


class OneLayerInference(Inference):
    """q(z_1|x): down C→c, down c→c, ReLU after each, twin heads conv 5/1/2; z_1 is c × side/4 × side/4."""

    def __init__(self, image_channels: int, side: int, channels: int) -> None:
        super().__init__()
        c = channels
        self.shape = (c, side // 4, side // 4)
        self.features = nn.Sequential(down(image_channels, c), relu(), down(c, c), relu())
        self.heads = Heads(conv(c, c, 5, 1, 2), conv(c, c, 5, 1, 2), self.shape)

    def evidence(self, x: Tensor) -> tuple[Tensor | DiagonalGaussian, ...]:
        return (self.heads(self.features(x)),)

    def posterior(
        self,
        layer: int,
        evidence: Tensor | DiagonalGaussian,
        z_above: Tensor | None,
        prior: DiagonalGaussian | None,
    ) -> DiagonalGaussian:
        assert isinstance(evidence, DiagonalGaussian)
        return evidence


def one_layer_decoder(image_channels: int, channels: int) -> nn.Sequential:
    """z_1 → the likelihood's output: up c→c, ReLU, up c→C."""
    return nn.Sequential(up(channels, channels), relu(), up(channels, image_channels))
