"""Identities and groups that stand in stores: hashes written down before the fields' roles stood in one table."""

from typing import Any

import pytest

from hit.config import TrainConfig
from hit.schema import Tag
from hit.surfaces.plan import SurfacePlan

#: Flat fields, identity and group of configs for data of digest "d".
CONFIGS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "160b1646906c0dae", "07035fc018c49edc"),
    (
        {"seed": 7, "metrics": "core", "device": "cpu", "threads": 2, "state_dir": "/s", "data_root": "/d"},
        "4f8feeb309fb4e3d",
        "07035fc018c49edc",
    ),
    ({"seed": 7, "dataset": "mnist", "crop": 32}, "4f8feeb309fb4e3d", "07035fc018c49edc"),
    ({"model": "vae"}, "0a3767c63a32b326", "e75d50a40ee95434"),
    (
        {"model": "vae", "latent": "conv", "z_dims": "8,20", "warmup": "false"},
        "0a3767c63a32b326",
        "e75d50a40ee95434",
    ),
    ({"model": "lvae"}, "546e3ebb42b0e217", "a9c0cc470f857d1d"),
    ({"model": "lvae", "warmup": "false"}, "6550f6fe4bb8e8aa", "93ddb2c7fba34f4a"),
    ({"latent": "conv", "z_dims": "8,20"}, "6efca39483f9a767", "7be0e7a06541bb07"),
    ({"linear_z1": 8, "z_dims": "10"}, "d845f074714a7e26", "d72a2b98c5b93e2e"),
    ({"likelihood": "gaussian"}, "7d7490ab5ba9cb9a", "124f7aaca878c53f"),
    ({"likelihood": "gaussian", "sigma": 0.5}, "f3122dd86cfd3520", "2b4f5b012d112cad"),
    ({"likelihood": "mol", "sigma": 0.5, "channels": 8}, "de900b01fde5084e", "594e43affe32f7f1"),
    (
        {"posterior": "gumbel_softmax", "z_dims": "8,20", "beta_3": "0.5", "beta_1": "1e-1"},
        "45d1122d7e03c33d",
        "98530e3aa1a3fbfc",
    ),
    (
        {"schedule": "one_cycle", "epochs": 24, "batch_size": 128, "learning_rate": 3e-3},
        "2937f14cdaa01c1d",
        "ffa656dea5e9f919",
    ),
    ({"init_from": "0123456789abcdef"}, "336b1c55ddd5a62f", "bb2005e01d4bcbac"),
    ({"precision": "float32"}, "160b1646906c0dae", "07035fc018c49edc"),
    ({"target_rate_1": 30, "max_rate": "50"}, "2a338c85ffc97b76", "4582d9a3d03401cb"),
    ({"max_rate_2": 12.5, "beta_2": 2}, "567a2eda563854d9", "2a94439b040a9689"),
]


@pytest.mark.parametrize(("flat", "identity", "group"), CONFIGS)
def test_of_a_model(flat: dict[str, Any], identity: str, group: str) -> None:
    config = TrainConfig.from_flat(flat)
    assert (config.identity("d"), config.group("d")) == (identity, group)


@pytest.mark.parametrize(
    ("flat", "kernels", "identity", "group", "cell", "cell_group"),
    [
        ({}, 2, "587b3d5bbeb18a38", "55b15d7e228328c8", "c64b026c84f219cb", "7194bcc87a2e4714"),
        ({}, 1, "e1c12d8980b13ff0", "24638231788aba98", "60b1892068551694", "625226a43819cee8"),
        (
            {"model": "lvae", "epochs": 30, "learning_rate": 3e-3, "schedule": "one_cycle", "seed": 2},
            1,
            "9f92c92026714506",
            "f35b067111fd83ef",
            "170d8058b7ca858d",
            "f9efe61e9933b0fb",
        ),
    ],
)
def test_of_a_surface_and_its_first_cell(
    flat: dict[str, Any], kernels: int, identity: str, group: str, cell: str, cell_group: str
) -> None:
    grids = {"grid_1": "0.1:10:5", "grid_2": "0.1:10:5"}
    plan = SurfacePlan(config=TrainConfig.from_flat(flat), grids=grids, kernels=kernels)
    tags = plan.cell_tags(plan.cells[0], "d", "r")
    assert (plan.identity("d"), plan.group("d")) == (identity, group)
    assert (tags[Tag.CONFIG_HASH], tags[Tag.GROUP]) == (cell, cell_group)
