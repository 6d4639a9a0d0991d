"""Which rates a model of given β is expected to end with."""
