"""Data sets from folders of images by class, in memory or streamed as crops."""
