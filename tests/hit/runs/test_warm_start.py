"""Runs with targets and runs that start from others, as the store shows them."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hit.config import TrainConfig
from hit.config.rates.rate_targets import FAR_ABOVE
from hit.errors import ConfigError, Interrupted
from hit.processes.stop import StopRequest
from hit.runs.evaluation_run import candidates, evaluate_run
from hit.runs.model_run import RunRequest
from hit.runs.training_run import RunProgress, train_run
from hit.schema import Tag
from hit.store import Store
from tests.stores import new_database


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    state = tmp_path_factory.mktemp("state")
    return TrainConfig(
        channels=4, z_dims=(5,), epochs=2, learning_rate=3e-3, metrics="core", threads=1, state_dir=str(state)
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(new_database(tmp_path_factory.mktemp("store") / "store.db"))


@pytest.fixture(scope="module")
def source(store: Store, base: TrainConfig) -> str:
    return train(store, base)


def train(store: Store, config: TrainConfig) -> str:
    return train_run(config, uri=str(store.client.tracking_uri))


def with_targets(config: TrainConfig, **targets: object) -> TrainConfig:
    return TrainConfig.from_flat(config.to_flat() | targets)


@pytest.fixture(scope="module")
def run_id(store: Store, base: TrainConfig) -> str:
    """A run with rate targets."""
    return train(store, with_targets(replace(base, epochs=3), target_rate_1=9, max_rate=200, beta_2=0.5))


class TestRunWithTargets:
    def test_params_hold_what_was_asked_and_metrics_what_came_of_it(self, store: Store, run_id: str) -> None:
        data = store.run(run_id).data
        assert (data.params["target_rate_1"], data.params["max_rate"]) == ("9.0", "200.0")
        assert (data.params["beta_1"], data.params["beta_2"]) == ("1.0", "0.5")
        assert (data.metrics["layers"], data.metrics["classes"]) == (2, 10), "nobody needs to derive them"
        final = data.metrics["beta_1"]
        assert final != 1
        assert data.metrics["log10_beta_1"] == pytest.approx(np.log10(final))
        assert data.metrics["beta_2"] == pytest.approx(0.5)
        assert data.metrics["test/rate_error_1"] == pytest.approx(data.metrics["test/rate_1"] / 9 - 1)
        assert data.metrics["test/rate_error"] == pytest.approx(data.metrics["test/rate"] / 200 - 1)
        weighed = sum(data.metrics[f"beta_{layer}"] * data.metrics[f"test/rate_{layer}"] for layer in (1, 2))
        assert data.metrics["test/objective"] == pytest.approx(data.metrics["test/distortion"] + weighed)
        assert len(store.client.get_metric_history(run_id, "train/rate_error_1")) == 3
        assert (Tag.INFEASIBLE in data.tags) == (abs(data.metrics["test/rate_error_1"]) > FAR_ABOVE)

    def test_frames_hold_the_beta_that_it_ended_with(self, store: Store, run_id: str) -> None:
        row = store.history().set_index("run_id").loc[run_id]
        assert row["beta_1"] == store.run(run_id).data.metrics["beta_1"]
        assert (row["target_rate_1"], row["max_rate"]) == (9, 200)
        assert np.isnan(row["target_rate_2"])

    def test_measured_again_at_the_same_beta(self, store: Store, run_id: str, base: TrainConfig) -> None:
        before = store.run(run_id).data.metrics
        stale = int(time.time() * 1000)
        store.client.log_metric(run_id, "test/rate_error_1", 9.0, timestamp=stale, step=3)
        (candidate,) = candidates(store, "hit", run_id=run_id, groups={"core"}, again=True)
        evaluate_run(
            store,
            candidate,
            again=True,
            data_root="",
            device="cpu",
            threads=1,
            state_dir=base.state_dir,
            stop=StopRequest(),
        )
        after = store.run(run_id).data.metrics
        for name in ("test/objective", "test/rate_error_1", "test/rate_error"):
            assert after[name] == before[name], name

    def test_out_of_reach_is_finished_and_says_so(self, store: Store, base: TrainConfig) -> None:
        asked = with_targets(replace(base, batch_size=4, epochs=1), target_rate_2=500, beta_2=1.1e-4)
        run = store.run(train(store, asked))
        assert run.info.status == "FINISHED"
        assert run.data.tags[Tag.INFEASIBLE].startswith("target_rate_2=500 is missed by -")
        assert run.data.tags[Tag.INFEASIBLE].endswith("with beta_2 at its bound of 0.0001")
        assert run.data.metrics["beta_2"] == pytest.approx(1e-4)


class TestWarmStart:
    def test_it_begins_where_the_other_ended_and_says_so(self, store: Store, base: TrainConfig, source: str) -> None:
        warm = replace(base, init_from=source, betas=(0.5, 2.0), epochs=1)
        run = store.run(train(store, warm))
        assert run.data.tags[Tag.INIT_FROM] == run.data.params["init_from"] == source
        cold = store.run(source).data.metrics
        first = store.client.get_metric_history(run.info.run_id, "train/elbo")[0].value
        assert first > cold["train/elbo"], "one epoch later than the second of the other"
        assert warm.identity("d") != replace(warm, init_from="").identity("d")

    def test_a_killed_warm_run_goes_on_from_its_own_checkpoint(
        self, store: Store, base: TrainConfig, source: str
    ) -> None:
        warm = replace(base, init_from=source, epochs=3, seed=1)
        whole = store.run(train(store, warm)).data.metrics
        uri = str(store.client.tracking_uri)

        def stop(progress: RunProgress) -> None:
            if progress.epoch == 2:
                raise Interrupted(15)

        with pytest.raises(Interrupted):
            train_run(warm, uri=uri, on_progress=stop)
        killed = next(run for run in store.runs() if run.info.status == "KILLED")
        resumed = store.run(train_run(warm, RunRequest(run_id=killed.info.run_id), uri=uri)).data.metrics
        assert resumed["test/elbo"] == whole["test/elbo"]

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"channels": 8}, "which has channels=4 where this run has 8"),
            ({"z_dims": (6,)}, "which has z_dims=5 where this run has 6"),
            ({"likelihood": "gaussian"}, "which has likelihood=bernoulli where this run has gaussian"),
            ({"model": "lvae"}, "which has model=ghvae where this run has lvae"),
            ({"init_from": "0" * 32}, f"got '{'0' * 32}', which the store does not know"),
        ],
    )
    def test_a_wrong_source_is_one_line_and_no_run(
        self, store: Store, base: TrainConfig, source: str, changes: dict[str, object], words: str
    ) -> None:
        before = len(list(store.runs(kind=None)))
        with pytest.raises(ConfigError, match="init_from must name a finished run of the same architecture") as caught:
            train(store, replace(base, **{"init_from": source, **changes}))  # type: ignore[arg-type]
        assert str(caught.value).endswith(words)
        assert len(list(store.runs(kind=None))) == before

    def test_images_of_another_shape(self, store: Store, base: TrainConfig, source: str, tmp_path: Path) -> None:
        """The weights of a dense model have the same shapes for 28 and for 32 pixels."""
        images = np.random.default_rng(0).integers(0, 256, (40, 32, 32), dtype=np.uint8)
        np.savez(tmp_path / "larger.npz", images=images, labels=np.arange(40) % 2)
        with pytest.raises(ConfigError, match="which is for images of 1×28×28 where this run's are of 1×32×32"):
            train(store, replace(base, init_from=source, dataset=str(tmp_path / "larger.npz")))

    def test_a_run_that_did_not_finish(self, store: Store, base: TrainConfig) -> None:
        def stop(progress: RunProgress) -> None:
            raise Interrupted(15)

        with pytest.raises(Interrupted):
            train_run(replace(base, seed=7), uri=str(store.client.tracking_uri), on_progress=stop)
        killed = next(run for run in store.runs(where="params.seed = '7'"))
        with pytest.raises(ConfigError, match="of kind 'train' and KILLED"):
            train(store, replace(base, init_from=killed.info.run_id))
