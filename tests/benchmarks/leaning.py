"""Draws and weights of a surface's training that lean to strong β_L, for comparison with those that it has."""

__all__ = ["Leaning", "LeaningBeta"]

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.data import LabelledImages
from hit.errors import ConfigError
from hit.models.surface_model import SurfaceModel
from hit.training.beta_policies import SampledBeta
from hit.training.beta_sampling import LOSS_POWER, TOP_POWER, WIDENED_AT, draw_betas, range_share, top_power

#: Of the range of log β_L, where the last phase draws from.
_TOP = 0.75


@dataclass(frozen=True)
class Leaning:
    """By how much; by default all is as it is.

    Attributes:
        top_power: the density of log β_L rises along its range as its place to this power, less in under 10,000 steps.
        last_share: of the steps, in which half of β_L are from the top quarter of the range.
        loss_power: of mean β + 0.3, which divides losses.
        widened_at: the share of steps after which β are drawn from all of the range.
        learning_rate: the highest of the cycle; 0: that of the config.
    """

    top_power: float = TOP_POWER
    last_share: float = 0.0
    loss_power: float = LOSS_POWER
    widened_at: float = WIDENED_AT
    learning_rate: float = 0.0

    @classmethod
    def of(cls, text: str) -> "Leaning":
        """What a text as `top_power=1+last_share=0.2` says; `as_it_is` is without any.

        >>> Leaning.of("loss_power=0.4+last_share=0.2")
        Leaning(top_power=0.5, last_share=0.2, loss_power=0.4, widened_at=0.2, learning_rate=0.0)
        """
        if text == "as_it_is":
            return cls()
        names = [field.name for field in fields(cls)]
        told = dict(part.partition("=")[::2] for part in text.split("+"))
        if wrong := [name for name in told if name not in names]:
            raise ConfigError(f"arms must be as_it_is or some of {', '.join(names)}, got {wrong[0]!r}")
        try:
            return cls(**{name: float(value) for name, value in told.items()})
        except ValueError:
            raise ConfigError(f"arms must name numbers, got {text!r}") from None


class LeaningBeta(SampledBeta):
    """β drawn for every image of every batch, more of them with strong β_L than usual.

    Args:
        leaning: by how much.
        config: of the training.
        surface: that is trained.
        train: its images.
    """

    def __init__(self, leaning: Leaning, config: TrainConfig, surface: SurfaceModel, train: LabelledImages) -> None:
        low, high = surface.beta_low, surface.beta_high
        super().__init__(config, len(train), low, high, train.device, leaning.loss_power)
        self._leaning = leaning

    def draw(self, images: int, step: int) -> Tensor:
        share = range_share(step, self._steps, self._leaning.widened_at)
        power = top_power(self._steps, self._leaning.top_power)
        drawn = draw_betas(images, self._config.layers, self._low, self._high, self._source, share, power)
        if step >= (1 - self._leaning.last_share) * self._steps:  # rows are in an order by chance
            low, span = math.log(self._low), math.log(self._high / self._low)
            place = (drawn[:, -1].log() - low) / span
            place = torch.where(torch.arange(images) % 2 == 0, _TOP + (1 - _TOP) * place, place)
            drawn[:, -1] = (low + span * place).exp()
        return drawn
