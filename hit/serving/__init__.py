"""Trained models as MLflow models: made, registered, and served.

Registered models name this package as their loader, which is asked for `_load_pyfunc`: both names stay.
"""

__all__ = ["IMAGES", "VECTORS", "ServedModel", "_load_pyfunc", "describe", "latent_name", "load_folder"]

from hit.serving.request_data import IMAGES, VECTORS
from hit.serving.served_model import ServedModel, _load_pyfunc, describe, latent_name, load_folder
