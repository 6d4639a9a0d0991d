"""A filter that MLflow refuses is told in our names, and what is told is understood."""

import pytest

from hit.config import TrainConfig
from hit.errors import StoreError
from hit.schema import Kind, Tag
from hit.store import Store
from hit.store.filters import hint_for_none, meant
from hit.tracking import RunWriter
from tests.stores import new_database

FILTERS = {
    "beta_1 < 1": "metrics.beta_1 < 1",
    "beta_1<1 and beta_2>=2": "metrics.beta_1<1 and metrics.beta_2>=2",
    "model = 'ghvae'": "params.model = 'ghvae'",
    "model LIKE '%vae'": "params.model LIKE '%vae'",
    "test/psnr > 18": "metrics.`test/psnr` > 18",
    "`test/psnr` > 18": "metrics.`test/psnr` > 18",
    "metrics.test/psnr > 18": "metrics.`test/psnr` > 18",
    "params.beta_1 < 1": "metrics.beta_1 < 1",
    "parms.beta_1 < 1": "metrics.beta_1 < 1",
    "bta_1 < 1": "metrics.beta_1 < 1",
    "modle = 'beta_1 < 1'": "params.model = 'beta_1 < 1'",
    "kind = 'train'": "tags.`hit.kind` = 'train'",
    "epochs = 4": "metrics.epochs = 4",
    "beta_4 > 1": "metrics.beta_4 > 1",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("filters")
    with RunWriter.begin(kind=Kind.TRAIN, name="", state_dir=folder, uri=new_database(folder / "store.db")) as run:
        run.params(TrainConfig().to_flat())
        run.metrics({"beta_1": 0.5, "beta_2": 2.0, "beta_4": 2.0, "epochs": 4.0, "test/psnr": 20.0})
    return Store(f"sqlite:///{folder}/store.db")


@pytest.mark.parametrize("where", FILTERS)
def test_a_refused_filter_gets_one_that_is_understood(store: Store, where: str) -> None:
    with pytest.raises(StoreError) as refused:
        store.history(where=where)
    assert str(refused.value).endswith(f"got {where!r}; did you mean {FILTERS[where]!r}?")
    assert len(store.history(where=FILTERS[where])) == (0 if "modle" in where else 1)


@pytest.mark.parametrize(
    "where",
    [
        "metrics.beta_1 < 1 and params.model = 'ghvae'",
        "metrics.`test/psnr` > 18",
        "attributes.status = 'FINISHED' and run_name LIKE 'β%'",
        f"tags.`{Tag.SWEEP}` = 'x'",
        "metric.of_somebody > 1 and tags.team = 'a'",
        "attributes.run_id IN ('a', 'b')",
        "dataset.name = 'digits'",
    ],
)
def test_what_is_understood_stays(store: Store, where: str) -> None:
    assert meant(where) == where
    store.history(where=where)


@pytest.mark.parametrize(
    ("where", "better"),
    [
        ("metrics.beta1 < 3", "metrics.beta_1 < 3"),
        ("params.modle = 'ghvae'", "params.model = 'ghvae'"),
        ("metrics.`test/psnrr` > 3 and metrics.beta_1 < 1", "metrics.`test/psnr` > 3 and metrics.beta_1 < 1"),
        ("tags.sweep = 'x'", "tags.`hit.sweep` = 'x'"),
        ("params.beta1 = '0.5'", "params.beta_1 = '0.5'"),
    ],
)
def test_of_a_filter_that_matches_nothing_a_misspelt_name_is_told(store: Store, where: str, better: str) -> None:
    assert store.history(where=where).empty
    assert hint_for_none(where) == f"; did you mean {better!r}?"
    store.history(where=better)


@pytest.mark.parametrize(
    "where",
    ["metrics.beta_3 < 3 and metrics.taste > 1", "tags.mlflow.user = 'me' and tags.team = 'a'", "params.beta_3 = '1'"],
)
def test_of_names_that_are_ours_or_somebodys_own_nothing_is_told(where: str) -> None:
    assert not hint_for_none(where)


def test_what_means_nothing_gets_no_list_of_keys(store: Store) -> None:
    with pytest.raises(StoreError, match=r"cannot answer 'zzzz = 1': Invalid attribute key 'zzzz' specified\.$"):
        store.history(where="zzzz = 1")
    with pytest.raises(StoreError, match="joins clauses by 'and' alone"):
        store.history(where="metrics.beta_1 < 1 or metrics.beta_2 < 1")
