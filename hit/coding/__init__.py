"""Images as bits: entropy coding with a model's priors, posteriors and likelihood."""

__all__ = [
    "AnsStack",
    "Bernoullis",
    "Gaussians",
    "LatentGrid",
    "Models",
    "Symbols",
    "Tables",
    "Words",
    "reproducible",
    "reproducible_copy",
    "top_down",
]

from hit.coding.ans_stack import AnsStack, Symbols, Words
from hit.coding.entropy_models import Bernoullis, Gaussians, Models, Tables
from hit.coding.latent_grid import LatentGrid
from hit.coding.top_down import reproducible, reproducible_copy, top_down
