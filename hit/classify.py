"""`python -m hit.classify`: train the classifier of a data set, which later scores samples."""

__all__ = ["ClassifyOptions", "classify", "main", "parser"]

import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import Parser, entry_point
from hit.config.dataset_kind import dataset_kind
from hit.config.field_types import BatchSize, Crop, LearningRate, Seed, Text
from hit.config.machine_options import MachineOptions
from hit.config.options import CROP_HELP, build
from hit.dataset_files import check_files
from hit.schema import Kind

if TYPE_CHECKING:
    from hit.data import Dataset
    from hit.processes.stop import StopRequest
    from hit.training.loop import Epoch


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class ClassifyOptions(MachineOptions):
    """The data set, the training, and where it runs."""

    dataset: Annotated[Text, Field(description="a named data set, an .npz file, or a folder of images by class")] = (
        "digits"
    )
    crop: Annotated[Crop, Field(description=CROP_HELP)] = 0
    network: Annotated[
        Literal["auto", "cnn", "resnet18", "densenet121"],
        Field(description="cnn, resnet18, densenet121; auto: cnn for grey, resnet18 for svhn, else densenet121"),
    ] = "auto"
    epochs: Annotated[
        int,
        Field(ge=0, le=1_000_000, description="passes over the training set; 0: what is usual for network and data"),
    ] = 0
    batch_size: Annotated[BatchSize, Field(description="images a step")] = 128
    learning_rate: Annotated[LearningRate, Field(description="highest step size of AdamW")] = 1e-3
    augmentation: Annotated[
        Literal["auto", "none", "shift", "shift_flip"],
        Field(description="none, shift, shift_flip; auto: shift, and flip for cifar10 and imagenet"),
    ] = "auto"
    seed: Annotated[Seed, Field(description="seeds weights, batches and augmentation")] = 0

    def training(self) -> dict[str, Any]:
        """The fields that decide the result, but for network and data: arguments of `fit_classifier`."""
        names = ("epochs", "batch_size", "learning_rate", "augmentation", "seed")
        return {name: getattr(self, name) for name in names}

    def identity(self, architecture: str, data_digest: str) -> str:
        """Hash of every field that decides the result, of the architecture and of the data."""
        deciding = self.training() | {"network": architecture, "data": data_digest}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]

    def settled(self, dataset: "Dataset") -> "ClassifyOptions":
        """The same with every choice made that was left open."""
        from hit.classifiers.augmentation import usual_augmentation
        from hit.classifiers.networks import usual_network
        from hit.classifiers.training import usual_epochs

        channels = dataset.image_shape[0]
        network = usual_network(self.dataset, channels) if self.network == "auto" else self.network
        choices: dict[str, Any] = {
            "network": network,
            "augmentation": usual_augmentation(self.dataset, channels)
            if self.augmentation == "auto"
            else self.augmentation,
            "epochs": self.epochs or usual_epochs(network, len(dataset.train), self.batch_size),
        }
        return replace(self, **choices)


