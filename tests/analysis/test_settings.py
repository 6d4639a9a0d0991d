"""Which runs share a picture."""

from collections.abc import Callable

import pandas as pd
import pytest

from analysis.settings import all_equal, settings

MakeFrame = Callable[..., pd.DataFrame]


def test_runs_that_differ_in_beta_and_seed_are_one_setting(make_frame: MakeFrame) -> None:
    frame = make_frame(3, seeds=2)
    (setting,) = settings(frame)
    assert len(setting.frame) == 18
    assert setting.title == "binary_mnist · GHVAE · bernoulli"
    assert setting.layers == 2
    assert setting.details["epochs"] == "10"
    assert "sigma" not in setting.details
    assert "warmup" not in setting.details


@pytest.mark.parametrize(
    ("other", "title"),
    [
        ({"dataset": "digits"}, "digits · GHVAE · bernoulli"),
        ({"model": "lvae"}, "binary_mnist · LVAE · bernoulli"),
        ({"likelihood": "gaussian"}, "binary_mnist · GHVAE · gaussian"),
        ({"epochs": 3}, "binary_mnist · GHVAE · bernoulli · epochs 3"),
        ({"channels": 8}, "binary_mnist · GHVAE · bernoulli · channels 8"),
        ({"layers": 3}, "binary_mnist · GHVAE · bernoulli · z_dims 20,20"),
    ],
)
def test_what_decides_a_result_parts_settings(make_frame: MakeFrame, other: dict[str, object], title: str) -> None:
    first, second = settings(pd.concat([make_frame(2, **other), make_frame(4)]))
    assert (len(first.frame), len(second.frame)) == (16, 8 if "layers" in other else 4)
    assert second.title == title


def test_a_model_of_an_extension_is_called_as_it_is_registered(grid: pd.DataFrame) -> None:
    grid["model"] = "residual"
    (found,) = settings(grid)
    assert found.title == "binary_mnist · residual · bernoulli"


def test_another_version_of_the_data_is_another_setting(grid: pd.DataFrame) -> None:
    grid.loc[20:, "data_digest"] = "newer"
    assert [len(setting.frame) for setting in settings(grid)] == [20, 5]
    assert all("data_digest" in setting.title for setting in settings(grid))


def test_a_run_that_failed_before_it_saw_its_data_stays_with_the_others(grid: pd.DataFrame) -> None:
    grid.loc[0, ["status", "data_digest"]] = ["FAILED", None]
    assert len(settings(grid)) == 1


def test_params_as_typed_and_as_logged_are_one_setting(grid: pd.DataFrame) -> None:
    grid["learning_rate"] = grid["learning_rate"].astype(object)
    grid.loc[3, "learning_rate"] = "3e-4"
    grid["epochs"] = grid["epochs"].astype(object)
    grid.loc[4, "epochs"] = None  # its default
    assert len(settings(grid)) == 1


def test_what_the_config_does_not_know_is_a_setting_of_its_own(grid: pd.DataFrame) -> None:
    grid.loc[:1, "likelihood"] = "of_another_version"
    assert [len(setting.frame) for setting in settings(grid)] == [23, 2]


def test_what_a_model_does_not_read_is_not_told(grid: pd.DataFrame) -> None:
    grid["model"], grid["latent"], grid["channels"] = "vae", "dense", 4
    (found,) = settings(grid)
    assert "channels" in found.details
    assert "latent" not in found.details


def test_no_runs_no_settings(grid: pd.DataFrame) -> None:
    assert settings(grid.iloc[:0]) == []


def test_equal_betas_allow_for_rounding() -> None:
    frame = pd.DataFrame({"beta_1": [0.1, 1.0, 2.0, None], "beta_2": [0.1 + 1e-12, 1.0, 2.1, 1.0]})
    assert all_equal(frame, 2).tolist() == [True, True, False, False]
    assert all_equal(frame, 2, to=1.0).tolist() == [False, True, False, False]
