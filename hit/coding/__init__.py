"""Images as bits: entropy coding with a model's priors, posteriors and likelihood."""

__all__ = [
    "AnsStack",
    "Bernoullis",
    "BitsBack",
    "CodedChunk",
    "Costs",
    "Gaussians",
    "LatentGrid",
    "LosslessChunks",
    "Models",
    "PixelModels",
    "Samples",
    "Symbols",
    "Tables",
    "Words",
    "pixel_models",
    "reproducible",
    "reproducible_copy",
    "top_down",
]

from hit.coding.ans_stack import AnsStack, Symbols, Words
from hit.coding.bits_back import BitsBack, Costs, Samples
from hit.coding.entropy_models import Bernoullis, Gaussians, Models, Tables
from hit.coding.latent_grid import LatentGrid
from hit.coding.lossless_chunk import CodedChunk, LosslessChunks
from hit.coding.pixel_models import PixelModels, pixel_models
from hit.coding.top_down import reproducible, reproducible_copy, top_down
