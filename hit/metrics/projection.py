"""Principal components: latents of any dimension as points that can be looked at."""

__all__ = ["Projection", "principal_components"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_COMPONENTS = 3


@dataclass(frozen=True, eq=False)
class Projection:
    """Points in the plane or space that keeps most of their variance.

    Attributes:
        coordinates: N × C, the first principal components, centred.
        shares: of the total variance on each of the C components, falling; none where there is no variance.
    """

    coordinates: NDArray[np.float64]
    shares: tuple[float, ...]


def principal_components(features: ArrayLike, components: int = _COMPONENTS) -> Projection:
    """The first principal components of points, by scikit-learn, with signs that do not depend on the machine.

    Args:
        features: N × any latent shape, such as posterior means.
        components: C at most; fewer where the points or their dimensions are fewer.

    Raises:
        ValueError: there are no points, or not all numbers are finite.

    >>> line = principal_components([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]], components=1)
    >>> line.coordinates.round(6).ravel().tolist(), [round(share, 6) for share in line.shares]
    ([-5.0, 0.0, 5.0], [1.0])
    """
    # Imported here, as for the probes: it takes seconds.
    from sklearn.decomposition import PCA

    x = np.asarray(features, dtype=np.float64)
    if x.ndim < 2 or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError(f"expected finite features N × d of at least one point, got shape {x.shape}")
    x = x.reshape(len(x), -1)
    count = min(components, *x.shape)
    if np.ptp(x, axis=0).max() == 0:
        return Projection(np.zeros((len(x), count)), ())
    found = PCA(count, random_state=0).fit(x)  # of many dimensions it draws
    return Projection(found.transform(x), tuple(found.explained_variance_ratio_.tolist()))
