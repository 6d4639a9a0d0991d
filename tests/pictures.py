"""Folders of large pictures for the tests of streaming."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("bird", "cat", "dog")


def noise(seed: int, width: int, height: int) -> Any:
    """RGB pixels that no two places share: coarse noise, enlarged, so that JPEG keeps it."""
    coarse = np.random.RandomState(seed).randint(0, 256, (height // 10, width // 10, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def large_pictures(root: Path, train: int = 40, test: int = 12, parts: tuple[str, str] = ("train", "test")) -> Path:
    """JPEG files of about 300×280 pixels, wide and high in turn, every fifth one grey."""
    for part, first, count in ((parts[0], 0, train), (parts[1], train, test)):
        for seed in range(first, first + count):
            width, height = (300, 280) if seed % 2 else (280, 310)
            image = Image.fromarray(noise(seed, width, height))
            path = root / part / CLASSES[seed % 3] / f"{seed:03}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            (image.convert("L") if seed % 5 == 0 else image).save(path, quality=90)
    return root
