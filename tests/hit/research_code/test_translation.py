"""Whatever stands in an import's config.json, it is translated or refused by one line, and stops no other import."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hit.config import TrainConfig
from hit.errors import CheckpointError, ConfigError
from hit.research_code import translate_config
from hit.research_code.importer import ImportStatus, find_runs, import_runs, read_config
from tests.unreadable import unreadable

FLAGS: dict[str, Any] = {
    "vae_type": "LVAE",
    "no_warmup": False,
    "dataset": "BinaryMNIST",
    "use_conv_z": False,
    "qz_family": "DiagonalGaussian",
    "px_y_family_ll": "GaussianFixedSigma",
    "num_epochs": 3,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "conv_channels": 4,
    "z_dims": 5,
    "sigma": 0.03,
    "linear_y_with_dims": -1,
    "beta_y": 0.7,
    "beta_z": 1.3,
}
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**400, "9" * 5000, 1e300, "\udcff", "x" * 10_000, "1.5", -1, 0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(list(FLAGS)), values, min_size=1, max_size=3))
def test_any_flag_is_translated_or_refused(changes: dict[str, Any]) -> None:
    said = ""
    try:
        config = translate_config(FLAGS | changes)
    except (CheckpointError, ConfigError) as error:
        said = str(error)
    assert len(said) < 1000
    assert said or TrainConfig.from_flat(config.to_flat()) == config


def write(folder: Path, **flags: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(FLAGS | flags))
    (folder / "vae.pth").write_bytes(b"PK")
    return folder


def test_one_bad_config_stops_no_import(tmp_path: Path) -> None:
    odd: dict[str, Any] = {"null": None, "half": 1.5, "true": True, "mapping": {"z": 1}, "huge": 10**12, "none": []}
    for name, dims in odd.items():
        write(tmp_path / "runs" / name, z_dims=dims)
    machine = TrainConfig(metrics="core", device="cpu", threads=1, state_dir=str(tmp_path / "state"))
    results = import_runs(find_runs(str(tmp_path / "runs")), machine, uri=f"sqlite:///{tmp_path}/store.db")
    assert {result.folder.name: result.status for result in results} == dict.fromkeys(sorted(odd), ImportStatus.DAMAGED)
    for result in results:
        assert "z_dims must" in result.reason, result


def test_a_folder_that_may_be_listed_alone(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    with (
        unreadable(folder),
        pytest.raises(CheckpointError, match=r"config\.json must be readable, got: Permission"),
    ):
        read_config(folder)


def test_a_data_root_out_of_reach_is_no_fault_of_the_runs(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    with pytest.raises(ConfigError, match="data_root must begin with"):
        import_runs([folder], TrainConfig(data_root="~nosuchuser"), uri=f"sqlite:///{tmp_path}/store.db")
