"""Trained models as MLflow models: made, registered, and served.

Registered models name this package as their loader, which is asked for `_load_pyfunc`: both names stay.
"""

__all__ = ["IMAGES", "ServedModel", "_load_pyfunc", "describe", "latent_name", "load_folder"]

from hit.serving.served_model import IMAGES, ServedModel, _load_pyfunc, describe, latent_name, load_folder
