"""An own data set: discs and squares of any size and place, 28 × 28, told apart by their label.

python -m hit.train --extensions examples/shapes_dataset.py --dataset shapes
"""

import torch

from hit.config.parts import DATASETS
from hit.data import Dataset, Split
from hit.data.named import DataRequest

SIDE = 28


def draw(count: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    centre = torch.empty(2, count, 1, 1).uniform_(8, SIDE - 8, generator=generator)
    radius = torch.empty(count, 1, 1).uniform_(3, 7, generator=generator)
    labels = torch.arange(count) % 2
    grid = torch.arange(SIDE).float()
    across, down = (grid.view(1, 1, -1) - centre[0]).abs(), (grid.view(1, -1, 1) - centre[1]).abs()
    disc, square = across.square() + down.square() < radius.square(), torch.maximum(across, down) < 0.85 * radius
    images = torch.where(labels.view(-1, 1, 1).bool(), square, disc)
    return Split(images[:, None].to(torch.uint8) * 255, labels)


@DATASETS.register("shapes", help="discs and squares, drawn here")
def shapes(request: DataRequest) -> Dataset:
    return Dataset(request.name, draw(1000, seed=0), draw(200, seed=1), classes=2)
