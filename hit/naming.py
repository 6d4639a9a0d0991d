"""What a run is called in the UI."""

__all__ = ["run_name"]

from pathlib import Path

from hit.config import TrainConfig


def run_name(config: TrainConfig) -> str:
    """Model, data and β, and whatever else of its form is not the default, so that runs can be told apart."""
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
    return f"{' '.join(words)} β=({betas}){targets} seed {config.seed}"
