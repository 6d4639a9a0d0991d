"""Data sets: uint8 images, by name, from arrays or from a folder, in memory or streamed."""

__all__ = ["NAMES", "Dataset", "LabelledImages", "Split", "batches", "labelled_batches", "load"]

from hit.data.dataset import Dataset, Split, batches, labelled_batches
from hit.data.labelled_images import LabelledImages
from hit.data.load import NAMES, load
