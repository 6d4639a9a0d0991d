"""What decides a run: one frozen, validated dataclass, flat in the command line and in the store."""

__all__ = ["BETA", "TrainConfig", "describe", "flat_defaults", "machine_fields"]

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import Field as DataclassField
from dataclasses import fields
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

from hit.errors import ConfigError, nearest

#: A flat name of one layer's β: `beta_1` weighs R_1, the rate of the layer next to the data.
BETA = re.compile(r"beta_([1-9][0-9]*)\Z")

_MACHINE: dict[str, Any] = {"machine": True}  # decides where and how, not what comes out

PositiveInt = Annotated[int, Field(gt=0)]
Text = Annotated[str, StringConstraints(strip_whitespace=True)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class TrainConfig:
    """One model, its training and its evaluation.

    In the command line, in the MLproject and in the store a config is flat: `betas` becomes
    `beta_1 … beta_L`, and `z_dims` a list with commas. `from_flat` and `to_flat` convert.

    Raises:
        ConfigError: from `from_flat`, naming the field, the rule and the value.
    """

    dataset: Text = Field("digits", description="a named data set, an .npz file, or a folder of images by class")
    data_root: Text = Field(
        "", description="where torchvision's data sets lie; empty: $HIT_DATA, else ./data", json_schema_extra=_MACHINE
    )
    model: Literal["ghvae", "lvae", "vae"] = Field("ghvae", description="ghvae, lvae (ladder) or vae (one layer)")
    likelihood: Literal["bernoulli", "gaussian", "gaussian_learned"] = Field(
        "bernoulli", description="p(x|z_1): bernoulli, gaussian (fixed σ) or gaussian_learned (one learned σ)"
    )
    sigma: float = Field(0.71, gt=0, description="σ of the gaussian likelihood, in units of the pixel range [0, 1]")
    posterior: Literal["gaussian"] = Field("gaussian", description="family of q(z_L|x): gaussian (diagonal)")
    latent: Literal["dense"] = Field("dense", description="form of z_2 and above: dense (vectors)")
    channels: PositiveInt = Field(16, description="channels c of every convolution")
    z_dims: tuple[PositiveInt, ...] = Field(
        (20,),
        min_length=1,
        description="dimensions of z_L, …, z_2, from the top down, with commas; its length sets L",
    )
    betas: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (1.0, 1.0), description="weight β_l of rate R_l in D + Σ β_l R_l"
    )
    warmup: bool = Field(True, description="lvae: raise all β from 0 over the first fifth of the epochs")
    epochs: PositiveInt = Field(10, description="passes over the training set")
    batch_size: PositiveInt = Field(256, description="images a step")
    learning_rate: float = Field(3e-4, gt=0, description="step size of Adam")
    seed: int = Field(0, ge=0, lt=2**31, description="seeds weights, batches and noise")
    metrics: Literal["all", "core"] = Field(
        "all", description="measured after training: all, or core (rates, distortion, PSNR)", json_schema_extra=_MACHINE
    )
    device: Text = Field("auto", description="auto, cpu, cuda or cuda:<n>", json_schema_extra=_MACHINE)
    threads: int = Field(
        0, ge=0, description="CPU threads of this process; 0: all, or $HIT_THREADS", json_schema_extra=_MACHINE
    )
    state_dir: Text = Field(
        "", description="journals and checkpoints; empty: $HIT_STATE_DIR, else ./.hit", json_schema_extra=_MACHINE
    )

    @property
    def layers(self) -> int:
        """L, the number of layers of latents."""
        return 1 if self.model == "vae" else 1 + len(self.z_dims)

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any], **overrides: Any) -> "TrainConfig":
        """The config of flat parameters, as strings or as values; what is not named has its default.

        A model of L layers takes its first L betas; those left unnamed are 1.

        Raises:
            ConfigError: an unknown name (with the nearest known one), a wrong type, a value out of range.

        >>> TrainConfig.from_flat({"beta_1": "1e-1", "z_dims": "8,20", "beta_3": 2}).betas
        (0.1, 1.0, 2.0)
        """
        flat = {**flat, **overrides}
        values: dict[str, Any] = {}
        betas: dict[int, Any] = {}
        names = [entry.name for entry in fields(cls) if entry.name != "betas"]
        for name, value in flat.items():
            if match := BETA.match(name):
                betas[int(match[1])] = value
            elif name not in names:
                raise ConfigError(f"unknown parameter {name!r}{nearest(name, [*names, 'beta_1', 'beta_2'])}")
            elif name == "z_dims":
                values[name] = _dims(value)
            else:
                values[name] = value
        layers = _layers(values)
        for layer, value in betas.items():
            # beta_2 has a default in the MLproject: a one-layer model is handed it and has no use for it.
            if layer > max(layers, 2):
                raise ConfigError(f"beta_{layer} needs {layer} layers, but z_dims gives L = {layers}, got {value!r}")
        values["betas"] = tuple(betas.get(layer, 1.0) for layer in range(1, layers + 1))
        try:
            return cls(**values)
        except pydantic.ValidationError as error:
            raise ConfigError(_one_line(error)) from None

    def to_flat(self) -> dict[str, Any]:
        """Flat parameters in schema names, as Python values; `from_flat` inverts it."""
        flat: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name == "betas":
                flat.update({f"beta_{layer}": beta for layer, beta in enumerate(value, start=1)})
            elif entry.name == "z_dims":
                flat[entry.name] = ",".join(map(str, value))
            else:
                flat[entry.name] = value
        return flat

    def numbers(self) -> dict[str, float]:
        """The numeric fields that decide a run, as metrics in schema names, so that people can filter on them."""
        numbers: dict[str, float] = {}
        for layer, beta in enumerate(self.betas, start=1):
            numbers[f"beta_{layer}"] = beta
            if beta > 0:
                numbers[f"log10_beta_{layer}"] = math.log10(beta)
        if self.model != "vae":
            for layer, dim in enumerate(reversed(self.z_dims), start=2):
                numbers[f"dim_z{layer}"] = float(dim)
        for name in ("channels", "epochs", "batch_size", "learning_rate", "seed"):
            numbers[name] = float(getattr(self, name))
        if self.likelihood == "gaussian":
            numbers["sigma"] = self.sigma
        return numbers

    def identity(self, data_digest: str) -> str:
        """Hash of every field that decides the result, and of the data themselves (tag `hit.config_hash`)."""
        return _hash(self._deciding() | {"data": data_digest})

    def group(self, data_digest: str) -> str:
        """The same without the seed, so that replicates group (tag `hit.group`)."""
        deciding = self._deciding() | {"data": data_digest}
        del deciding["seed"]
        return _hash(deciding)

    def _deciding(self) -> dict[str, Any]:
        deciding = {
            entry.name: getattr(self, entry.name)
            for entry in fields(self)
            if entry.name not in machine_fields() and entry.name != "dataset"  # its digest stands for it
        }
        # What a model does not have does not tell two of them apart.
        if self.model == "vae":
            del deciding["z_dims"]
        if self.model != "lvae":
            del deciding["warmup"]
        if self.likelihood != "gaussian":
            del deciding["sigma"]
        return deciding


