"""The config of a run of the store: as its params have it, and with what was too long for them."""

__all__ = ["config_of", "whole_config"]

import json
import tempfile
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from hit.config import flat_defaults
from hit.config.field_roles import is_layered, is_option
from hit.errors import StoreError
from hit.schema import CONFIG
from hit.schema.field_lengths import is_shortened
from hit.store.records import as_typed
from hit.store.store import Store


def config_of(run: Run) -> dict[str, Any]:
    """The flat config of a run, as it was asked for."""
    known = flat_defaults()
    flat = {
        name: as_typed(text)
        for name, text in run.data.params.items()
        if name in known or is_layered(name) or is_option(name)
    }
    if flat.get("model") == "vae":  # `mlflow run` once logged its default of β_2 for models of one layer, too
        flat.pop("beta_2", None)
    return flat


def whole_config(store: Store, run: Run) -> dict[str, Any]:
    """`config_of`, where need be with values from the run's config.json.

    Raises:
        StoreError: it is needed, and is missing or damaged.
    """
    flat = config_of(run)
    cut = [name for name, text in flat.items() if is_shortened(text)]
    if cut:
        with tempfile.TemporaryDirectory() as folder:
            try:
                whole = json.loads(store.download(run.info.run_id, CONFIG, Path(folder)).read_text())
                flat |= {name: whole[name] for name in cut}
            except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
                raise StoreError(
                    f"{CONFIG} of run {run.info.run_id} must hold {', '.join(cut)}, got {type(error).__name__}"
                ) from None
    return flat
