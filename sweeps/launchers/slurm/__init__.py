"""Models trained by jobs of SLURM."""
