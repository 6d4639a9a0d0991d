"""What latents tell of the label: H(y), and I(y; z) by Monte Carlo over all pairs of points, or from counts."""

__all__ = ["categorical_information_density", "entropy", "information_density"]

import math
from collections.abc import Callable

import torch
from torch import Tensor

#: Densities held at once: 16 MiB of float64, which stays near a CPU's cache.
_CHUNK = 2**21

#: The worst rounding error of a matrix product allowed in one log q_i(z), nats, before it is written out
#: instead. It bounds every sum at its largest; the estimate's own error is measured to be 1,000 times smaller.
_TOLERANCE = 1e-4

#: Below it a posterior is a point; the square of its inverse is still a double.
_SMALLEST_STD = 1e-150


def entropy(labels: Tensor) -> float:
    """H(y) = −Σ_c p(c) ln p(c) of the class frequencies, nats.

    Args:
        labels: N class labels, any integers.

    Raises:
        ValueError: there are no labels.

    >>> round(entropy(torch.tensor([3, 3, 7, 7])), 6)
    0.693147
    """
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"expected a vector of at least one label, got shape {tuple(labels.shape)}")
    frequencies = torch.unique(labels, return_counts=True)[1].double() / len(labels)
    return float(torch.special.entr(frequencies).sum())


@torch.no_grad()
def information_density(
    mean: Tensor,
    std: Tensor,
    labels: Tensor,
    samples: Tensor | None = None,
    *,
    generator: torch.Generator | None = None,
    chunk: int = _CHUNK,
) -> Tensor:
    """ln q(z_n|y_n) − ln q(z_n) at one draw z_n ~ q_n = N(mean_n, std_n²) a point; its mean estimates I(y; z).

    With q(z|y) the mixture of the posteriors of the points of class y, and q(z) that of all,

        I(y; z) = E[ln q(z|y) − ln q(z)] ≈ H(y) + 1/N Σ_n [ ln Σ_{i: y_i = y_n} q_i(z_n) − ln Σ_i q_i(z_n) ],

    as in https://arxiv.org/abs/2302.04855; mixtures are over the N points at hand, and so is I(y; z).
    The spread of the terms over √N is the standard error of that mean, which never exceeds H(y). It is not clipped
    at 0: where there is next to no information, noise of order 1/√N makes small negative estimates.

    Where the posteriors are themselves draws (those of z_l for l < L depend on one drawn z_{l+1} a point),
    the mixtures are estimates, I(y; z) is convex in them, and the mean is biased upwards.

    The N² log densities are matrix products, ln q_i(z) = z²·(−½/s_i²) + z·(m_i/s_i²) + const_i, in
    float64 with z and m centred. Where the terms are so large (s tens of thousands of times smaller than
    the spread of z) that their cancellation could show in the estimate at 1e-6 nats, the squares are
    written out instead, which is some ten times slower.

    Args:
        mean: posterior means, N × any latent shape.
        std: posterior standard deviations, shaped like `mean`. A zero is a posterior at one point.
        labels: N class labels, any integers.
        samples: one draw from each posterior, shaped like `mean`, by default drawn with `generator`.
        generator: source of the draws, on the device of `mean`; needed where there are no `samples`.
        chunk: densities held at once; bounds the memory, hardly changes the result.

    Returns:
        N numbers in nats, float64, in the order of the points. Not a number where an input is not finite.

    Raises:
        ValueError: shapes that do not fit, a negative std, or neither or both of samples and generator.

    >>> mean, labels = torch.tensor([[-9.0], [-8.0], [8.0], [9.0]]), torch.tensor([0, 0, 1, 1])
    >>> density = information_density(mean, torch.full_like(mean, 0.1), labels, generator=torch.Generator())
    >>> round(float(density.mean()), 6)
    0.693147
    """
    _check(mean, std, labels, samples, generator)
    labels = labels.to(mean.device)
    order = labels.argsort(stable=True)  # so that a class is a slice of columns
    counts = torch.unique_consecutive(labels[order], return_counts=True)[1].tolist()
    m, s = (tensor.flatten(1).double()[order] for tensor in (mean, std))
    s = s.clamp_min(_SMALLEST_STD)
    if samples is None:
        z = torch.randn(m.shape, generator=generator, dtype=m.dtype, device=m.device).mul_(s).add_(m)
    else:
        z = samples.flatten(1).double()[order]
    centre = m.mean(0)
    m, z = m - centre, z - centre
    log_densities = _log_densities(m, s, spread=torch.maximum(m.abs().amax(0), z.abs().amax(0)))
    rows = max(1, chunk // len(m))
    terms = torch.empty(len(m), dtype=m.dtype, device=m.device)
    stop = 0
    for count in counts:
        start, stop = stop, stop + count
        for first in range(start, stop, rows):
            last = min(first + rows, stop)
            logs = log_densities(z[first:last])
            same_class = logs[:, start:stop].logsumexp(1)
            peak = logs.amax(1)
            every_class = logs.sub_(peak[:, None]).exp_().sum(1).log_().add_(peak)
            terms[order[first:last]] = same_class - every_class - math.log(count / len(m))
    return terms


def categorical_information_density(categories: Tensor, labels: Tensor) -> Tensor:
    """ln p(c_n, y_n) / (p(c_n) p(y_n)) from counts; its mean is I(y; c) of the empirical distribution.

    For N independent points it exceeds the truth by (K − 1)(M − 1) / 2N on average, to first order
    (Miller 1955), with K categories and M classes that occur. It is from 0 to H(y).

    Args:
        categories: N categories, any integers, such as those of one-hot draws of a categorical latent.
        labels: N class labels, any integers.

    Returns:
        N numbers in nats, float64.

    Raises:
        ValueError: not as many labels as categories, or none at all.

    >>> density = categorical_information_density(torch.tensor([5, 5, 2, 2]), torch.tensor([0, 0, 1, 1]))
    >>> round(float(density.mean()), 6)
    0.693147
    """
    if categories.ndim != 1 or categories.shape != labels.shape or len(labels) == 0:
        raise ValueError(f"expected N categories and N labels, got {tuple(categories.shape)} and {tuple(labels.shape)}")
    c, y = (torch.unique(tensor, return_inverse=True)[1] for tensor in (categories, labels))
    classes = int(y.max()) + 1
    joint = torch.bincount(c * classes + y, minlength=(int(c.max()) + 1) * classes).double().view(-1, classes)
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True) / len(labels)
    return (joint[c, y] / independent[c, y]).log()


