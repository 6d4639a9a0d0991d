"""The classifier: repeatable, honest about divergence, good enough to score samples, and one run of the store."""

import math
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from hit import data
from hit.classifiers.networks import ARCHITECTURES, Classifier, build_classifier
from hit.classifiers.training import classifier_scores, fit_classifier
from hit.classify import ClassifyOptions, classify
from hit.cli import Parser
from hit.config.options import build
from hit.data import Dataset, Split
from hit.errors import ConfigError, Diverged, Interrupted
from hit.processes.stop import StopRequest
from hit.runs.stored_scorer import load_classifier
from hit.schema import Kind, Tag
from hit.store import Store
from hit.training.loop import Epoch
from tests.stores import new_database


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


def train(
    dataset: Dataset, epochs: int = 1, seed: int = 0, learning_rate: float = 1e-3
) -> tuple[Classifier, list[Epoch]]:
    model = build_classifier(dataset.image_shape, dataset.classes, seed)
    told: list[Epoch] = []
    fit_classifier(
        model,
        dataset.train,
        epochs=epochs,
        batch_size=64,
        learning_rate=learning_rate,
        seed=seed,
        on_epoch=told.append,
    )
    return model, told


def same_weights(one: Classifier, other: Classifier) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = build_classifier((1, 28, 28), 10, seed=1)
    assert torch.equal(torch.rand(3), expected)
    assert same_weights(one, build_classifier((1, 28, 28), 10, seed=1))
    assert not same_weights(one, build_classifier((1, 28, 28), 10, seed=2))


def test_an_untrained_one_knows_nothing_and_a_trained_one_much(digits: Dataset) -> None:
    untrained = classifier_scores(build_classifier(digits.image_shape, digits.classes), digits.test)
    assert untrained["test/cross_entropy"] == pytest.approx(math.log(10), abs=0.1)
    assert untrained["test/accuracy"] < 0.3
    model, epochs = train(digits, epochs=5)
    scores = classifier_scores(model, digits.test)
    assert scores["test/accuracy"] > 0.93
    assert scores["test/cross_entropy"] < 0.3
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5]
    assert epochs[-1].metrics["train/cross_entropy"] < 0.2 * epochs[0].metrics["train/cross_entropy"]


def test_scores_are_means_over_the_images_whatever_the_batches(digits: Dataset) -> None:
    model = build_classifier(digits.image_shape, digits.classes)
    images, labels = digits.train.images[:1201], digits.train.labels[:1201]  # three batches, the last one short
    with torch.no_grad():
        logits = model(model.prepare(images))
    scores = classifier_scores(model, Split(images, labels))
    log_p = logits.log_softmax(1)[torch.arange(1201), labels]
    assert scores["test/cross_entropy"] == pytest.approx(-log_p.mean().item(), rel=1e-5)
    assert scores["test/accuracy"] == pytest.approx((logits.argmax(1) == labels).double().mean().item())


def test_a_seed_makes_training_repeatable(digits: Dataset) -> None:
    few = Dataset("few", Split(digits.train.images[:200], digits.train.labels[:200]), digits.test, 10)
    (one, first), (other, second) = train(few, 2), train(few, 2)
    assert same_weights(one, other)
    assert [epoch.metrics["train/accuracy"] for epoch in first] == [epoch.metrics["train/accuracy"] for epoch in second]
    assert not same_weights(one, train(few, 2, seed=1)[0])


def test_divergence_ends_with_a_reason(digits: Dataset) -> None:
    with pytest.raises(Diverged, match=r"not finite in epoch \d of 2 \(learning_rate 1e\+30\)"):
        train(digits, epochs=2, learning_rate=1e30)
    model = build_classifier(digits.image_shape, digits.classes)
    with torch.no_grad():
        model.head.bias.fill_(float("nan"))
    with pytest.raises(Diverged, match="test/cross_entropy"):
        classifier_scores(model, digits.test)


def test_choices_left_open_are_made_once(digits: Dataset) -> None:
    settled = ClassifyOptions().settled(digits)
    assert settled.epochs > 6, "so few images need more passes"
    assert settled.settled(digits) == settled
    chosen = ClassifyOptions(network="resnet18", augmentation="none", epochs=3)
    assert chosen.settled(digits) == chosen


