"""Trained models of the store in MLflow's model registry."""

__all__ = ["Registered", "model_name", "register_run", "registry_word"]

import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from hit.config import TrainConfig
from hit.connection.addresses import is_database
from hit.connection.idempotent_creation import made_once
from hit.connection.store_errors import is_there_already, is_unknown, translated
from hit.errors import StoreError, UserError
from hit.runs.warm_start import trained_features, trained_shape
from hit.schema import WEIGHTS, Kind, Tag, field_lengths
from hit.schema.field_lengths import shortened
from hit.serving.mlflow_model import write_model
from hit.store import Store, config_of

#: Tags of a run that its registered version has, too.
_TAGS = (Tag.EXTENSIONS, Tag.CONFIG_HASH, Tag.GROUP, Tag.DATA_DIGEST, Tag.AMORTISED)
_HEADING = re.compile(r"^### ", re.MULTILINE)
_FIRST_LINE = re.compile(r"The best for .*\.")


@dataclass(frozen=True)
class Registered:
    """A model of the registry.

    Attributes:
        name: of the registered model.
        alias: that points to the version.
        version: its number.
        run_id: of the run that trained it.
        new: whether the version was made now.
    """

    name: str
    alias: str
    version: str
    run_id: str
    new: bool

    @property
    def uri(self) -> str:
        """What MLflow loads and serves it by."""
        return f"models:/{self.name}@{self.alias}"


def register_run(store: Store, run_id: str, *, alias: str, text: str) -> Registered:
    """Put a run's model into the registry and point an alias to it; a run that is there already is not put in again.

    Args:
        store: of the run, and of the registry.
        run_id: a finished model.
        alias: a word, such as an application's name.
        text: markdown that says why the alias points here; the version's description holds one for each of its aliases.

    Raises:
        StoreError: no finished model, one without weights or data, or a registry that refuses.
    """
    run = store.run(run_id)
    kind = run.data.tags.get(Tag.KIND)
    if kind != Kind.TRAIN or run.info.status != "FINISHED":
        raise StoreError(
            f"only a finished model can be registered, got run {run_id} of kind {kind!r}, {run.info.status}"
        )
    name, alias = model_name(run), registry_word(alias)
    client = store.client
    with _answers(f"model {name!r} cannot be registered"):
        found = [one for one in client.search_model_versions(f"name = '{name}'") if one.run_id == run_id]
        version = max(found, key=lambda one: int(one.version)) if found else _new_version(store, name, run)
        before = _pointed_to(client, name, alias)
        client.set_registered_model_alias(name, alias, version.version)
        if before is not None and before.version != version.version:
            _describe(client, before, {alias: ""})
        _describe(client, version, {alias: text})
    return Registered(name, alias, str(version.version), run_id, new=not found)


def model_name(run: Run) -> str:
    """Name of the registered model for a run: `hit-` and its data set, with its digest where that is a path."""
    dataset = config_of(run).get("dataset", "")
    path = Path(dataset.rstrip("/"))
    if dataset == registry_word(dataset):
        return f"hit-{dataset}"
    digest = run.data.tags.get(Tag.DATA_DIGEST, "")[:6]
    return "-".join(filter(None, ("hit", registry_word(path.stem), digest)))


def registry_word(text: str) -> str:
    """The text with what aliases may not hold replaced.

    >>> registry_word("density where test/rate<=20")
    'density-where-test-rate-at-most-20'
    """
    text = text.replace("<=", " at most ").replace(">=", " at least ")
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:100]
    return f"{word}-" if re.fullmatch(r"(?i)latest|v\d+", word) else word or "model"


def _make_known(client: MlflowClient, name: str, run: Run) -> None:
    dataset = Path(config_of(run).get("dataset", "").rstrip("/")).name
    text = (
        f"Hierarchical VAEs of `{dataset}`; an alias is the application that its version serves best.\n\n"
        "`params` of a request: `mode` (`encode`, `reconstruct`, `decode`, `sample`), `sampled`, `seed`, `count`."
    )

    def make() -> None:
        try:
            client.create_registered_model(name, description=text)
        except MlflowException as error:
            if not is_there_already(error):
                raise

    made_once(make, lambda: None)


