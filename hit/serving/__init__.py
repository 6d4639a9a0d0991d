"""Trained models as MLflow models: made, registered, and served."""

__all__ = ["IMAGES", "ServedModel", "describe", "latent_name", "load_folder"]

from hit.serving.served_model import IMAGES, ServedModel, describe, latent_name, load_folder
