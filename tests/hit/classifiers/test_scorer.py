"""Scores of samples from end to end: a classifier in the store, runs with and without one, what is measured later."""

import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from hit import data
from hit.classifiers.networks import build_classifier
from hit.classifiers.scorer import SampleScorer, needed_accuracy
from hit.classify import ClassifyOptions, classify
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import CheckpointError, ConfigError, Interrupted, NoScorer, StoreError, Unavailable
from hit.evaluation import evaluate_model, samples
from hit.evaluation.samples import measure_generation, scorer_fingerprint
from hit.metrics.generation import GENERATION
from hit.metrics.inception import InceptionFid
from hit.models import HierarchicalVAE, build_model
from hit.processes.stop import StopRequest
from hit.runs.evaluation_run import candidates, evaluate_run
from hit.runs.measurement import Measurement, _say_once, find_scorers, measure
from hit.runs.model_run import RunRequest
from hit.runs.stored_scorer import find_scorer, load_classifier
from hit.runs.training_run import train_run
from hit.schema import Tag, error_of, is_metric, metric
from hit.schema.metric_groups import parse_groups
from hit.store import Store
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")

CONFIG = TrainConfig(channels=4, z_dims=(5,), epochs=1, batch_size=256, device="cpu", threads=1)
SAMPLES = 60
GENERATED = {
    *("inception_score", "diversity", "sharpness", "fid_classifier", "precision", "recall", "density", "coverage"),
}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 samples would take a minute of the tests; every fingerprint stays one of its own."""
    monkeypatch.setattr(samples, "GENERATION", replace(GENERATION, samples=SAMPLES))


def model_of(dataset: Dataset, seed: int = 0) -> HierarchicalVAE:
    return build_model(replace(CONFIG, seed=seed), dataset.image_shape).eval()


def scorer_of(dataset: Dataset, seed: int = 0) -> SampleScorer:
    return SampleScorer(build_classifier(dataset.image_shape, dataset.classes, seed).eval(), "run", str(seed))


class TestSampleScorer:
    def test_chance_decides_what_is_good_enough(self) -> None:
        assert needed_accuracy(torch.arange(10)) == 0.55
        assert needed_accuracy(torch.tensor([0, 0, 0, 1])) == 0.875

    def test_looks_at_images(self, digits: Dataset) -> None:
        scorer = scorer_of(digits)
        images = torch.rand(7, 1, 28, 28)
        features, logits = scorer.features_and_logits(images)
        torch.testing.assert_close(scorer.classifier.head(features), logits)
        assert torch.equal(scorer.logits(images), logits)
        torch.testing.assert_close(scorer.classifier(images), logits)
        assert not logits.requires_grad

    @pytest.mark.parametrize("network", ["cnn", "resnet18"])
    def test_images_in_parts_are_the_same(self, network: str, monkeypatch: pytest.MonkeyPatch) -> None:
        classifier = build_classifier((3, 16, 12), 10, network=network).eval()
        before = {name: (weights.clone(), weights.stride()) for name, weights in classifier.state_dict().items()}
        images = torch.rand(7, 3, 16, 12)
        whole = SampleScorer(classifier).features_and_logits(images)
        monkeypatch.setattr("hit.classifiers.scorer._CACHED_PIXELS", 3 * 16 * 12)
        torch.testing.assert_close(SampleScorer(classifier).features_and_logits(images), whole)
        with torch.no_grad():
            torch.testing.assert_close((classifier.features(images), classifier(images)), whole)
        for name, weights in classifier.state_dict().items():
            assert torch.equal(weights, before[name][0])
            assert weights.stride() == before[name][1], "what is saved is laid out as it was"

    def test_keeps_the_reference_of_a_data_set(self, digits: Dataset) -> None:
        scorer = scorer_of(digits)
        features, accuracy = scorer.reference(digits)
        assert features.shape == (len(digits.test), scorer.classifier.width)
        right = scorer.logits(digits.test.images / 255).argmax(1) == digits.test.labels
        assert accuracy == pytest.approx(right.double().mean().item())
        assert scorer.reference(digits)[0] is features
        part = Dataset("part", digits.train, Split(digits.test.images[:9], digits.test.labels[:9]), 10)
        assert len(scorer.reference(part)[0]) == 9


@pytest.mark.usefixtures("few_samples")
class TestMeasurement:
    def test_gives_every_metric_again_and_again(self, digits: Dataset) -> None:
        model, scorer = model_of(digits), scorer_of(digits)
        found = measure_generation(model, digits, scorer)
        expected = {f"sample/{name}" for name in (*GENERATED, "seconds")}
        expected |= {"test/reconstruction_accuracy", "test/prediction_entropy", "test/original_accuracy"}
        scores = ("inception_score", "diversity", "sharpness")
        expected |= {f"test/bound_{what}_{score}" for what in ("slack", "holds") for score in scores}
        assert {name for name in found if not name.endswith("_standard_error")} == expected
        assert {error_of(name) for name in expected} - {""} == set(found) - expected
        assert all(found[f"test/bound_holds_{score}"] == 1 for score in scores)
        assert all(map(is_metric, found))
        assert found["sample/inception_score"] == pytest.approx(
            found["sample/diversity"] * found["sample/sharpness"], rel=0.01
        )
        torch.manual_seed(1)
        again = measure_generation(model, digits, scorer)
        assert {**again, "sample/seconds": 0} == {**found, "sample/seconds": 0}
        other = measure_generation(model, digits, scorer_of(digits, seed=1))
        assert other["sample/fid_classifier"] != found["sample/fid_classifier"]

    def test_a_model_that_gives_back_the_data_is_perfect(self, digits: Dataset) -> None:
        class Perfect(HierarchicalVAE):
            """Reconstructs what it sees and, by chance, draws the test images."""

            drawn = 0

            def generate(self, noise: Any) -> torch.Tensor:
                self.drawn += len(noise[0])
                return digits.test.images[self.drawn - len(noise[0]) : self.drawn] / 255

            def reconstruct(self, outcome: Any) -> torch.Tensor:
                return digits.test.images[: len(outcome.output)] / 255

        model = model_of(digits)
        model.__class__ = Perfect
        count = len(digits.test)
        assert count <= 500, "one batch"
        samples.GENERATION = replace(GENERATION, samples=count)  # undone with the fixture
        found = measure_generation(model, digits, scorer_of(digits))
        assert found["sample/fid_classifier"] == pytest.approx(0, abs=1e-4)
        assert [found[f"sample/{name}"] for name in ("precision", "recall", "coverage")] == [1, 1, 1]
        assert found["test/reconstruction_accuracy"] == found["test/original_accuracy"]

    def test_few_images_have_no_neighbours(self, digits: Dataset) -> None:
        tiny = Dataset("tiny", digits.train, Split(digits.test.images[:5], digits.test.labels[:5]), 10)
        found = measure_generation(model_of(tiny), tiny, scorer_of(tiny))
        assert "sample/precision" not in found
        assert "sample/inception_score" in found

    def test_groups_are_measured_alone(self, digits: Dataset) -> None:
        model, scorer = model_of(digits), scorer_of(digits)
        core = evaluate_model(model, digits, scorer=scorer).metrics
        assert {metric(name).group for name in core} == {"core"}
        alone = evaluate_model(model, digits, groups={"generation"}, scorer=scorer).metrics
        assert {metric(name).group for name in alone} == {"generation"}
        assert "sample/inception_score" in alone

    def test_without_a_network_the_fid_is_left_out(
        self, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(Unavailable, match=r"needs the package torch-fidelity; pip install -e '\.\[fid\]'"):
            InceptionFid(torch.device("cpu"))
        monkeypatch.undo()
        monkeypatch.setitem(sys.modules, "torch_fidelity", ModuleType("torch_fidelity"))
        monkeypatch.setattr("importlib.util.find_spec", lambda name: True)

        def refuse(**options: Any) -> None:
            raise OSError("no route to the network\nat all")

        monkeypatch.setattr("torchmetrics.image.fid.FrechetInceptionDistance", refuse)
        groups, store = {"core", "inception"}, Store(new_database(tmp_path / "store.db"))
        scorers = find_scorers(groups, digits, store)
        measured = measure(model_of(digits), digits, CONFIG, (1.0, 1.0), groups, scorers)
        assert "sample/fid_inception" not in measured.metrics
        assert "test/rate" in measured.metrics
        (why,) = measured.skipped.values()
        assert why.endswith("torch-fidelity downloads into $TORCH_HOME: no route to the network")
        assert measured.tags == {f"{Tag.SKIPPED}.inception": why}

    def test_of_images_that_are_neither_grey_nor_colour_the_fid_is_left_out(self, tmp_path: Path) -> None:
        split = Split(torch.randint(0, 256, (20, 2, 9, 13), dtype=torch.uint8), torch.arange(20) % 2)
        two = Dataset("two", split, split, 2)
        scorers = find_scorers({"inception"}, two, Store(new_database(tmp_path / "store.db")))
        why = "FID with Inception features needs images of 1 (grey) or 3 channels (RGB), got images of 2"
        assert scorers.missing == {"inception": why}
        with pytest.raises(ConfigError, match="FID with Inception features needs images of 1"):
            evaluate_model(build_model(CONFIG, two.image_shape), two, groups={"inception"})

    def test_fid_of_the_same_samples(self, digits: Dataset) -> None:
        class Recorder:
            """Stands for the network, which cannot be had in tests."""

            def __init__(self) -> None:
                self.seen: dict[bool, list[torch.Tensor]] = {True: [], False: []}

            def update(self, images: torch.Tensor, *, real: bool) -> None:
                assert images.dtype == torch.uint8
                self.seen[real].append(images)

            def compute(self) -> float:
                return 12.5

        fid: Any = Recorder()
        assert evaluate_model(model_of(digits), digits, groups={"inception"}, fid=fid).metrics == {
            "sample/fid_inception": 12.5
        }
        assert torch.equal(torch.cat(fid.seen[True]), digits.test.images)
        assert sum(map(len, fid.seen[False])) == SAMPLES


@pytest.mark.usefixtures("few_samples")
class TestStore:
    """One store for a story: no classifier, a poor one, a good one, a newer one."""

    def trained(self, tmp_path: Path, **options: Any) -> str:
        quick = {"batch_size": 64, "learning_rate": 3e-3} | options
        chosen = ClassifyOptions(device="cpu", threads=1, state_dir=str(tmp_path / "state"), **quick)
        return classify(chosen, uri=new_database(tmp_path / "store.db"))[0]

    def measured(self, store: Store, run_id: str, tmp_path: Path, groups: str, again: bool = False) -> Measurement:
        (candidate,) = candidates(store, "hit", run_id=run_id, again=again, groups=parse_groups(groups))
        if candidate.skip:
            return Measurement(skipped={"all": candidate.skip})
        return evaluate_run(
            store,
            candidate,
            again=again,
            data_root="",
            device="cpu",
            threads=1,
            state_dir=str(tmp_path / "state"),
            stop=StopRequest(),
        )

    def test_generation_comes_with_the_classifier(
        self, digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        uri = new_database(tmp_path / "store.db")
        _say_once.cache_clear()
        config = replace(CONFIG, metrics="core,generation", state_dir=str(tmp_path / "state"))
        run_id = train_run(config, uri=uri)
        store = Store(uri)
        run = store.run(run_id)
        assert run.info.status == "FINISHED"
        assert "sample/inception_score" not in run.data.metrics
        why = run.data.tags[f"{Tag.SKIPPED}.generation"]
        assert "train one: python -m hit.classify --dataset digits" in why
        assert capsys.readouterr().err.strip() == f"generation not measured: {why}"

        self.trained(tmp_path, epochs=1, learning_rate=1e-8)
        with pytest.raises(
            NoScorer, match=r"must reach a test accuracy of 0\.\d+ to score samples, the best of 1 has 0\.\d+"
        ):
            find_scorer(store, digits)
        found = self.measured(store, run_id, tmp_path, groups="core,generation")
        assert found.groups == frozenset()
        assert "must reach" in found.summary()

        first = self.trained(tmp_path, epochs=2, experiment="elsewhere")
        scorer = find_scorer(store, digits)
        assert scorer.run_id == first
        found = self.measured(store, run_id, tmp_path, groups="core,generation")
        assert found.summary() == "measured generation"
        run = store.run(run_id)
        assert {f"sample/{name}" for name in GENERATED} < set(run.data.metrics)
        assert run.data.tags[Tag.JUDGE] == scorer_fingerprint(scorer)
        assert run.data.tags[Tag.JUDGE_RUN] == first
        assert f"{Tag.SKIPPED}.generation" not in run.data.tags
        assert self.measured(store, run_id, tmp_path, groups="core,generation") == Measurement()
        assert self.measured(store, run_id, tmp_path, again=True, groups="core").groups == {"core"}

        second = self.trained(tmp_path, epochs=2, seed=1)
        assert find_scorer(store, digits).run_id == second
        assert self.measured(store, run_id, tmp_path, groups="core,generation").groups == {"generation"}
        frame = store.history("hit")
        assert list(frame["judge"]) == [scorer_fingerprint(find_scorer(store, digits))]

        fresh = store.run(train_run(replace(config, seed=1), uri=uri))
        assert fresh.data.tags[Tag.JUDGE_RUN] == second
        assert f"{Tag.SKIPPED}.generation" not in fresh.data.tags
        assert fresh.data.metrics["sample/inception_score"] > 1

        with pytest.raises(StoreError, match="must have the artifact"):
            load_classifier(store, run_id)

    def test_a_resumed_run_no_longer_says_that_it_lacks_what_it_has(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uri = new_database(tmp_path / "store.db")
        config = replace(CONFIG, metrics="generation", state_dir=str(tmp_path / "state"))

        def stop(*arguments: Any) -> None:
            raise Interrupted(signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr("hit.runs.measurement.log_pictures", stop)
            with pytest.raises(Interrupted):
                train_run(config, uri=uri)
        (run,) = Store(uri).runs("hit")
        assert f"{Tag.SKIPPED}.generation" in run.data.tags
        self.trained(tmp_path, epochs=2)
        train_run(config, RunRequest(run_id=run.info.run_id), uri=uri)
        run = Store(uri).run(run.info.run_id)
        assert "sample/inception_score" in run.data.metrics
        assert f"{Tag.SKIPPED}.generation" not in run.data.tags

    def test_a_damaged_classifier_is_one_line(self, tmp_path: Path) -> None:
        class Damaged:
            def download(self, run_id: str, artifact: str, folder: Path) -> Path:
                (folder / "it").write_text('{"network": "vgg", "image_shape": [1, 28, 28], "classes": 10}')
                return folder / "it"

        store: Any = Damaged()
        with pytest.raises(CheckpointError, match=r"classifier.json of run 0 must describe a classifier, got .*vgg"):
            load_classifier(store, "0")


@pytest.mark.parametrize("text", ["", "cor", "core,", "all,latents", "core, inception"])
def test_groups_of_metrics_are_named(text: str) -> None:
    if text in ("", "cor"):
        with pytest.raises(ConfigError, match="metrics must be one or several, with commas, of all, core, latents"):
            TrainConfig.from_flat({"metrics": text})
    else:
        assert TrainConfig.from_flat({"metrics": text}).metrics == text