def machine_fields() -> frozenset[str]:
    """Fields that say where and how a run runs, not what comes out."""
    return frozenset(entry.name for entry in fields(TrainConfig) if _field_info(entry).json_schema_extra is _MACHINE)


def flat_defaults() -> dict[str, Any]:
    """Default of every flat parameter, in the order of the command line."""
    return TrainConfig().to_flat()


def describe(name: str) -> str:
    """One line on the flat parameter `name`, for help texts."""
    if match := BETA.match(name):
        return f"weight of the rate R_{match[1]} of z_{match[1]} in the objective"
    return next(_field_info(entry).description or "" for entry in fields(TrainConfig) if entry.name == name)


def _field_info(entry: DataclassField[Any]) -> pydantic.fields.FieldInfo:
    info = entry.default
    assert isinstance(info, pydantic.fields.FieldInfo)
    return info


def _layers(values: Mapping[str, Any]) -> int:
    if values.get("model") == "vae":
        return 1
    z_dims = values.get("z_dims", TrainConfig.__dataclass_fields__["z_dims"].default.default)
    return 1 + len(z_dims)


def _dims(value: Any) -> Any:
    """'8,20' or 20 or (8, 20) → a tuple that pydantic checks."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int) else value


def _one_line(error: pydantic.ValidationError) -> str:
    """'beta_1 must be greater than or equal to 0, got -1' for every fault, joined by semicolons."""
    faults = []
    for fault in error.errors():
        name, *index = fault["loc"]
        if name == "betas" and index:
            name = f"beta_{int(index[0]) + 1}"
        rule = fault["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        hint = ""
        if fault["type"] == "literal_error":
            rule = f"one of {rule}"
            known = re.findall(r"'([^']+)'", fault["msg"])
            hint = nearest(str(fault["input"]), known).split("? Known")[0].split("; known")[0]
            hint = f"{hint}?" if hint else ""
        faults.append(f"{name} must be {rule}, got {fault['input']!r}{hint}")
    return "; ".join(faults)


def _hash(deciding: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]
