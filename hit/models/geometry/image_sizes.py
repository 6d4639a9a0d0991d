"""How often the networks halve images of any size, and what they are padded to before it."""

__all__ = ["LARGEST_SIDE", "SMALLEST_SIDE", "ImageSize", "check_sides"]

from dataclasses import dataclass

from hit.errors import ConfigError

#: Sides of the images that models exist for, pixels.
SMALLEST_SIDE, LARGEST_SIDE = 8, 256


@dataclass(frozen=True)
class ImageSize:
    """H × W pixels, and the maps that networks make of them.

    From the image to the smallest map both sides are halved T times: so often that its places are as nearly 4 × 4 as
    powers of four allow, but twice at least, and never so often that its shorter side would have one place alone:

        T = min(max(round(log4(H W / 16)), 2), ceil(log2(min(H, W))) − 1)

    A map of z_1 that stands over a smaller map, or over none, lies two thirds of the way down, ⌊2T/3⌋ halvings. So it
    is in the networks of the paper:

    | pixels | 8 × 8 | 16 × 16 | 28 × 28, 32 × 32 | 64 × 64 | 128 × 128 | 256 × 256 |
    |---|---|---|---|---|---|---|
    | T | 2 | 2 | 3 | 4 | 5 | 6 |
    | smallest map | 2 × 2 | 4 × 4 | 4 × 4 | 4 × 4 | 4 × 4 | 4 × 4 |
    | ⌊2T/3⌋ | 1 | 1 | 2 | 2 | 3 | 4 |
    | map of z_1 | 4 × 4 | 8 × 8 | 8 × 8 | 16 × 16 | 16 × 16 | 16 × 16 |

    Sides that cannot be halved so often are padded with zeros, one half at either end, by each network that looks at
    the image, and the decoder crops what it gives: likelihoods see the pixels of the image and no others.

    Args:
        height: H.
        width: W.

    >>> ImageSize(17, 64).halvings, ImageSize(17, 64).padding(3), ImageSize(17, 64).map_sides(3)
    (3, (0, 0, 3, 4), (3, 8))
    """

    height: int
    width: int

    @property
    def halvings(self) -> int:
        """T."""
        nearest = ((self.height * self.width // 8).bit_length() - 1) // 2  # the largest T with H W / 16 ≥ 4^(T − ½)
        most = (min(self.height, self.width) - 1).bit_length() - 1
        return min(max(2, nearest), most)

    @property
    def z1_halvings(self) -> int:
        """⌊2T/3⌋."""
        return 2 * self.halvings // 3

    def padding(self, halvings: int) -> tuple[int, int, int, int]:
        """Pixels to the left, right, top and bottom with which both sides can be halved so often."""
        return *_both_ends(self.width, halvings), *_both_ends(self.height, halvings)

    def map_sides(self, halvings: int, padded_for: int | None = None) -> tuple[int, int]:
        """Height and width of a map so many halvings below an image that is padded for T of them, or `padded_for`."""
        left, right, top, bottom = self.padding(self.halvings if padded_for is None else padded_for)
        return top + self.height + bottom >> halvings, left + self.width + right >> halvings


def check_sides(image_shape: tuple[int, int, int], dataset: str) -> None:
    """Raise ConfigError unless networks exist for images of this shape (C, H, W) of a data set of this name."""
    _, height, width = image_shape
    if min(height, width) < SMALLEST_SIDE or max(height, width) > LARGEST_SIDE:
        raise ConfigError(
            f"dataset must have images of {SMALLEST_SIDE}×{SMALLEST_SIDE} to {LARGEST_SIDE}×{LARGEST_SIDE} pixels, "
            f"got {height}×{width} ({dataset})"
        )


def _both_ends(side: int, halvings: int) -> tuple[int, int]:
    missing = -side % (1 << halvings)
    return missing // 2, missing - missing // 2
