"""The files of data sets that are known by name: where they lie, and whether they can be had. Nothing imports torch."""

__all__ = ["DataRoot", "check_files", "imagenet_folder"]

from hit.dataset_files.data_root import DataRoot
from hit.dataset_files.presence import check_files, imagenet_folder
