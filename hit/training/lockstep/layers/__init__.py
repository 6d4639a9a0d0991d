"""How the layers of many models are computed at once."""

__all__ = ["STRATEGIES", "Batches", "OneByOne", "StackedLayers", "Work"]

from hit.training.lockstep.layers.one_by_one import OneByOne
from hit.training.lockstep.layers.stacked_layers import Batches, StackedLayers, Work
from hit.training.lockstep.layers.strategies import STRATEGIES
