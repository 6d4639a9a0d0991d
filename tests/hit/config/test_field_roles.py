"""One table says what each field of the config is to a run, and all who treat fields differently read it."""

from dataclasses import fields
from typing import Any

import pytest

from analysis.settings import _FIELDS
from hit.config import TrainConfig, flat_defaults, machine_fields
from hit.config.field_roles import NEUTRAL, ROLES, Role, fields_of, role_of
from hit.config.options import infos
from hit.config.parts import MEANINGS, meaningless
from hit.errors import ConfigError
from hit.import_runs import ImportOptions
from hit.schema import is_metric
from hit.surface import parser as surface_parser
from hit.surfaces.plan import SurfacePlan
from sweeps.__main__ import parser as sweep_parser
from sweeps.main import parser as story_parser
from sweeps.spec.search_space import parse_fields

#: A value of each field, other than its default; for a model whose every field means something.
OTHER: dict[str, Any] = {
    "dataset": "fashion_mnist",
    "data_root": "/elsewhere",
    "crop": 32,
    "label": "species",
    "model": "ghvae",
    "likelihood": "mol",
    "sigma": 0.5,
    "posterior": "gumbel_softmax",
    "latent": "conv",
    "linear_z1": 8,
    "channels": 8,
    "z_dims": (10,),
    "betas": (0.5, 1.0),
    "warmup": False,
    "epochs": 3,
    "batch_size": 8,
    "learning_rate": 0.1,
    "schedule": "cosine",
    "precision": "bfloat16",
    "targets": {"target_rate_1": 30.0},
    "init_from": "abc",
    "seed": 1,
    "metrics": "core",
    "device": "cpu",
    "threads": 3,
    "state_dir": "/elsewhere",
}


def ladder(**flat: Any) -> TrainConfig:
    return TrainConfig.from_flat({"model": "lvae", "likelihood": "gaussian", **flat})


def other(name: str) -> TrainConfig:
    value = OTHER[name]
    if name == "targets":
        return ladder(**value)
    return ladder(beta_1=value[0]) if name == "betas" else ladder(**{name: value})


def test_every_field_has_one_role() -> None:
    """A field that you add: give it its role in `hit.config.field_roles.ROLES`, and another value above."""
    names = [entry.name for entry in fields(TrainConfig)]
    assert list(ROLES) == names
    assert [name for name in names if not name.endswith("_options")] == list(OTHER)
    assert sorted(name for role in Role for name in fields_of(role)) == sorted(names)
    assert set(NEUTRAL) | set(MEANINGS) <= set(names)
    assert all(NEUTRAL[name] == getattr(TrainConfig(), name) for name in NEUTRAL), "the default is as it was without"
    assert all(role_of(name) for name in flat_defaults())


@pytest.mark.parametrize("name", OTHER)
def test_a_role_decides_identity_and_group(name: str) -> None:
    changed, usual = other(name), ladder()
    assert changed != usual
    by_digest_or_none = ROLES[name] in (Role.MACHINE, Role.DATA)
    assert (changed.identity("d") == usual.identity("d")) == by_digest_or_none
    assert (changed.group("d") == usual.group("d")) == (by_digest_or_none or ROLES[name] is Role.SEED)


@pytest.mark.parametrize("name", OTHER)
def test_a_number_that_decides_is_a_metric_that_people_can_filter_on(name: str) -> None:
    value = getattr(TrainConfig(), name)
    told = other(name).numbers()
    assert all(is_metric(metric) for metric in told)
    if isinstance(value, int | float) and not isinstance(value, bool) and ROLES[name] not in (Role.MACHINE, Role.DATA):
        mirror = {"linear_z1": "dim_z1"}.get(name, name)
        assert told[mirror] == OTHER[name]


def test_what_means_nothing_is_no_part_of_an_identity() -> None:
    assert meaningless(TrainConfig(model="vae", betas=(1.0,)).to_flat()) == {"sigma", "latent", "z_dims", "warmup"}
    assert meaningless(ladder().to_flat()) == frozenset()
    assert meaningless({"model": "vae", "likelihood": "mol"}, free=["model"]) == {"sigma"}
    for name in MEANINGS:
        assert MEANINGS[name].field in ROLES


def test_settings_are_told_apart_by_what_is_neither_varied_nor_of_the_machine() -> None:
    assert [name for name in flat_defaults() if name not in _FIELDS] == [
        *("data_root", "beta_1", "beta_2"),
        *("target_rate_1", "target_rate_2", "target_rate", "max_rate_1", "max_rate_2", "max_rate"),
        *("seed", "metrics", "device", "threads", "state_dir"),
    ]


@pytest.mark.parametrize("name", [name for name in flat_defaults() if role_of(name) is not Role.ARCHITECTURE])
def test_a_search_varies_training_and_objective_alone_beside_the_architecture(name: str) -> None:
    base = TrainConfig.from_flat({"target_rate_1": 30})
    if role_of(name) in (Role.TRAINING, Role.OBJECTIVE):
        text = {"warmup": "true|false", "schedule": "constant|cosine", "precision": "float32|bfloat16"}.get(name, "1|2")
        assert parse_fields(f"{name}={text}", base)[0].name == name
    else:
        with pytest.raises(ConfigError, match=f"space must name fields of the config .* got '{name}'") as caught:
            parse_fields(f"{name}=1|2", base)
        assert f"did you mean {name!r}" not in str(caught.value), "what is refused is not proposed"


def test_a_surface_has_no_rates_of_its_own_and_starts_from_nothing() -> None:
    command = surface_parser().defaults()
    params = SurfacePlan(config=TrainConfig(), grids={"grid_1": "1", "grid_2": "1"}).params()
    for name in flat_defaults():
        open_ = role_of(name) in (Role.RATES, Role.START)
        assert (name in params) == (not open_), name
        assert (name in command) == (not open_ or name in ("target_rate_1", "target_rate_2")), name


def test_a_sweep_takes_every_field_but_beta_and_the_seed() -> None:
    left = {name for name in flat_defaults() if name not in ("beta_1", "beta_2", "seed")}
    for command in (sweep_parser(), story_parser()):
        assert flat_defaults().keys() & command.defaults().keys() == left


def test_an_import_takes_every_field_of_the_machine() -> None:
    assert machine_fields() <= set(infos(ImportOptions))