def parser() -> Parser:
    """The options of the command."""
    options = Parser("hit.classify", "Train the classifier of a data set, which later scores samples.")
    options.add_options("classifier", ClassifyOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, train, print the scores and the run's id."""
    options = build(ClassifyOptions, parser().parse(argv)["classifier"])
    dataset_kind(options.dataset, options.crop)
    check_files(options.dataset, options.data_root)

    from tqdm import tqdm

    from hit.config import TrainConfig
    from hit.connection import chosen_experiment
    from hit.delivery.local_state import state_folder
    from hit.processes.devices import select_device
    from hit.recovery import recover
    from hit.runs.datasets import load_once
    from hit.schema import metric

    stop.check()
    experiment = chosen_experiment(options.experiment)
    recover(state_folder(TrainConfig(state_dir=options.state_dir)), experiment)
    dataset = load_once(options.dataset, options.data_root, select_device(options.device), options.crop)
    options = options.settled(dataset)
    with tqdm(total=options.epochs, unit="epoch", desc="training", disable=None) as bar:

        def show(epoch: "Epoch") -> None:
            bar.update(epoch.number - bar.n)

        run_id, scores = classify(options, run_id=os.environ.get("MLFLOW_RUN_ID") or None, stop=stop, on_epoch=show)
    for name, value in scores.items():
        print(f"{metric(name).axis:34} {value:10.4g}", file=sys.stderr)
    print(run_id)


def classify(
    options: ClassifyOptions,
    *,
    uri: str | None = None,
    run_id: str | None = None,
    stop: "StopRequest | None" = None,
    on_epoch: "Callable[[Epoch], None]" = lambda epoch: None,
) -> tuple[str, dict[str, float]]:
    """Train and test one classifier in one run of kind `classifier`; its run's id and its test scores.

    Args:
        options: what to do.
        uri: the store; see `hit.connection.connect.tracking_uri`.
        run_id: take over this run, which `mlflow run` has made.
        stop: told about by SIGTERM and Ctrl-C.
        on_epoch: told after every epoch.

    Raises:
        UserError: the request is wrong, or the store does not answer.
        Diverged: the loss is not finite; what was measured is kept.
        Interrupted: `stop` was requested.
    """
    # torch and MLflow take seconds to import, which a mistake in the options need not wait for.
    from hit.classifiers.networks import ARCHITECTURES, build_classifier
    from hit.classifiers.training import classifier_scores, fit_classifier
    from hit.config import TrainConfig
    from hit.connection import chosen_experiment
    from hit.delivery.local_state import state_folder
    from hit.errors import DataError, shown
    from hit.models.geometry.image_sizes import check_sides
    from hit.processes.devices import select_device, set_threads
    from hit.processes.stop import StopRequest
    from hit.runs.datasets import load_once, log_dataset
    from hit.schema import Tag
    from hit.tracking import RunWriter
    from hit.training.checkpoints import save_weights
    from hit.ui.run_names import command_name

    stop = stop or StopRequest()
    set_threads(options.threads)
    device = select_device(options.device)
    dataset = load_once(options.dataset, options.data_root, device, options.crop)
    if not dataset.classes:
        raise DataError(
            f"dataset {shown(options.dataset)} must have classes for a classifier to tell apart, "
            f"got labels: {dataset.label_kind}"
        )
    check_sides(dataset.image_shape, options.dataset)
    options = options.settled(dataset)
    model = build_classifier(dataset.image_shape, dataset.classes, options.seed, options.network).to(device)
    dataset.test.verify(stop.check)
    stop.check()
    identity = options.identity(ARCHITECTURES[options.network], dataset.digest)
    with RunWriter.begin_or_take_over(
        run_id,
        kind=Kind.CLASSIFIER,
        name=command_name(f"classifier {Path(options.dataset).name} {options.network} seed {options.seed}"),
        state_dir=state_folder(TrainConfig(state_dir=options.state_dir)),
        experiment=chosen_experiment(options.experiment),
        uri=uri,
        tags={Tag.CONFIG_HASH: identity, Tag.DATA_DIGEST: dataset.digest, Tag.DEVICE: str(device)},
        stop=stop,
    ) as run:
        params = {name: value for name, value in asdict(options).items() if name != "experiment"}
        run.params(params)
        numbers = {name: float(getattr(options, name)) for name in ("epochs", "batch_size", "learning_rate", "seed")}
        run.metrics(numbers | {"parameters": float(sum(parameter.numel() for parameter in model.parameters()))})
        log_dataset(run, dataset)

        form = {"network": options.network, "image_shape": dataset.image_shape, "classes": dataset.classes}
        run.json_artifact("classifier.json", form | {"identity": identity, "training": options.training()})

        def tell(epoch: "Epoch") -> None:
            run.metrics(epoch.metrics, step=epoch.number, sync=True)
            on_epoch(epoch)

        fit_classifier(model, dataset.train, **options.training(), on_epoch=tell, check=run.check)
        scores = classifier_scores(model, dataset.test, check=run.check)
        run.metrics(scores, step=options.epochs, sync=True)
        weights = run.folder / "weights.safetensors"
        save_weights(weights, model, identity)
        run.artifact(weights, "model")
    return run.run_id, scores


if __name__ == "__main__":
    entry_point(main, Kind.CLASSIFIER)
