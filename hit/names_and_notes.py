"""Names and notes of runs in the UI: what a person put there stays."""

__all__ = ["command_name", "is_unnamed", "put_note"]

import hashlib
import os
import re

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from hit.schema import Tag

#: What MLflow calls a run that nobody gave a name (`mlflow.utils.name_utils`), and what we call one that never began.
_INVENTED = re.compile(r"([a-z]+)-([a-z]+)-[0-9]{0,4}|[a-z]+ \(not begun\)")
#: Notes that were written before there was `hit.note`, of runs that can be gone on with.
_EARLIER_NOTE = re.compile(r"\*\*(?:KILLED|FAILED)\*\*[^\n]*(?:\n+(?:In its last epoch of training:|\|[^\n]*))*\n*")


def command_name(usual: str) -> str:
    """What the run of this command is called: $MLFLOW_RUN_NAME, else the usual name."""
    return os.environ.get("MLFLOW_RUN_NAME", "").strip() or usual


def is_unnamed(run: Run) -> bool:
    """Whether nobody has named a run, neither we nor a person.

    >>> from types import SimpleNamespace
    >>> [is_unnamed(SimpleNamespace(info=SimpleNamespace(run_name=name))) for name in ("salty-ant-7", "low-beta-7")]
    [True, False]
    """
    name = run.info.run_name or ""
    match = _INVENTED.fullmatch(name)
    return not name or (match is not None and (match[1] is None or _is_invented(match[1], match[2])))


def put_note(client: MlflowClient, run_id: str, text: str, instead_of: str = "") -> bool:
    """Set the note of a run unless a person has written or edited it; whether it was set.

    A tag keeps the digest of the note that we wrote last: where the note is another one, it is not ours.

    Args:
        client: of the run's store.
        run_id: the run.
        text: the note, in markdown.
        instead_of: a note of ours that may stand there without its digest.

    Raises:
        MlflowException: the store is away or refuses.
    """
    tags = client.get_run(run_id).data.tags
    there, digest = tags.get(Tag.NOTE, ""), tags.get(Tag.NOTE_DIGEST)
    ours = there in ("", text, instead_of) or digest == _digest(there)
    if not ours and (digest is not None or not _EARLIER_NOTE.fullmatch(there)):
        return False
    client.log_batch(run_id, tags=[RunTag(Tag.NOTE, text), RunTag(Tag.NOTE_DIGEST, _digest(text))])
    return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_invented(predicate: str, noun: str) -> bool:
    try:
        from mlflow.utils.name_utils import _GENERATOR_NOUNS, _GENERATOR_PREDICATES
    except ImportError:
        return True
    return predicate in _GENERATOR_PREDICATES and noun in _GENERATOR_NOUNS
