"""The classifier that scores samples, from the store: the newest good one of a data set, downloaded and checked."""

__all__ = ["find_scorer", "load_classifier"]

import json
import shlex
import tempfile
from functools import lru_cache
from pathlib import Path

import torch

from hit.classifiers.networks import Classifier, build_classifier
from hit.classifiers.scorer import SampleScorer, needed_accuracy
from hit.commands import program
from hit.data import Dataset
from hit.data.folders.stream import StreamedImages
from hit.errors import CheckpointError, ConfigError, NoScorer, shown
from hit.evaluation.data_needs import left_out
from hit.schema import WEIGHTS
from hit.store import Store
from hit.training.checkpoints import load_weights, weights_digest


def find_scorer(store: Store, dataset: Dataset) -> SampleScorer:
    """The newest classifier in the store that was trained on this very data and is good enough to score samples.

    Only FINISHED runs of kind `classifier` with the data's digest count, in whatever experiment, from
    the accuracy of `needed_accuracy` on.

    Raises:
        NoScorer: there is none; of data without classes there can be none.
        StoreError: the store does not answer.
        CheckpointError: its weights are damaged.
    """
    for why in left_out(("generation",), dataset).values():
        raise NoScorer(why)
    trained = store.classifiers(dataset.digest)
    command = f"{program('hit.classify')} --dataset {shlex.quote(dataset.name)}"
    if isinstance(dataset.train, StreamedImages) and isinstance(dataset.train.sides, int):
        command += f" --crop {dataset.train.sides}"
    if not trained:
        raise NoScorer(f"the store has no classifier of {dataset.name} (digest {dataset.digest}); train one: {command}")
    assert dataset.test.labels is not None
    needed = needed_accuracy(dataset.test.labels)
    scores = {run.info.run_id: run.data.metrics.get("test/accuracy", 0.0) for run in trained}
    for run_id, accuracy in scores.items():
        if accuracy >= needed:
            return _scorer(store.client.tracking_uri, run_id, dataset.test.device)
    raise NoScorer(
        f"a classifier of {dataset.name} must reach a test accuracy of {needed:.3f} to score samples, the best of "
        f"{len(scores)} has {max(scores.values()):.3f}; train a better one: {command}"
    )


def load_classifier(store: Store, run_id: str, device: torch.device | str = "cpu") -> Classifier:
    """The trained classifier of a run, in evaluation mode. Nothing is unpickled.

    Raises:
        StoreError: there is no such run, or it is no classifier.
        CheckpointError: its files are damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        described = store.download(run_id, "classifier.json", Path(folder))
        weights = store.download(run_id, WEIGHTS, Path(folder))
        try:
            form = json.loads(described.read_bytes())
            channels, height, width = map(int, form["image_shape"])
            model = build_classifier((channels, height, width), int(form["classes"]), network=form["network"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, ConfigError) as error:
            raise CheckpointError(
                f"classifier.json of run {run_id} must describe a classifier, got {shown(error)}"
            ) from None
        load_weights(weights, model, form.get("identity"))
    return model.to(device).eval()


@lru_cache(maxsize=2)
def _scorer(uri: str, run_id: str, device: torch.device) -> SampleScorer:
    """A worker that measures many models loads their classifier once."""
    model = load_classifier(Store(uri), run_id, device)
    return SampleScorer(model, run_id, weights_digest(model))
