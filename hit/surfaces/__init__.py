"""Rate surfaces: one model for every β, its cells, and its comparison with dedicated models."""
