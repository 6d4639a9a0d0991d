"""A report made from the store and logged as an artifact of its run."""

__all__ = ["publish"]

from collections.abc import Collection
from pathlib import Path

from analysis.report import write
from analysis.runs import runs
from hit.connection import tracking_uri
from hit.errors import ConfigError
from hit.tracking import RunWriter


def publish(
    run: RunWriter,
    experiment: str,
    output: str,
    *,
    where: str = "",
    sweep: str = "",
    applications: Collection[str] = (),
    identities: Collection[str] | None = None,
) -> Path:
    """Write the report on the matching runs to `output` and log it with `run`; where it is.

    Args:
        run: the run whose artifact the report becomes.
        experiment: name of the experiment that holds the models.
        output: file of the page.
        where: an MLflow filter on the models.
        sweep: run id of a sweep, for its models alone.
        applications: names of the applications to recommend for; all where empty.
        identities: config hashes, for these models alone.

    Raises:
        StoreError: there is nothing to report on.
        ConfigError: the page cannot be written.
    """
    frame = runs(experiment, where, sweep=sweep or None)
    if identities is not None:
        frame = frame[frame["config_hash"].isin(identities)]
    chosen = "".join(f", {name} {value}" for name, value in (("where", where), ("sweep", sweep)) if value)
    path = Path(output).expanduser().absolute()
    if not path.parent.is_dir():
        raise ConfigError(f"output must lie in an existing folder, got {output!r}")
    uri = tracking_uri()
    write(
        frame,
        path,
        applications=tuple(applications),
        source=f"experiment {experiment}{chosen}",
        base_url=uri if uri.startswith(("http://", "https://")) and "@" not in uri else "",
    )
    run.artifact(path, "report")
    return path
