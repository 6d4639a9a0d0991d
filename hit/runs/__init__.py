"""One run of the store from beginning to end: training, measuring, evaluating, resuming."""
