"""Images of one shape from a user's files and to them, part by part, so that memory does not grow with their number."""

__all__ = ["ImageSource", "image_writer", "open_images", "whole_file"]

from hit.data.image_files.reading import ImageSource, open_images
from hit.data.image_files.writing import image_writer, whole_file
