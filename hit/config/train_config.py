"""What decides a run: one frozen, validated dataclass, flat in the command line and in the store."""

__all__ = ["TrainConfig"]

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.config import field_types
from hit.config.field_roles import BETA, NEUTRAL, Role, fields_of, is_option
from hit.config.field_types import Text, dimensions
from hit.config.machine_options import DataRoot, Device, MachineOptions, StateDir, Threads
from hit.config.options import CROP_HELP, one_line, unknown
from hit.config.part_options import (
    check_dataset,
    deciding_options,
    flat_options,
    flat_source,
    parse_options,
    settled_options,
)
from hit.config.parts import (
    LIKELIHOOD_HELP,
    LIKELIHOODS,
    MEANINGS,
    MODEL_HELP,
    MODELS,
    PARTS,
    LikelihoodPart,
    ModelPart,
    meaningless,
)
from hit.config.rates.beta_numbers import beta_numbers
from hit.config.rates.layer_groups import BETA_GROUP, expanded_betas
from hit.config.rates.rate_targets import TARGET, TARGET_DEFAULTS, RateTargets
from hit.errors import ConfigError, shown
from hit.schema.hashing import identity_hash
from hit.schema.metric_groups import GROUPS_HELP, Groups

#: Fields that hold the options of a part → the field that names the part.
_OPTIONS = {f"{kind}_options": kind for kind in PARTS}
#: Fields that are several flat parameters.
_NOT_FLAT = ("betas", "targets", *_OPTIONS)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class TrainConfig:
    """One model, its training and its evaluation.

    In the command line, in the MLproject and in the store a config is flat: `betas` becomes
    `beta_1 … beta_L`, and `z_dims` a list with commas. `from_flat` and `to_flat` convert.

    Raises:
        ConfigError: from `from_flat`, naming the field, the rule and the value.
    """

    dataset: Annotated[
        Text, Field(description="a named data set, an .npz, .csv or .parquet file, or a folder of images")
    ] = "digits"
    data_root: DataRoot = MachineOptions.data_root
    crop: Annotated[field_types.Crop, Field(description=CROP_HELP)] = 0
    label: Annotated[
        Text, Field(description="column of a table with the labels; empty: label or y; none: there are none")
    ] = ""
    model: Annotated[str, AfterValidator(MODELS.check), Field(description=MODEL_HELP)] = "ghvae"
    model_options: Annotated[Any, Field(description="options of the model, flat: model.NAME")] = None
    likelihood: Annotated[str, AfterValidator(LIKELIHOODS.check), Field(description=LIKELIHOOD_HELP)] = "bernoulli"
    likelihood_options: Annotated[Any, Field(description="options of the likelihood, flat: likelihood.NAME")] = None
    sigma: Annotated[
        field_types.Sigma,
        Field(description="σ of the gaussian likelihood, in units of the pixel range [0, 1], or of a feature's spread"),
    ] = 0.71
    posterior: Annotated[
        Literal["gaussian", "gumbel_softmax"],
        Field(description="family of q(z_L|x): gaussian (diagonal) or gumbel_softmax (one of as many categories)"),
    ] = "gaussian"
    latent: Annotated[
        Literal["dense", "conv"],
        Field(description="form of z_2: dense (a vector) or conv (a map of channels, of most images × 4 × 4)"),
    ] = "dense"
    linear_z1: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="dimensions of z_1 as a vector (latent=dense); 0: a map, of vectors D, at most 64",
        ),
    ] = 0
    channels: Annotated[field_types.Channels, Field(description="channels c of every convolution")] = 16
    z_dims: Annotated[
        tuple[field_types.Dimensions, ...],
        Field(
            min_length=1,
            max_length=field_types.MOST_LAYERS - 1,
            description="dimensions of z_L, …, z_2, from the top down, with commas; its length sets L; "
            "the last means nothing with latent=conv",
        ),
    ] = (20,)
    betas: Annotated[tuple[field_types.Beta, ...], Field(description="weight β_l of rate R_l in D + Σ β_l R_l")] = (
        1.0,
        1.0,
    )
    warmup: Annotated[bool, Field(description="lvae: raise all β from 0 over the first fifth of the epochs")] = True
    epochs: Annotated[field_types.Epochs, Field(description="passes over the training set")] = 10
    batch_size: Annotated[field_types.BatchSize, Field(description="images a step")] = 256
    learning_rate: Annotated[
        field_types.LearningRate, Field(description="step size of Adam, the peak of its schedule")
    ] = 3e-4
    schedule: Annotated[
        Literal["constant", "one_cycle", "cosine", "cooldown"],
        Field(
            description="of the step size: constant, one_cycle (rises, then falls to 0), cosine (falls to 0) or "
            "cooldown (constant, then falls to 0 in the second half)"
        ),
    ] = "constant"
    precision: field_types.Precision = "float32"
    targets: Annotated[RateTargets, Field(description="rates to end with, for which β is moved from where it is")] = (
        RateTargets()
    )
    init_from: Annotated[
        field_types.RunId, Field(description="run id of a finished run whose weights training starts from")
    ] = ""
    seed: Annotated[field_types.Seed, Field(description="seeds weights, batches and noise")] = 0
    metrics: Annotated[Groups, Field(description=f"measured after training, core in any case; {GROUPS_HELP}")] = "all"
    device: Device = MachineOptions.device
    threads: Threads = MachineOptions.threads
    state_dir: StateDir = MachineOptions.state_dir

    def __post_init__(self) -> None:
        for name, kind in _OPTIONS.items():
            object.__setattr__(self, name, settled_options(kind, getattr(self, kind), getattr(self, name)))
        if self.linear_z1 and ("linear_z1" not in self.model_part.reads or self.latent == "conv"):
            raise ConfigError(
                "linear_z1 must be 0 unless latent=dense, "
                f"got {self.linear_z1} with model={self.model} and latent={self.latent}"
            )
        if self.posterior == "gumbel_softmax" and not ("posterior" in self.model_part.reads and self._top_is_vector):
            raise ConfigError(
                "posterior must be gaussian where z_L is a map, got 'gumbel_softmax' with "
                f"model={self.model}, latent={self.latent} and L = {self.layers}"
            )
        self.targets.check_betas(self.betas)

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which may know the options' class by another module."""
        return vars(self) | {
            name: flat_options(kind, getattr(self, kind), getattr(self, name)) for name, kind in _OPTIONS.items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(
            state | {name: parse_options(kind, state[kind], state[name]) for name, kind in _OPTIONS.items()}
        )

    @property
    def model_part(self) -> ModelPart:
        """What is known of its model."""
        return MODELS.get(self.model)

    @property
    def likelihood_part(self) -> LikelihoodPart:
        """What is known of its likelihood."""
        return LIKELIHOODS.get(self.likelihood)

    @property
    def _top_is_vector(self) -> bool:
        return self.layers > (2 if self.latent == "conv" else 1)

    @property
    def layers(self) -> int:
        """L, the number of layers of latents."""
        return self.model_part.layers_of(self.model_options, self.z_dims)

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any], **overrides: Any) -> "TrainConfig":
        """The config of flat parameters, as strings or as values; what is not named has its default.

        A model of L layers takes its first L betas; those left unnamed are 1. `beta_1-3` names those of three layers.

        Raises:
            ConfigError: an unknown name (with the nearest known one), a wrong type, a value out of range.

        >>> TrainConfig.from_flat({"beta_1": "1e-1", "z_dims": "8,20", "beta_3": 2}).betas
        (0.1, 1.0, 2.0)
        """
        flat = {**flat, **overrides}
        values: dict[str, Any] = {}
        betas: dict[int, Any] = {}
        groups: dict[str, Any] = {}
        targets: dict[str, Any] = {}
        options: dict[str, Any] = {}
        names = [entry.name for entry in fields(cls) if entry.name not in _NOT_FLAT]
        for name, value in flat.items():
            if match := BETA.match(name):
                betas[int(match[1])] = value
            elif BETA_GROUP.match(name):
                groups[name] = value
            elif TARGET.match(name):
                targets[name] = value
            elif is_option(name):
                options[name] = value
            elif name not in names:
                known = [*names, "beta_1", "beta_2", *TARGET_DEFAULTS]
                raise unknown(name, known)
            elif name == "z_dims":
                values[name] = dimensions(value)
            else:
                values[name] = value
        check_dataset(str(values.get("dataset", "")), options)
        for kind in PARTS:
            values[f"{kind}_options"] = parse_options(kind, values.get(kind, getattr(cls, kind)), options)
        layers = _layers(values)
        for layer, value in betas.items():
            if layer > layers:
                raise ConfigError(
                    f"beta_{layer} needs a model of {layer} layers or more, but L = {layers}, got {shown(value)}"
                )
        betas = expanded_betas(betas, groups, layers)
        values["betas"] = tuple(betas.get(layer, 1.0) for layer in range(1, layers + 1))
        values["targets"] = RateTargets.parse(targets, layers)
        try:
            return cls(**values)
        except pydantic.ValidationError as error:
            raise ConfigError(one_line(error)) from None

    def to_flat(self) -> dict[str, Any]:
        """Flat parameters in schema names, as Python values; `from_flat` inverts it."""
        flat: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name == "betas":
                flat.update({f"beta_{layer}": beta for layer, beta in enumerate(value, start=1)})
            elif entry.name == "targets":
                flat.update(value.to_flat())
            elif entry.name == "z_dims":
                flat[entry.name] = ",".join(map(str, value))
            elif entry.name in _OPTIONS:
                kind = _OPTIONS[entry.name]
                flat.update(flat_options(kind, getattr(self, kind), value))
            else:
                flat[entry.name] = value
                if entry.name == "dataset":
                    flat |= flat_source("dataset", value)
        return flat

    def numbers(self) -> dict[str, float]:
        """The numeric fields that decide a run, and L, as metrics in schema names: people can filter on them."""
        numbers = beta_numbers(self.betas) | {"layers": float(self.layers)}
        reads = self.model_part.reads
        if self.linear_z1:
            numbers["dim_z1"] = float(self.linear_z1)
        if "z_dims" in reads:
            for layer, dim in enumerate(reversed(self.z_dims), start=2):
                if layer > 2 or self.latent == "dense":  # how many numbers a map holds the images decide
                    numbers[f"dim_z{layer}"] = float(dim)
        options = {name: value for name, value in self.to_flat().items() if is_option(name)}
        for name, value in (self._deciding() | options).items():
            if isinstance(value, int | float) and not isinstance(value, bool) and name != "linear_z1":  # it is dim_z1
                numbers[name] = float(value)
        return numbers

    def identity(self, data_digest: str) -> str:
        """Hash of every field that decides the result, and of the data themselves (tag `hit.config_hash`)."""
        return identity_hash(self._deciding() | {"data": data_digest})

    def group(self, data_digest: str) -> str:
        """The same without the seed, so that replicates group (tag `hit.group`)."""
        deciding = self._deciding() | {"data": data_digest}
        for name in fields_of(Role.SEED):
            del deciding[name]
        return identity_hash(deciding)

    def _deciding(self) -> dict[str, Any]:
        """The fields that decide the result for data that are known, as far as they mean something."""
        elsewhere = {*fields_of(Role.MACHINE, Role.DATA), *_OPTIONS}
        deciding = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in elsewhere}
        if self.latent == "conv" and "latent" in self.model_part.reads:
            deciding["z_dims"] = self.z_dims[:-1]
        for name in meaningless(deciding):
            if (otherwise := MEANINGS[name].otherwise) is None:
                del deciding[name]
            else:
                deciding[name] = otherwise
        for name, neutral in NEUTRAL.items():
            if deciding.get(name) == neutral:
                del deciding[name]
        del deciding["targets"]
        for name, kind in _OPTIONS.items():
            deciding |= deciding_options(kind, getattr(self, kind), getattr(self, name))
        return deciding | self.targets.to_flat()


def _layers(values: Mapping[str, Any]) -> int:
    part = MODELS.get(values.get("model", TrainConfig.model))
    return part.layers_of(values["model_options"], values.get("z_dims", TrainConfig.z_dims))