def test_stops_between_steps(digits: Dataset) -> None:
    model = build_classifier(digits.image_shape, digits.classes)
    asked = []

    def check() -> None:
        asked.append(True)
        if len(asked) == 4:
            raise Interrupted(15)

    with pytest.raises(Interrupted):
        fit_classifier(model, digits.train, epochs=1, batch_size=64, learning_rate=1e-3, seed=0, check=check)
    assert len(asked) == 4


class TestRun:
    def test_says_everything(self, digits: Dataset, tmp_path: Path) -> None:
        uri = new_database(tmp_path / "store.db")
        options = ClassifyOptions(epochs=2, seed=3, device="cpu", threads=1, state_dir=str(tmp_path / "state"))
        told: list[int] = []
        run_id, scores = classify(options, uri=uri, on_epoch=lambda epoch: told.append(epoch.number))
        assert told == [1, 2]
        client = MlflowClient(uri)
        run = client.get_run(run_id)
        assert run.info.status == "FINISHED"
        assert run.data.tags[Tag.KIND] == Kind.CLASSIFIER
        assert run.data.tags[Tag.DATA_DIGEST] == digits.digest
        settled = options.settled(digits)
        assert (settled.network, settled.augmentation, settled.epochs) == ("cnn", "shift", 2)
        assert run.data.tags[Tag.CONFIG_HASH] == settled.identity(ARCHITECTURES["cnn"], digits.digest)
        assert run.inputs.dataset_inputs[0].dataset.digest == digits.digest
        assert run.data.params["dataset"] == "digits"
        assert run.data.params["seed"] == "3"
        assert run.data.metrics["learning_rate"] == 1e-3
        for name in ("train/cross_entropy", "train/accuracy"):
            assert sorted(point.step for point in client.get_metric_history(run_id, name)) == [1, 2]
        assert {name: run.data.metrics[name] for name in scores} == pytest.approx(scores)

        again = load_classifier(Store(uri), run_id)
        assert classifier_scores(again, digits.test) == scores

    def test_a_stopped_one_is_killed(self, tmp_path: Path) -> None:
        uri = new_database(tmp_path / "store.db")
        stop = StopRequest()
        options = ClassifyOptions(epochs=3, device="cpu", threads=1, state_dir=str(tmp_path / "state"))
        with pytest.raises(Interrupted):
            classify(options, uri=uri, stop=stop, on_epoch=lambda epoch: stop.request())
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name("hit")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.status == "KILLED"
        assert "test/accuracy" not in run.data.metrics

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--epochs", "-1"], "epochs must be greater than or equal to 0"),
            (["--network", "resnet"], "network must be .* did you mean 'resnet18'"),
            (["--learning_rate", "nan"], "learning_rate must be a finite number"),
            (["--epoch", "3"], "did you mean 'epochs'"),
        ],
    )
    def test_mistakes_are_one_line(self, words: list[str], message: str) -> None:
        parser = Parser("hit.classify", "")
        parser.add_options("classifier", ClassifyOptions)
        with pytest.raises(ConfigError, match=message):
            build(ClassifyOptions, parser.parse(words)["classifier"])

    def test_what_decides_the_result_decides_the_hash_and_nothing_else(self) -> None:
        def hash_of(**changes: object) -> str:
            return build(ClassifyOptions, changes).identity(ARCHITECTURES["cnn"], "0123")

        same = {hash_of(), hash_of(device="cpu"), hash_of(threads=2), hash_of(experiment="other")}
        assert len(same) == 1
        others = {hash_of(epochs=6), hash_of(batch_size=64), hash_of(learning_rate=2e-3), hash_of(seed=1)}
        others |= {hash_of(augmentation="none")}
        others |= {
            ClassifyOptions().identity(ARCHITECTURES["cnn"], "4567"),
            ClassifyOptions().identity("another", "0123"),
        }
        assert len(others) == 7
        assert not same & others


def test_learns_mnist(mnist_root: Path) -> None:
    """A fifth of MNIST, once."""
    dataset = data.load("mnist", str(mnist_root))
    few = Split(dataset.train.images[:12_000], dataset.train.labels[:12_000])
    model = build_classifier(dataset.image_shape, dataset.classes)
    fit_classifier(model, few, epochs=1, batch_size=128, learning_rate=3e-3, seed=0)
    test = Split(dataset.test.images[:2000], dataset.test.labels[:2000])
    assert classifier_scores(model, test)["test/accuracy"] > 0.92
