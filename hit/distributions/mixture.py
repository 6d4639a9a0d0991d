"""The discretised mixture of logistics of PixelCNN++: a probability for each of the 256 levels of a pixel."""

__all__ = ["MixtureOfLogistics"]

from dataclasses import dataclass

import torch
from torch import Tensor

from hit.distributions.likelihoods import Likelihood
from hit.distributions.softplus import softplus

_COMPONENTS = 10
#: Channels whose couplings stand beside their means, as in PixelCNN++.
_COLOUR = 3
_HIGHEST_LEVEL = 255
#: Half the distance of two levels on [−1, 1].
_HALF = 1 / 255
#: The lower limit of log s is the research code's; above the upper one, float32 has no number for a bin's share.
_LOWEST_LOG_SCALE, _HIGHEST_LOG_SCALE = -7.0, 80.0


@dataclass(frozen=True)
class _Parts:
    """A decoder's output, cut up. K components, C channels."""

    logits: Tensor  # batch × K × H × W
    means: Tensor  # batch × C × K × H × W
    log_scales: Tensor  # the same
    couplings: Tensor  # c_10, c_20, c_21, c_30 … in place of C, within (−1, 1); of one channel none


class MixtureOfLogistics(Likelihood):
    """p(x|z_1) = Π_pixels Σ_k π_k Π_channels P_k(x_c | x_<c), of K = 10 components (https://arxiv.org/abs/1701.05517).

    With x on [−1, 1] and a = (x − m + 1/255)/s, b = (x − m − 1/255)/s, a level has P(x) = σ(a) − σ(b), where
    a = ∞ at the highest and b = −∞ at the lowest level, so that the 256 add up to one. The channels of a
    component lean on those before: m_0 = μ_0, m_1 = μ_1 + c_10 x_0, m_2 = μ_2 + c_20 x_0 + c_21 x_1, and so on for
    more channels. A grey image has one channel, which leans on none.

    x stays in [0, 1] as everywhere. `output` of colour has 10 K channels: K logits of π, then for each
    channel K means μ, K log s and K numbers whose tanh is a coupling; that of grey 3 K: logits, means and log s.
    Of any other C it has K (1 + 2C + C (C − 1)/2): logits, for each channel means and log s, then all couplings.

    Args:
        channels: C.
    """

    discrete = True

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels

    def outputs(self, image_channels: int) -> int:
        assert image_channels == self.channels
        couplings = self.channels * (self.channels - 1) // 2
        return _COMPONENTS * (1 + 2 * self.channels + couplings)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        parts = self._cut(output)
        x = (2 * x - 1).unsqueeze(2)
        centred = x - self._conditioned(parts, x)
        logs = _log_bin(x, centred, parts.log_scales).sum(1) + parts.logits.log_softmax(1)
        return logs.logsumexp(1).flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z_1] in [0, 1], shaped like x.

        Of each component, a logistic variable cut off at −1 and 1 has the mean that is taken; below half a
        level from that of the discrete one. Channels lean on the *means* of those before, which is exact
        where nothing is cut off (the coupling is linear); there is no closed form of the rest.
        """
        parts = self._cut(output)
        scales = parts.log_scales.exp()
        means: list[Tensor] = []
        for channel in range(self.channels):
            m = _coupled(parts, means, channel)
            means.append(_cut_off_mean(m, scales[:, channel]))
        weights = parts.logits.softmax(1).unsqueeze(1)
        return ((torch.stack(means, 1) * weights).sum(2) + 1) / 2

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A draw of x on the 256 levels of [0, 1]: a component a pixel, then its channels in turn."""
        parts = self._cut(output)
        chosen = torch.multinomial(
            parts.logits.softmax(1).movedim(1, -1).reshape(-1, _COMPONENTS), 1, generator=generator
        )
        batch, _, height, width = parts.logits.shape
        index = chosen.view(batch, 1, height, width)
        levels: list[Tensor] = []
        for channel in range(self.channels):
            m = _coupled(parts, [level.expand_as(parts.means[:, channel]) for level in levels], channel).gather(
                1, index
            )
            scale = parts.log_scales[:, channel].gather(1, index).exp()
            uniform = torch.rand(m.shape, generator=generator, device=m.device, dtype=m.dtype)
            x = m + scale * uniform.logit(eps=torch.finfo(m.dtype).eps)
            levels.append((((x + 1) / (2 * _HALF)).round().clamp(0, 255)) * (2 * _HALF) - 1)
        return (torch.cat(levels, 1) + 1) / 2

    def cumulative(self, output: Tensor, x: Tensor, channel: int, levels: Tensor) -> Tensor:
        """P(x_c < level | x_<c, z_1) of one channel c of every pixel, the channels before it given.

        Components keep the weight that the channels before have left them: π_k Π P_j(x_j | x_<j) over j < c.

        Args:
            output: of the decoder, batch × `outputs(C)` × H × W.
            x: in [0, 1], batch × C × H × W, of which the first c channels are looked at.
            channel: c, counted from 0.
            levels: whole numbers from 0 to 256, batch × n × H × W, or 1 in place of any of them but n.

        Returns:
            batch × n × H × W.
        """
        parts = self._cut(output)
        x = (2 * x - 1).unsqueeze(2)
        before = [x[:, earlier] for earlier in range(channel)]
        logs = parts.logits.log_softmax(1)
        for earlier, value in enumerate(before):
            m = _coupled(parts, before[:earlier], earlier)
            logs = logs + _log_bin(value, value - m, parts.log_scales[:, earlier])
        m, inverse = _coupled(parts, before, channel), (-parts.log_scales[:, channel]).exp()
        edges = (2 * levels - 1) * _HALF - 1  # the lower ends of the levels
        below = ((edges.unsqueeze(1) - m.unsqueeze(2)) * inverse.unsqueeze(2)).sigmoid()
        share = (below * logs.softmax(1).unsqueeze(2)).sum(1)
        return share.masked_fill(levels <= 0, 0).masked_fill(levels > _HIGHEST_LEVEL, 1)

    def _cut(self, output: Tensor) -> _Parts:
        batch, _, height, width = output.shape
        rest = output[:, _COMPONENTS:]
        if self.channels == _COLOUR:
            of_channels = rest.view(batch, self.channels, -1, height, width)
            means, log_scales, couplings = of_channels.tensor_split((_COMPONENTS, 2 * _COMPONENTS), 2)
        else:
            own = 2 * _COMPONENTS * self.channels
            means, log_scales = rest[:, :own].view(batch, self.channels, -1, height, width).chunk(2, 2)
            pairs = self.channels * (self.channels - 1) // 2
            couplings = rest[:, own:].view(batch, pairs, _COMPONENTS, height, width)
        return _Parts(
            output[:, :_COMPONENTS],
            means,
            log_scales.clamp(_LOWEST_LOG_SCALE, _HIGHEST_LOG_SCALE),
            couplings.tanh(),
        )

    def _conditioned(self, parts: _Parts, x: Tensor) -> Tensor:
        """m of every channel, given the channels of x (batch × C × 1 × H × W)."""
        before = [x[:, channel] for channel in range(self.channels)]
        return torch.stack([_coupled(parts, before[:channel], channel) for channel in range(self.channels)], 1)


