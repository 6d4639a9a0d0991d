"""What a run is called in the UI."""

__all__ = ["run_name"]

from pathlib import Path

from hit.config import TrainConfig


def run_name(config: TrainConfig) -> str:
    """β, model and data, and whatever else of its form is not the default, so that runs can be told apart.

    What differs within a sweep comes first: the UI's list shows the beginning of a name.

    >>> run_name(TrainConfig(betas=(0.1, 10.0)))
    'β=(0.1, 10) ghvae digits seed 0'
    """
    usual = TrainConfig()
    form = [
        str(getattr(config, field))
        for field in ("likelihood", "posterior", "latent")
        if getattr(config, field) != getattr(usual, field)
    ]
    if config.linear_z1:
        form.append(f"z_1 of {config.linear_z1}")
    if config.layers > 2:
        form.append(f"L = {config.layers}")
    if config.crop:
        form.append(f"crop {config.crop}")
    betas = ", ".join(f"{beta:.3g}" for beta in config.betas)
    targets = "".join(f" {name}={nats:.4g}" for name, nats in config.targets.to_flat().items())
    words = [config.model, Path(config.dataset).name, *form]
    return f"β=({betas}){targets} {' '.join(words)} seed {config.seed}"
