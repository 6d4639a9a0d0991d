"""Pictures of what a model does, as files of its run and for the MLflow UI."""

__all__ = ["log_pictures"]

import logging
from functools import cache

from hit.data import Dataset
from hit.evaluation.pictures import PICTURED, drawn_channels, reconstructions, samples, save_grid, traversal
from hit.models import HierarchicalVAE
from hit.tracking import RunWriter
from hit.ui.views import IMAGE_KEYS

_LOG = logging.getLogger(__name__)


def log_pictures(run: RunWriter, model: HierarchicalVAE, dataset: Dataset) -> None:
    """Reconstructions, samples, and what every layer does along its prior, as files; the first two for the UI, too.

    The files are in a folder of their own: the UI's image grid shows nothing of a run whose folder `images` holds
    a file that is not named as MLflow's `log_image` names it.
    """
    channels = dataset.image_shape[0]
    if drawn_channels(channels) < channels:
        _say_once(f"pictures show the first {drawn_channels(channels)} of {channels} channels")
    images = dataset.test.head(PICTURED)
    grids = {"reconstructions": reconstructions(model, images), "samples": samples(model)}
    for layer in range(1, model.layers + 1):
        grids[f"traversal_z{layer}"] = traversal(model, layer)
    for name, grid in grids.items():
        path = save_grid(grid, run.folder / f"{name}.png")
        run.artifact(path, "pictures")
        if name in IMAGE_KEYS:
            run.image(path, name)


@cache
def _say_once(text: str) -> None:
    """Once a process, however many models it measures."""
    _LOG.info("%s", text)
