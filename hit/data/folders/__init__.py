"""Data sets from folders of images, in memory or streamed as crops."""