def _coupled(parts: _Parts, before: list[Tensor], channel: int) -> Tensor:
    """m of a channel, batch × K × H × W, given the channels before it."""
    m = parts.means[:, channel]
    first = channel * (channel - 1) // 2  # c_10 | c_20, c_21
    for offset, value in enumerate(before):
        m = torch.addcmul(m, parts.couplings[:, first + offset], value)
    return m


def _log_bin(x: Tensor, centred: Tensor, log_scales: Tensor) -> Tensor:
    """log(σ(a) − σ(b)) = −softplus(−a) − softplus(b) + log(1 − e^(b − a)), which no difference of σs would survive."""
    inverse = (-log_scales).exp()
    lowest, highest = x < -1 + _HALF, x > 1 - _HALF
    a, b = (centred + _HALF) * inverse, (centred - _HALF) * inverse
    below_a = softplus(-a).masked_fill(highest, 0)
    above_b = softplus(b).masked_fill(lowest, 0)
    share = (-torch.expm1(-2 * _HALF * inverse)).log().masked_fill(lowest | highest, 0)
    return share - below_a - above_b


def _cut_off_mean(m: Tensor, scale: Tensor) -> Tensor:
    """E[clip(X, −1, 1)] of a logistic X: −1 + s (softplus((m + 1)/s) − softplus((m − 1)/s)), within [−1, 1]."""
    width, lower = 2 / scale, (m - 1) / scale
    narrow = softplus((m + 1) / scale) - softplus(lower)
    wide = (lower.sigmoid() * width.clamp(max=1).expm1()).log1p()  # the same where the difference would cancel
    return (scale * torch.where(width < 1, wide, narrow) - 1).clamp(-1, 1)
