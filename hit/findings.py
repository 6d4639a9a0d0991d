"""What was found out about a model, written to its run: numbers with their verdicts, projections, pictures."""

__all__ = ["log_measurement", "log_pictures"]

from collections.abc import Mapping

from torch import Tensor

from hit.data import Dataset
from hit.measuring import Measurement
from hit.metrics import violations
from hit.models import HierarchicalVAE
from hit.pictures import PICTURED, reconstructions, samples, save_grid, traversal
from hit.scatter import save_coordinates, save_scatter
from hit.schema import Tag
from hit.tracking import RunWriter
from hit.ui_views import IMAGE_KEYS


def log_measurement(
    run: RunWriter, measured: Measurement, epochs: int, labels: Tensor, earlier: Mapping[str, float] | None = None
) -> None:
    """Metrics and tags of a measurement, which bounds are exceeded, and the principal components by label.

    Args:
        run: where to.
        measured: what.
        epochs: of the model; the step of the metrics.
        labels: of the test images.
        earlier: metrics that the run has already; the new ones stand above them.
    """
    run.metrics(measured.metrics, step=epochs, sync=True)
    run.tags(measured.tags | {Tag.BOUND_VIOLATIONS: violations({**(earlier or {}), **measured.metrics})})
    if measured.projections:
        for layer, projection in measured.projections.items():
            run.artifact(save_coordinates(projection, labels, run.folder / f"pca_z{layer}.csv"), "latents")
        run.artifact(save_scatter(measured.projections, labels, run.folder / "pca.png"), "latents")


def log_pictures(run: RunWriter, model: HierarchicalVAE, dataset: Dataset) -> None:
    """Reconstructions, samples, and what every layer does along its prior, as files; the first two for the UI, too.

    The files are in a folder of their own: the UI's image grid shows nothing of a run whose folder `images` holds
    a file that is not named as MLflow's `log_image` names it.
    """
    images = dataset.test.head(PICTURED)
    grids = {"reconstructions": reconstructions(model, images), "samples": samples(model)}
    for layer in range(1, model.layers + 1):
        grids[f"traversal_z{layer}"] = traversal(model, images, layer)
    for name, grid in grids.items():
        path = save_grid(grid, run.folder / f"{name}.png")
        run.artifact(path, "pictures")
        if name in IMAGE_KEYS:
            run.image(path, name)
