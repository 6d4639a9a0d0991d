"""Classifiers of a data set: their networks, their training, and scoring samples with them."""
