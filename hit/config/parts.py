"""Models and likelihoods by name, and what is known of each before it is built: options, shared fields, layers.

Their networks are imported when one is built, so that names and options are known without torch.
"""

__all__ = [
    "LIKELIHOODS",
    "MODELS",
    "PARTS",
    "LikelihoodPart",
    "ModelPart",
    "Part",
    "deciding_options",
    "fitting",
    "flat_options",
    "is_source",
    "option_helps",
    "parse_options",
]

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import pydantic
from pydantic.dataclasses import is_pydantic_dataclass

from hit.config.field_roles import OPTION, ROLES
from hit.config.options import infos, one_line
from hit.errors import ConfigError, nearest, shown
from hit.extensions import Registry

#: The flat parameter `model.source` says where a model comes from that is not ours.
_SOURCE = "source"
_TYPES = (bool, int, float, str)


@dataclass(frozen=True, eq=False)
class Part:
    """What is known of a part by its name.

    Attributes:
        name: as people type it.
        build: makes it, or `module:function`, which is imported when it is first called.
        help: a few words for people.
        options: a frozen pydantic dataclass of numbers, texts and truths, each with a default; None: it has none.
        reads: fields of `TrainConfig` that not all parts of the kind have, and this one has.
    """

    name: str
    build: Callable[..., Any] | str
    help: str = ""
    options: type[Any] | None = None
    reads: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads", frozenset(self.reads))
        if strange := sorted(self.reads - ROLES.keys()):
            raise ConfigError(
                f"{self.label} must read fields of a config, got {strange[0]!r}{nearest(strange[0], ROLES)}"
            )
        if self.options is not None:
            self._check_options(self.options)

    @property
    def kind(self) -> str:
        """The parameter that names it."""
        return "part"

    @property
    def label(self) -> str:
        """As messages call it: model 'ghvae'."""
        return f"{self.kind} {self.name!r}"

    def __call__(self, *arguments: Any) -> Any:
        """Build it."""
        build = self.build
        if isinstance(build, str):
            module, _, function = build.partition(":")
            build = getattr(importlib.import_module(module), function)
        return build(*arguments)

    def usual(self) -> Any:
        """Its options at their defaults; None where it has none."""
        return None if self.options is None else self.options()

    def parse(self, values: Mapping[str, Any]) -> Any:
        """Its options from texts or values; None where it has none.

        Raises:
            ConfigError: an unknown option (with the nearest known one), a wrong type, a value out of range.
        """
        known = {} if self.options is None else infos(self.options)
        for name in values:
            if name not in known:
                options = [f"{self.kind}.{one}" for one in known]
                hint = nearest(f"{self.kind}.{name}", options) if options else "; it has no options"
                raise ConfigError(f"unknown parameter {shown(f'{self.kind}.{name}')} of {self.label}{hint}")
        if self.options is None:
            return None
        try:
            return self.options(**{name: _as_text(known[name], value) for name, value in values.items()})
        except pydantic.ValidationError as error:
            raise ConfigError(one_line(error, f"{self.kind}.")) from None

    def _check_options(self, options: type[Any]) -> None:
        if not (is_pydantic_dataclass(options) and options.__dataclass_params__.frozen):  # type: ignore[attr-defined]
            raise ConfigError(f"options of {self.label} must be a frozen pydantic dataclass, got {shown(options)}")
        for entry in fields(options):
            own = f"option {entry.name!r} of {self.label}"
            if entry.name in ROLES or entry.name == _SOURCE:
                raise ConfigError(f"{own} must have a name of its own: every config has {entry.name!r}")
            if not OPTION.match(f"{self.kind}.{entry.name}"):
                raise ConfigError(f"{own} must be called by letters, digits and _")
            if not isinstance(entry.default, _TYPES):
                raise ConfigError(f"{own} must have a number, a text or a truth as its default")


@dataclass(frozen=True, eq=False)
class ModelPart(Part):
    """A model: `build(image_shape, likelihood, options, config)` gives a `hit.models.HierarchicalVAE`.

    Attributes:
        layers: L, or how it follows from the options; None: 1 + the length of `z_dims` where it reads them, else 1.
    """

    layers: Callable[[Any], int] | int | None = None

    @property
    def kind(self) -> str:
        return "model"

    def layers_of(self, options: Any, z_dims: tuple[Any, ...]) -> int:
        """L of a model with these options and `z_dims`."""
        if self.layers is None:
            return 1 + len(z_dims) if "z_dims" in self.reads else 1
        return self.layers(options) if callable(self.layers) else self.layers


@dataclass(frozen=True, eq=False)
class LikelihoodPart(Part):
    """A likelihood: `build(image_shape, options, config)` gives a `hit.distributions.Likelihood`.

    Attributes:
        levels: that a pixel can have for it.
    """

    levels: int = 256

    @property
    def kind(self) -> str:
        return "likelihood"


