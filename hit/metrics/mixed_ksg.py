"""I(y; z) of a discrete label and continuous latents from the distances of nearest neighbours."""

__all__ = ["mixed_ksg"]

import itertools
import math

import torch
from torch import Tensor

from hit.metrics.evaluator import EVALUATOR

#: Distances held at once: a few MiB, which stay near a CPU's cache.
_CHUNK = 2**20
#: Dimensions that are looked at before it is asked which points are still near: a quarter of them, these at least.
_FIRST = 32
#: Where no more than this share of pairs is still near, the other dimensions are looked at for these alone, at several
#: times the cost of each.
_FEW = 0.05


@torch.no_grad()
def mixed_ksg(
    samples: Tensor,
    labels: Tensor,
    *,
    neighbours: int = EVALUATOR.ksg_neighbours,
    label_distance: float = math.inf,
    chunk: int = _CHUNK,
) -> float:
    """Mixed-KSG estimate of I(y; z) in nats, from draws z_n and labels y_n.

    Gao et al. 2017 (https://arxiv.org/abs/1709.06212), with digamma in place of the logarithm as in their code:

        I(y; z) ≈ ln N + 1/N Σ_n [ ψ(k_n) − ψ(n_z) − ψ(n_y) ].

    ρ_n is the distance of point n to its k-th neighbour in (z, y), the larger of the two distances in z
    (maximum norm) and in y; n_z and n_y count the points nearer than ρ_n in z, and in y, itself included;
    k_n is k, or the number of points at the same place where ρ_n = 0.

    The distance of two different labels is free. At 1, that of one-hot labels and of the research code, the
    estimate depends on the scale of z and breaks down once neighbours in z are further apart than 1, as
    they are in 20 dimensions: ρ_n then looks past the labels, and the estimate is 0 whatever z tells
    (0.0003 nats where Monte Carlo gives 1.40, on a VAE's z_2). Here it is infinite: ρ_n is the distance to
    the k-th neighbour within the class (of at most its size minus one), n_y the size of the class, and a
    class of one point is left out. That is the estimate of Ross 2014
    (https://doi.org/10.1371/journal.pone.0087357), which no scale of z and no name of a label changes.

    The estimate is biased downwards in high dimensions, and may be negative or exceed H(y).

    Since labels are discrete, the neighbours of a class lie in one slice of a matrix of distances, which
    is made in blocks, dimension by dimension. Where the distance of labels is infinite, the slices of the classes tell
    every ρ_n, and a distance of points of two classes counts for both: N² d / 2 operations. At N = 10,000 that is
    several times faster than k-d trees in 20 dimensions, where trees already look at most points. Of two classes, only
    what is nearer than ρ counts: dimensions are looked at from the widest, and once few pairs are still near, the rest
    of them for these alone.

    Args:
        samples: one draw a point, N × any latent shape.
        labels: N class labels, any integers.
        neighbours: k.
        label_distance: of two different labels.
        chunk: distances held at once; bounds the memory, does not change the result.

    Returns:
        Nats. Not a number where a sample is not finite or no class has two points.

    Raises:
        ValueError: shapes that do not fit, or a k or a distance that is not positive.

    >>> y = torch.arange(1000) % 2
    >>> round(mixed_ksg(10.0 * y[:, None] + torch.linspace(0, 1, 1000)[:, None], y), 2)
    0.69
    """
    if samples.ndim < 2 or labels.shape != samples.shape[:1]:
        raise ValueError(f"expected samples N × d and N labels, got {tuple(samples.shape)} and {tuple(labels.shape)}")
    if neighbours < 1 or not label_distance > 0:
        raise ValueError(f"neighbours and label_distance must be positive, got {neighbours} and {label_distance}")
    labels = labels.to(samples.device)
    order = labels.argsort(stable=True)  # so that a class is a slice of columns
    classes, counts = torch.unique_consecutive(labels[order], return_counts=True)
    if math.isinf(label_distance):
        order = order[torch.isin(labels[order], classes[counts > 1])]
        counts = counts[counts > 1]
    z = samples.flatten(1)[order]
    points = len(z)
    if points < 2 or not z.isfinite().all():
        return math.nan
    z = z[:, z.var(0).argsort(descending=True)]  # where most points part soonest
    columns = z.T.contiguous()
    k, of_label, near = (torch.zeros(points, dtype=torch.int64, device=z.device) for _ in range(3))
    radius = z.new_zeros(points)
    classes_at = _slices(counts.tolist())
    for of_class, count in zip(classes_at, counts.tolist(), strict=True):
        looked_at = of_class if math.isinf(label_distance) else slice(0, points)
        own_at = slice(of_class.start - looked_at.start, of_class.stop - looked_at.start)
        for rows in _parts(of_class, chunk // (looked_at.stop - looked_at.start)):
            distances = _distances(columns[:, rows], columns[:, looked_at])
            own = distances[:, own_at]
            radius[rows] = reach = _radius(distances, own, neighbours, label_distance)
            near[rows] = _within(distances, reach[:, None]).sum(1)
            most = min(neighbours, _most(count, points, label_distance))
            k[rows] = torch.where(reach == 0, (own == 0).sum(1), most)
            of_label[rows] = torch.where(reach > label_distance, points, count)
    # What follows a class: what it has near, and what has it near.
    for of_class in classes_at if math.isinf(label_distance) else []:
        after = slice(of_class.stop, points)
        for rows in _parts(of_class, chunk // max(1, points - of_class.stop)):
            of_rows, of_after = _near(z, columns, radius, rows, after)
            near[rows] += of_rows
            near[after] += of_after
    return float((_digamma(k) - _digamma(near) - _digamma(of_label)).sum()) / points + math.log(points)


def _slices(counts: list[int]) -> list[slice]:
    """Those of consecutive classes of so many points."""
    stops = [*itertools.accumulate(counts)]
    return [slice(stop - count, stop) for stop, count in zip(stops, counts, strict=True)]


def _parts(whole: slice, rows: int) -> list[slice]:
    """A slice in parts of so many rows, one at least."""
    step = max(1, rows)
    return [slice(first, min(first + step, whole.stop)) for first in range(whole.start, whole.stop, step)]


def _within(distances: Tensor, radius: Tensor) -> Tensor:
    """Whether points are nearer than the radius; where that is 0, whether they are at the same place."""
    return distances < radius.clamp_min(torch.finfo(radius.dtype).tiny)


def _radius(distances: Tensor, own: Tensor, neighbours: int, label_distance: float) -> Tensor:
    """ρ of each row: the k-th neighbour is of the class, unless another label is nearer than that."""
    size, points = own.shape[1], distances.shape[1]
    if math.isinf(label_distance):
        return _smallest(own, 1 + min(neighbours, size - 1))
    nowhere = own.new_full((len(own),), math.inf)
    within = _smallest(own, 1 + neighbours) if size > neighbours else nowhere
    beyond = _smallest(distances, 1 + min(neighbours, points - 1)).clamp_min(label_distance)
    return torch.where(within < label_distance, within, beyond)


def _most(count: int, points: int, label_distance: float) -> int:
    """How many neighbours there are to choose from."""
    return (count if math.isinf(label_distance) else points) - 1


def _smallest(distances: Tensor, place: int) -> Tensor:
    """The smallest but so many of each row, the first counted; ten times faster than `kthvalue` where these are few."""
    return distances.topk(place, largest=False).values[:, -1]


def _near(z: Tensor, columns: Tensor, radius: Tensor, rows: slice, after: slice) -> tuple[Tensor, Tensor]:
    """How many of the points `after` each of `rows` has within its radius, and how many of `rows` each of those has.

    Args:
        z, columns: all points, N × d, and d × N.
        radius: of each, N.
    """
    some, others, of_some, of_others = z[rows], z[after], radius[rows], radius[after]
    dims = len(columns)
    distances = z.new_zeros(len(some), len(others))
    for seen in range(0, dims, step := max(_FIRST, dims // 4)):
        part = columns[seen : seen + step]
        distances = _distances(part[:, rows], part[:, after], distances)
        has, is_had = _within(distances, of_some[:, None]), _within(distances, of_others)
        if seen + step < dims and (pairs := (has | is_had).nonzero()).numel() <= 2 * _FEW * distances.numel():
            break
    else:
        return has.sum(1), is_had.sum(0)
    counts = pairs.new_zeros(len(some)), pairs.new_zeros(len(others))
    for own, other in (part.unbind(1) for part in pairs.split(max(1, _CHUNK // dims))):
        rest = some[:, seen + step :].index_select(0, own).sub_(others[:, seen + step :].index_select(0, other))
        reached = torch.maximum(distances[own, other], rest.abs_().amax(1))
        for count, point, reach in zip(counts, (own, other), (of_some, of_others), strict=True):
            count += point[_within(reached, reach[point])].bincount(minlength=len(count))
    return counts


def _distances(rows: Tensor, columns: Tensor, least: Tensor | None = None) -> Tensor:
    """max_d |z_nd − z_id|, from d × n and d × N to n × N; several times faster than torch.cdist for this norm.

    Args:
        least: the distances by other dimensions, which become those by all.
    """
    largest = columns.new_zeros(rows.shape[1], columns.shape[1]) if least is None else least
    difference = torch.empty_like(largest)
    for own, every in zip(rows, columns, strict=True):
        torch.sub(every, own[:, None], out=difference)
        torch.maximum(largest, difference.abs_(), out=largest)
    return largest


def _digamma(count: Tensor) -> Tensor:
    return count.double().digamma()
