"""torchvision's data sets: found, downloaded and read."""
