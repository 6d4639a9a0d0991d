"""What decides a run: one frozen, validated dataclass, flat in the command line and in the store."""

__all__ = ["TrainConfig", "beta_numbers"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.config import field_types
from hit.config.field_roles import BETA, MEANINGS, NEUTRAL, Role, fields_of, meaningless
from hit.config.field_types import Text, whole_number
from hit.config.latent_maps import USUAL_MAPS, LatentMap, LatentMaps, parse_maps
from hit.config.layer_groups import BETA_GROUP, expanded_betas
from hit.config.machine_options import DataRoot, Device, MachineOptions, StateDir, Threads
from hit.config.options import CROP_HELP, one_line, unknown
from hit.config.rate_targets import TARGET, TARGET_DEFAULTS, RateTargets
from hit.errors import ConfigError, shown
from hit.schema.hashing import identity_hash
from hit.schema.metric_groups import GROUPS_HELP, Groups


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class TrainConfig:
    """One model, its training and its evaluation.

    In the command line, in the MLproject and in the store a config is flat: `betas` becomes
    `beta_1 … beta_L`, and `z_dims` a list with commas. `from_flat` and `to_flat` convert.

    Raises:
        ConfigError: from `from_flat`, naming the field, the rule and the value.
    """

    dataset: Annotated[Text, Field(description="a named data set, an .npz file, or a folder of images by class")] = (
        "digits"
    )
    data_root: DataRoot = MachineOptions.data_root
    crop: Annotated[field_types.Crop, Field(description=CROP_HELP)] = 0
    model: Annotated[
        Literal["ghvae", "lvae", "vae", "deep"],
        Field(description="ghvae, lvae (ladder), vae (one layer) or deep (maps of latents at several resolutions)"),
    ] = "ghvae"
    likelihood: Annotated[
        Literal["bernoulli", "bernoulli_grey", "gaussian", "gaussian_learned", "mol"],
        Field(
            description="p(x|z_1): bernoulli (grey images, rounded), bernoulli_grey (not rounded, as the research "
            "code's MNIST), gaussian (fixed σ), gaussian_learned (one learned σ) "
            "or mol (discretised mixture of logistics: 256 levels, grey or colour)"
        ),
    ] = "bernoulli"
    sigma: Annotated[
        field_types.Sigma, Field(description="σ of the gaussian likelihood, in units of the pixel range [0, 1]")
    ] = 0.71
    posterior: Annotated[
        Literal["gaussian", "gumbel_softmax"],
        Field(description="family of q(z_L|x): gaussian (diagonal) or gumbel_softmax (one of as many categories)"),
    ] = "gaussian"
    latent: Annotated[
        Literal["dense", "conv"], Field(description="form of z_2: dense (a vector) or conv (a map of channels × 4 × 4)")
    ] = "dense"
    linear_z1: Annotated[
        int, Field(ge=0, le=1_000_000, description="dimensions of a z_1 that is a vector, with latent=dense; 0: a map")
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
    latents: Annotated[
        LatentMaps,
        Field(
            description="maps of z_L, …, z_1 of a deep model, from the top down, height x width x channels with "
            "commas; their number sets L"
        ),
    ] = USUAL_MAPS
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
        Literal["constant", "one_cycle", "cosine"],
        Field(description="of the step size: constant, one_cycle (rises, then falls to 0) or cosine (falls to 0)"),
    ] = "constant"
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
        if self.linear_z1 and (self.model in ("vae", "deep") or self.latent == "conv"):
            raise ConfigError(
                "linear_z1 must be 0 unless model is ghvae or lvae with latent=dense, "
                f"got {self.linear_z1} with model={self.model} and latent={self.latent}"
            )
        if self.posterior == "gumbel_softmax" and not self._top_is_vector:
            raise ConfigError(
                "posterior must be gaussian where z_L is a map, got 'gumbel_softmax' with "
                f"model={self.model}, latent={self.latent} and L = {self.layers}"
            )
        self.targets.check_betas(self.betas)

    @property
    def _top_is_vector(self) -> bool:
        return self.model != "deep" and self.layers > (2 if self.latent == "conv" else 1)

    @property
    def layers(self) -> int:
        """L, the number of layers of latents."""
        return _layers({"model": self.model, "z_dims": self.z_dims, "latents": self.latents})

    @property
    def maps(self) -> tuple[LatentMap, ...]:
        """Maps of z_L, …, z_1 of a deep model."""
        return parse_maps(self.latents)

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
        names = [entry.name for entry in fields(cls) if entry.name not in ("betas", "targets")]
        for name, value in flat.items():
            if match := BETA.match(name):
                betas[int(match[1])] = value
            elif BETA_GROUP.match(name):
                groups[name] = value
            elif TARGET.match(name):
                targets[name] = value
            elif name not in names:
                known = [*names, "beta_1", "beta_2", *TARGET_DEFAULTS]
                raise unknown(name, known)
            elif name == "z_dims":
                values[name] = _dims(value)
            else:
                values[name] = value
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
            else:
                flat[entry.name] = value
        return flat

    def numbers(self) -> dict[str, float]:
        """The numeric fields that decide a run, and L, as metrics in schema names: people can filter on them."""
        numbers = beta_numbers(self.betas) | {"layers": float(self.layers)}
        if self.model == "deep":
            numbers |= {f"dim_z{layer}": float(one.size) for layer, one in enumerate(reversed(self.maps), start=1)}
        elif self.model != "vae":
            for layer, dim in enumerate(reversed(self.z_dims), start=2):
                numbers[f"dim_z{layer}"] = float(dim)
            if self.latent == "conv":
                numbers["dim_z2"] = 16.0 * self.channels
            if self.linear_z1:
                numbers["dim_z1"] = float(self.linear_z1)
        for name, value in self._deciding().items():
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
        elsewhere = fields_of(Role.MACHINE, Role.DATA)
        deciding = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in elsewhere}
        if self.latent == "conv":
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
        return deciding | self.targets.to_flat()


def beta_numbers(betas: Sequence[float]) -> dict[str, float]:
    """β_1 … β_L as metrics in schema names."""
    numbers: dict[str, float] = {}
    for layer, beta in enumerate(betas, start=1):
        numbers[f"beta_{layer}"] = beta
        if beta > 0:
            numbers[f"log10_beta_{layer}"] = math.log10(beta)
    return numbers


def _layers(values: Mapping[str, Any]) -> int:
    model = values.get("model")
    if model == "vae":
        return 1
    if model == "deep":
        try:
            return len(parse_maps(str(values.get("latents", USUAL_MAPS))))
        except ValueError as error:
            raise ConfigError(f"latents must be {error}, got {shown(values['latents'])}") from None
    z_dims = values.get("z_dims", TrainConfig.z_dims)
    return 1 + len(z_dims)


def _dims(value: Any) -> tuple[Any, ...]:
    """'8,20' or 20 or (8, 20) → a tuple that pydantic checks."""
    parts: tuple[Any, ...] | None = None
    if isinstance(value, str):
        parts = tuple(whole_number(part.strip()) for part in value.split(","))
    elif isinstance(value, int) and not isinstance(value, bool):
        parts = (value,)
    elif isinstance(value, list | tuple):
        parts = tuple(value)
    if not parts or None in parts:
        raise ConfigError(f"z_dims must be whole numbers with commas, got {shown(value)}")
    return parts
