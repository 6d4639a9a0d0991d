"""The config of a run of the store, with what was too long for its params."""

__all__ = ["whole_config"]

import json
import tempfile
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from hit.errors import StoreError
from hit.schema import CONFIG
from hit.schema.field_lengths import is_shortened
from hit.store.store import Store, config_of


def whole_config(store: Store, run: Run) -> dict[str, Any]:
    """`hit.store.config_of`, where need be with values from the run's config.json.

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
