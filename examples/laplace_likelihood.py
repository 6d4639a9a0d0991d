"""An own likelihood: a Laplace distribution of every pixel, of one scale.

python -m hit.train --extensions examples/laplace_likelihood.py --likelihood laplace --likelihood.scale 0.1
"""

import math
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from hit.config import TrainConfig
from hit.config.parts import LIKELIHOODS
from hit.distributions import Likelihood


@dataclass(frozen=True)
class Options:
    scale: Annotated[float, Field(gt=0, le=100, description="in units of the pixel range [0, 1]")] = 0.2


class Laplace(Likelihood):
    """p(x|z_1) = Π exp(−|x − output| / b) / 2b."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        return -((x - output).abs() / self.scale + math.log(2 * self.scale)).flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        return output

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        u = torch.rand(output.shape, generator=generator, device=output.device) - 0.5
        return output - self.scale * u.sign() * torch.log1p(-2 * u.abs().clamp(max=0.4999999))


@LIKELIHOODS.register("laplace", help="one scale", options=Options)
def laplace(image_shape: tuple[int, int, int], options: Options, config: TrainConfig) -> Laplace:
    return Laplace(options.scale)
