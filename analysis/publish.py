"""A report made from the store and logged as an artifact of its run."""

__all__ = ["Selection", "publish"]

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pandas as pd

from analysis.query import histories, runs
from analysis.report import LOCAL_UI, write
from hit.config.options import output_file
from hit.connection.addresses import tracking_uri
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.store.artifacts import ArtifactReader
from hit.tracking import RunWriter


@dataclass(frozen=True)
class Selection:
    """The models to report on.

    Attributes:
        frame: one row a model.
        source: where they come from, for people.
    """

    frame: pd.DataFrame
    source: str

    @classmethod
    def of(
        cls,
        experiment: str | Experiment,
        *,
        where: str = "",
        sweep: str = "",
        identities: Collection[str] | None = None,
    ) -> "Selection":
        """The matching models of an experiment.

        Args:
            experiment: its name, or itself.
            where: an MLflow filter on the models.
            sweep: run id of a sweep, for its models alone.
            identities: config hashes, for these models alone.

        Raises:
            StoreError: there is nothing to report on.
        """
        frame = runs(experiment, where, sweep=sweep or None)
        if identities is not None:
            frame = frame[frame["config_hash"].isin(identities)]
        chosen = "".join(f", {name} {value}" for name, value in (("where", where), ("sweep", sweep)) if value)
        return cls(frame, f"experiment {experiment}{chosen}")


def publish(run: RunWriter | None, models: Selection, output: str, applications: Collection[str] = ()) -> Path:
    """Write the report on the models to `output` and log it with `run`, if there is one; where it is.

    Args:
        run: the run whose artifact the report becomes.
        models: what to report on.
        output: file of the page.
        applications: names of the applications to recommend for; all where empty.

    Raises:
        ConfigError: the page cannot be written.
        StoreError: an unknown application.
    """
    path = output_file(output)
    write(
        models.frame,
        path,
        applications=tuple(applications),
        source=models.source,
        base_url=_ui(tracking_uri()),
        pictures=ArtifactReader(Store()),
        histories=histories,
    )
    if run is not None:
        run.artifact(path, "report")
    return path


def _ui(uri: str) -> str:
    """Address of the MLflow UI: the tracking server's without its credentials, else where `make ui` serves one."""
    address = urlsplit(uri)
    if address.scheme not in ("http", "https"):
        return LOCAL_UI
    return urlunsplit((address.scheme, address.netloc.rpartition("@")[2], address.path.rstrip("/"), "", ""))