def _new_version(store: Store, name: str, run: Run) -> ModelVersion:
    """Write the model's files, upload them as a model of the run, and register that."""
    client, run_id = store.client, run.info.run_id
    shape = trained_shape(run)
    if shape is None:
        raise StoreError(f"run {run_id} must tell the shape of its images or vectors (its input), got none")
    config = TrainConfig.from_flat(config_of(run))
    tags = {str(tag): run.data.tags[tag] for tag in _TAGS if tag in run.data.tags}
    with tempfile.TemporaryDirectory() as scratch:
        weights = store.download(run_id, WEIGHTS, Path(scratch))
        model = _logged_model(client, run, registry_word(config.model), tags)
        try:
            folder = Path(scratch) / "files"
            identity = config.identity(run.data.tags[Tag.DATA_DIGEST])
            write_model(
                folder,
                config,
                shape,
                weights,
                identity,
                features=trained_features(run),
                run_id=run_id,
                model_id=model.model_id,
            )
            client.log_model_artifacts(model.model_id, str(folder))
            client.finalize_logged_model(model.model_id, "READY")
        except BaseException:
            client.finalize_logged_model(model.model_id, "FAILED")
            client.delete_logged_model(model.model_id)
            raise
    _make_known(client, name, run)
    # A server takes a model's source by its id alone. A database would look that id up in the store of this process,
    # which need not be the client's.
    by_path = is_database(str(client.tracking_uri))
    source, key = model.artifact_location if by_path else f"models:/{model.model_id}", uuid.uuid4().hex
    own = {**tags, str(Tag.CREATION_KEY): key}

    def find() -> ModelVersion | None:
        found = client.search_model_versions(f"name = '{name}'")
        return next((one for one in found if one.tags.get(Tag.CREATION_KEY) == key), None)

    return made_once(
        lambda: client.create_model_version(name, source, run_id=run_id, tags=own, model_id=model.model_id), find
    )


def _logged_model(client: MlflowClient, run: Run, name: str, tags: Mapping[str, str]) -> LoggedModel:
    home, key = run.info.experiment_id, uuid.uuid4().hex
    own = {**tags, str(Tag.CREATION_KEY): key}

    def find() -> LoggedModel | None:
        found = client.search_logged_models([home], f"tags.`{Tag.CREATION_KEY}` = '{key}'", max_results=1)
        return found[0] if found else None

    return made_once(
        lambda: client.create_logged_model(home, name, source_run_id=run.info.run_id, tags=own, model_type="hit"), find
    )


def _pointed_to(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if is_unknown(error):
            return None
        raise


def _describe(client: MlflowClient, version: ModelVersion, texts: Mapping[str, str]) -> None:
    """Give a version's description these texts by alias, '' for none, and leave the other aliases' alone.

    Its first line names the aliases, since lists show that line alone; what somebody has written above stays.
    """
    begins, *parts = _HEADING.split(version.description or "")
    sections = {title: body.strip() for title, _, body in (part.partition("\n") for part in parts)}
    sections = {title: body for title, body in {**sections, **texts}.items() if body}
    own = "\n\n".join(part for part in begins.strip().split("\n\n") if part and not _FIRST_LINE.fullmatch(part))
    first = f"The best for {', '.join(sections)}." if sections else ""
    description = "\n\n".join(
        filter(None, [own, first, *(f"### {title}\n\n{body}" for title, body in sections.items())])
    )
    description = shortened(description, field_lengths.TAG)  # as long as a tag may be
    if description != (version.description or ""):
        client.update_model_version(version.name, version.version, description)


@contextmanager
def _answers(what: str) -> Iterator[None]:
    """Turn what the store, or where it keeps artifacts, raises into ours, of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        said = translated(error)
        raise type(said)(f"{what}: {said}") from None
