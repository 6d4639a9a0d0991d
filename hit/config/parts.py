"""Models, likelihoods and data sets by name, and what is known of each before it is built: options, fields, layers.

Their networks are imported when one is built, so that names and options are known without torch.
"""

__all__ = [
    "DATASETS",
    "LIKELIHOODS",
    "LIKELIHOOD_HELP",
    "MEANINGS",
    "MODELS",
    "MODEL_HELP",
    "PARTS",
    "SOURCE",
    "DatasetPart",
    "LikelihoodPart",
    "Meaning",
    "ModelPart",
    "Part",
    "meaningless",
]

import importlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import pydantic
from pydantic.dataclasses import is_pydantic_dataclass

from hit.config.field_roles import OPTION, ROLES
from hit.config.latent_maps import DeepOptions
from hit.config.options import infos, one_line
from hit.errors import ConfigError, EndsWork, nearest, shown
from hit.extensions import Registry, source_of

#: The flat parameter `model.source` says where a model comes from that is not ours.
SOURCE = "source"
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
        if not callable(self.build) and not (isinstance(self.build, str) and ":" in self.build):
            raise ConfigError(f"{self.label} must be a function that builds it, got {shown(self.build)}")
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
        """Build it.

        Raises:
            ConfigError: that of others fails.
        """
        build = self.build
        module, _, function = build.partition(":") if isinstance(build, str) else (build.__module__, "", "")
        ours = source_of(build, module) is None
        try:
            if isinstance(build, str):
                build = getattr(importlib.import_module(module), function)
            return build(*arguments)
        except EndsWork:
            raise
        except Exception as error:
            if ours or "memory" in str(error):  # which is told by whoever knows how much there is
                raise
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise ConfigError(f"{self.label} must be built without an error, got {said}") from error

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
            if entry.name in ROLES or entry.name == SOURCE:
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers is not None and not callable(self.layers):
            self._counted(self.layers)

    @property
    def kind(self) -> str:
        return "model"

    def layers_of(self, options: Any, z_dims: tuple[Any, ...]) -> int:
        """L of a model with these options and `z_dims`."""
        if self.layers is None:
            return 1 + len(z_dims) if "z_dims" in self.reads else 1
        return self._counted(self.layers(options) if callable(self.layers) else self.layers)

    def _counted(self, layers: Any) -> int:
        if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:
            raise ConfigError(f"layers of {self.label} must be a whole number of 1 or more, got {shown(layers)}")
        return layers


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


@dataclass(frozen=True, eq=False)
class DatasetPart(Part):
    """A data set: `build(request)` reads it, a `hit.data.Dataset` (`hit.data.named.DataRequest`).

    Attributes:
        crops: whether its images are streamed, and may be cropped.
    """

    crops: bool = False

    @property
    def kind(self) -> str:
        return "dataset"


MODELS: Registry[ModelPart] = Registry("model", ModelPart)
LIKELIHOODS: Registry[LikelihoodPart] = Registry("likelihood", LikelihoodPart)
DATASETS: Registry[DatasetPart] = Registry("dataset", DatasetPart)
#: Field of `TrainConfig` that names a part → the parts that there are.
PARTS: dict[str, Registry[Any]] = {"model": MODELS, "likelihood": LIKELIHOODS}

_HIERARCHICAL = {"latent", "z_dims", "linear_z1", "channels", "posterior"}
MODELS.register("ghvae", "hit.models.build:hierarchical", reads=_HIERARCHICAL)
MODELS.register("lvae", "hit.models.build:hierarchical", help="ladder", reads=_HIERARCHICAL | {"warmup"})
MODELS.register("vae", "hit.models.build:one_layer", help="one layer", reads={"channels", "posterior", "linear_z1"})

MODELS.register(
    "deep",
    "hit.models.deep:deep",
    help="maps of latents at several resolutions",
    options=DeepOptions,
    reads={"channels"},
    layers=attrgetter("layers"),
)

_OF_DATA = "hit.data.named"
DATASETS.register("digits", f"{_OF_DATA}:digits", help="scikit-learn's, no download")
for _name in ("mnist", "binary_mnist", "fashion_mnist", "cifar10", "svhn"):
    DATASETS.register(_name, f"{_OF_DATA}:torchvision_set", help="torchvision's")
DATASETS.register("imagenet", f"{_OF_DATA}:imagenet", help="as torchvision unpacks it", crops=True)

_OF_LIKELIHOODS = "hit.distributions.builders"
LIKELIHOODS.register("bernoulli", f"{_OF_LIKELIHOODS}:bernoulli", help="any images but colour, rounded", levels=2)
LIKELIHOODS.register(
    "bernoulli_grey", f"{_OF_LIKELIHOODS}:bernoulli_grey", help="not rounded, as the research code's MNIST"
)
LIKELIHOODS.register("gaussian", f"{_OF_LIKELIHOODS}:gaussian", help="fixed σ", reads={"sigma"})
LIKELIHOODS.register("gaussian_learned", f"{_OF_LIKELIHOODS}:gaussian_learned", help="one learned σ")
LIKELIHOODS.register("mol", f"{_OF_LIKELIHOODS}:mol", help="discretised mixture of logistics: 256 levels, any channels")

MODEL_HELP = "ghvae, lvae (ladder), vae (one layer) or deep (maps of latents at several resolutions)"
LIKELIHOOD_HELP = (
    "p(x|z_1): bernoulli (any images but colour, rounded), bernoulli_grey (not rounded, as the research code's MNIST), "
    "gaussian (fixed σ), gaussian_learned (one learned σ) or mol (discretised mixture of logistics: 256 levels, any "
    "channels)"
)


@dataclass(frozen=True)
class Meaning:
    """Where a field means something: where the part that another field names reads it.

    Attributes:
        field: the other field, `model` or `likelihood`.
        otherwise: what identities hold in its place elsewhere; None: nothing.
    """

    field: str
    otherwise: Any = None


#: Fields that not every part reads → whose they are. Elsewhere they do not tell two models apart.
MEANINGS = {
    "sigma": Meaning("likelihood"),
    "posterior": Meaning("model"),
    "latent": Meaning("model", otherwise="dense"),
    "channels": Meaning("model"),
    "z_dims": Meaning("model"),
    "warmup": Meaning("model"),
}


def meaningless(values: Mapping[str, Any], free: Collection[str] = ()) -> frozenset[str]:
    """Fields that mean nothing for a model with these values of the fields they depend on.

    Of a part that nobody has registered here, all may mean something.

    Args:
        values: field → value; more may be there.
        free: fields that may have other values, too.

    >>> sorted(meaningless({"model": "vae", "likelihood": "gaussian"}))
    ['latent', 'warmup', 'z_dims']
    """
    return frozenset(
        name
        for name, meaning in MEANINGS.items()
        if meaning.field not in free and not _reads(meaning.field, values[meaning.field], name)
    )


def _reads(kind: str, part: str, name: str) -> bool:
    return part not in PARTS[kind] or name in PARTS[kind].get(part).reads


def _as_text(info: pydantic.fields.FieldInfo, value: Any) -> Any:
    """A value that the store has read as a number, where the option is a text."""
    if info.annotation is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    return value