def _log_densities(m: Tensor, s: Tensor, spread: Tensor) -> Callable[[Tensor], Tensor]:
    """The function of draws z (n × d) to ln q_i(z) up to one constant (n × N), for posteriors m, s (N × d).

    `spread` (d) bounds |m| and |z|, and so the terms that have to cancel.
    """
    precision = s.pow(-2)
    error = torch.finfo(m.dtype).eps * float((spread.square() * precision.amax(0)).sum())
    log_norm = s.log().sum(1)
    if error > _TOLERANCE:

        def written_out(z: Tensor) -> Tensor:
            logs = (-log_norm).repeat(len(z), 1)
            for zk, mk, sk in zip(z.T, m.T, s.T, strict=True):
                logs.sub_(zk[:, None].sub(mk).div_(sk).square_(), alpha=0.5)
            return logs

        return written_out

    linear = m * precision
    weights = torch.cat([-0.5 * precision, linear], 1).T
    constant = -0.5 * (m * linear).sum(1) - log_norm

    def product(z: Tensor) -> Tensor:
        return torch.addmm(constant, torch.cat([z.square(), z], 1), weights)

    return product


def _check(
    mean: Tensor, std: Tensor, labels: Tensor, samples: Tensor | None, generator: torch.Generator | None
) -> None:
    for name, tensor in (("std", std), ("samples", samples)):
        if tensor is not None and tensor.shape != mean.shape:
            raise ValueError(f"expected {name} of shape {tuple(mean.shape)} as mean, got {tuple(tensor.shape)}")
    if mean.ndim < 2 or labels.shape != mean.shape[:1]:
        raise ValueError(f"expected mean N × d and N labels, got {tuple(mean.shape)} and {tuple(labels.shape)}")
    if (std < 0).any():
        raise ValueError(f"std must not be negative, got {float(std.min())}")
    if (samples is None) == (generator is None):
        raise ValueError("expected samples or a generator to draw them, and not both")
