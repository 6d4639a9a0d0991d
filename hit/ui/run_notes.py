"""Notes of runs, in markdown, which the MLflow UI shows on top of a run's page; what a person put there stays."""

__all__ = ["put_note", "run_note"]

import hashlib
import re
from collections.abc import Iterable, Mapping

from mlflow import MlflowClient
from mlflow.entities import RunTag

from hit import schema
from hit.config import TrainConfig
from hit.schema import Tag

#: A metric's name without its split → what heads its column: short, since the UI folds all but a few lines.
_HEADS = {
    "distortion": "D",
    "elbo": "ELBO",
    "psnr": "PSNR",
    "reconstruction_mse": "MSE",
    "reconstruction_r2": "R²",
    "inception_score": "IS",
    "fid_classifier": "Fréchet distance",
}
#: Notes that were written before there was `hit.note`, of runs that can be gone on with.
_EARLIER_NOTE = re.compile(r"\*\*(?:KILLED|FAILED)\*\*[^\n]*(?:\n+(?:In its last epoch of training:|\|[^\n]*))*\n*")


def run_note(config: TrainConfig, metrics: Mapping[str, float], status: str, reason: str = "") -> str:
    """What came of a run: rates, distortion, PSNR, what latents and samples are good for; and why it did not finish.

    Args:
        config: of the model.
        metrics: of the test set or, where it was not measured, of the last epoch of training.
        status: how the run ended.
        reason: why, where it did not end well.

    >>> print(run_note(TrainConfig(), {"test/rate_2": 17.31, "test/rate_1": 15, "test/psnr": 15.2}, "FINISHED"))
    | R_2&emsp; | R_1&emsp; | PSNR&emsp; |
    |---|---|---|
    | 17.31 nats&emsp; | 15 nats&emsp; | 15.2 dB&emsp; |
    """
    split = "test" if "test/rate_1" in metrics else "train"
    names = [name for name in _shown(config.layers, split) if name in metrics]
    said = [] if status == "FINISHED" else [f"**{status}**" + (f": {' '.join(reason.split())}" if reason else "")]
    if split == "train" and names:
        said.append("In its last epoch of training:")
    if names:
        heads, values = map(_head, names), (_value(name, metrics[name]) for name in names)
        said.append("\n".join([_row(heads), "|" + "---|" * len(names), _row(values)]))
    return "\n\n".join(said)


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


def _shown(layers: int, split: str) -> list[str]:
    return [
        *(f"{split}/rate_{layer}" for layer in range(layers, 0, -1)),
        *(
            f"{split}/{name}"
            for name in ("rate", "distortion", "elbo", "psnr", "reconstruction_mse", "reconstruction_r2")
        ),
        *(f"{split}/accuracy_svm_rbf_z{layer}_sampled" for layer in range(layers, 0, -1)),
        *(f"{split}/r2_kernel_ridge_z{layer}_sampled" for layer in range(layers, 0, -1)),
        "sample/inception_score",
        "sample/fid_classifier",
    ]


def _row(cells: Iterable[str]) -> str:
    """Apart by an em space: the UI leaves none between columns."""
    return "".join(f"| {cell}&emsp; " for cell in cells) + "|"


def _head(name: str) -> str:
    word = name.partition("/")[2]
    if word.startswith("accuracy"):
        return f"accuracy of z_{word.split('_z')[1].partition('_')[0]}"
    if word.startswith("r2"):
        return f"R² of z_{word.split('_z')[1].partition('_')[0]}"
    return _HEADS.get(word, word.replace("rate", "R"))


def _value(name: str, value: float) -> str:
    return f"{value:.4g} {schema.metric(name).unit.removesuffix(' per image')}".strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
