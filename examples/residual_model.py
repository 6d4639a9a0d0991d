"""An own architecture: two layers of latents, maps, with residual blocks of any depth.

python -m hit.train --extensions examples/residual_model.py --model residual --model.depth 2
"""

from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from hit.config import TrainConfig
from hit.config.parts import MODELS
from hit.distributions import LatentDistribution, Likelihood
from hit.models.hierarchy import HierarchicalVAE, Inference
from hit.models.networks import SplitHeads

TOP = 4  # channels of z_2


@dataclass(frozen=True)
class Options:
    depth: Annotated[int, Field(ge=1, le=20, description="residual blocks at every place")] = 1


class Block(nn.Module):
    """h + f(h)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, h: Tensor) -> Tensor:
        return h + self.body(h)


def blocks(channels: int, options: Options) -> list[nn.Module]:
    return [Block(channels) for _ in range(options.depth)]


class Posteriors(Inference):
    """q(z_2|x), and q(z_1|z_2, x) from the features of x beside z_2, doubled to their size."""

    def __init__(self, colours: int, channels: int, options: Options) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(colours, channels, 4, 4), *blocks(channels, options))
        self.high = nn.Sequential(nn.Conv2d(channels, channels, 3, 2, 1), *blocks(channels, options))
        self.top = SplitHeads(nn.Conv2d(channels, 2 * TOP, 3, padding=1))
        self.bottom = SplitHeads(nn.Conv2d(channels + TOP, 2 * channels, 3, padding=1))

    def evidence(self, x: Tensor) -> tuple[Tensor | LatentDistribution, ...]:
        features = self.low(x)
        return features, self.high(features)

    def posterior(
        self, layer: int, evidence: Tensor | LatentDistribution, above: Tensor | None, prior: LatentDistribution | None
    ) -> LatentDistribution:
        assert isinstance(evidence, Tensor)
        if above is None:
            return self.top(evidence)  # type: ignore[no-any-return]
        doubled = nn.functional.interpolate(above, evidence.shape[2:])
        return self.bottom(torch.cat([evidence, doubled], 1))  # type: ignore[no-any-return]


@MODELS.register("residual", help="residual blocks", options=Options, reads={"channels"}, layers=2)
def residual(
    image_shape: tuple[int, int, int], likelihood: Likelihood, options: Options, config: TrainConfig
) -> HierarchicalVAE:
    colours, height, width = image_shape
    c, low = config.channels, (height // 4, width // 4)
    high = ((low[0] + 1) // 2, (low[1] + 1) // 2)
    prior = nn.Sequential(
        nn.Upsample(low),
        nn.Conv2d(TOP, c, 3, padding=1),
        *blocks(c, options),
        SplitHeads(nn.Conv2d(c, 2 * c, 3, padding=1)),
    )
    decoder = nn.Sequential(*blocks(c, options), nn.ConvTranspose2d(c, likelihood.outputs(colours), 4, 4))
    return HierarchicalVAE(Posteriors(colours, c, options), [prior], decoder, likelihood, [(c, *low), (TOP, *high)])