MODELS: Registry[ModelPart] = Registry("model", ModelPart)
LIKELIHOODS: Registry[LikelihoodPart] = Registry("likelihood", LikelihoodPart)
#: Field of `TrainConfig` that names a part → the parts that there are.
PARTS: dict[str, Registry[Any]] = {"model": MODELS, "likelihood": LIKELIHOODS}

_HIERARCHICAL = {"latent", "z_dims", "linear_z1", "channels", "posterior"}
MODELS.register("ghvae", "hit.models.build:hierarchical", reads=_HIERARCHICAL)
MODELS.register("lvae", "hit.models.build:hierarchical", help="ladder", reads=_HIERARCHICAL | {"warmup"})
MODELS.register("vae", "hit.models.build:one_layer", help="one layer", reads={"channels", "posterior"})

_OF_LIKELIHOODS = "hit.distributions.builders"
LIKELIHOODS.register("bernoulli", f"{_OF_LIKELIHOODS}:bernoulli", help="grey images, rounded", levels=2)
LIKELIHOODS.register(
    "bernoulli_grey", f"{_OF_LIKELIHOODS}:bernoulli_grey", help="not rounded, as the research code's MNIST"
)
LIKELIHOODS.register("gaussian", f"{_OF_LIKELIHOODS}:gaussian", help="fixed σ", reads={"sigma"})
LIKELIHOODS.register("gaussian_learned", f"{_OF_LIKELIHOODS}:gaussian_learned", help="one learned σ")
LIKELIHOODS.register(
    "mol", f"{_OF_LIKELIHOODS}:mol", help="discretised mixture of logistics: 256 levels, grey or colour"
)


def is_source(name: str) -> bool:
    """Whether a flat parameter says where a part comes from."""
    return name in {f"{kind}.{_SOURCE}" for kind in PARTS}


def parse_options(kind: str, name: str, flat: Mapping[str, Any]) -> Any:
    """Options of the part of a kind that is called `name`, from flat parameters, among which others may stand.

    Raises:
        ConfigError: no such part, an unknown option, a wrong value, or a part of another source than the flat
            parameters name, as those of a run do.
    """
    own = {match[2]: value for key, value in flat.items() if (match := OPTION.match(key)) and match[1] == kind}
    needed = str(own.pop(_SOURCE, ""))
    if needed and name not in PARTS[kind]:
        raise ConfigError(f"{kind} {name!r} must come from {needed}, and nothing here has it; {_HOW}")
    part: Part = PARTS[kind].get(name)
    have = PARTS[kind].source(name)
    if needed and (have is None or have.digest != needed.rpartition("@")[2]):
        raise ConfigError(f"{part.label} must come from {needed}, got {have or 'that of hit'}; {_HOW}")
    return part.parse(own)


def flat_options(kind: str, name: str, options: Any) -> dict[str, Any]:
    """The options of a part as flat parameters, and where it comes from, if it is not ours."""
    flat = {} if options is None else {f"{kind}.{one.name}": getattr(options, one.name) for one in fields(options)}
    source = PARTS[kind].source(name)
    return flat | ({f"{kind}.{_SOURCE}": str(source)} if source else {})


def deciding_options(kind: str, name: str, options: Any) -> dict[str, Any]:
    """What of the options decides a result: those that are not at their defaults, and the digest of foreign source.

    So a model keeps the identity of its earlier runs when an option is added.
    """
    usual = PARTS[kind].get(name).usual()
    given = {} if options is None else {one.name: getattr(options, one.name) for one in fields(options)}
    changed = {f"{kind}.{key}": value for key, value in given.items() if value != getattr(usual, key)}
    source = PARTS[kind].source(name)
    return changed | ({f"{kind}.{_SOURCE}": source.digest} if source else {})


def fitting(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Flat parameters without the options that belong to another model or likelihood than they name."""
    kept = dict(flat)
    for kind, registry in PARTS.items():
        name = str(flat.get(kind))
        if name in registry:
            own = flat_options(kind, name, registry.get(name).usual())
            kept = {key: value for key, value in kept.items() if key.partition(".")[0] != kind or key in (kind, *own)}
    return kept


def option_helps() -> dict[str, str]:
    """Every option of every part → what it says, of which part, and its default."""
    said: dict[str, list[str]] = {}
    for kind, registry in PARTS.items():
        for part in registry:
            for entry in [] if part.options is None else fields(part.options):
                described = infos(part.options)[entry.name].description or entry.name
                said.setdefault(f"{kind}.{entry.name}", []).append(
                    f"{part.name}: {described} (default: {entry.default})"
                )
    return {name: "; ".join(lines) for name, lines in said.items()}


_HOW = "name the file or module by --extensions or $HIT_EXTENSIONS"


def _as_text(info: pydantic.fields.FieldInfo, value: Any) -> Any:
    """A value that the store has read as a number, where the option is a text."""
    if info.annotation is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    return value
