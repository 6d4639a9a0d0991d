"""The flat parameters of models, likelihoods and data sets: options, `model.depth`, and sources, `model.source`."""

__all__ = [
    "check_dataset",
    "deciding_options",
    "fitting",
    "flat_options",
    "flat_source",
    "is_source",
    "option_helps",
    "parse_options",
    "settled_options",
    "usual_options",
]

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from hit.config.field_roles import OPTION, is_option
from hit.config.options import infos
from hit.config.parts import DATASETS, PARTS, SOURCE, Part
from hit.errors import ConfigError, shown


def is_source(name: str) -> bool:
    """Whether a flat parameter says where a part comes from."""
    return is_option(name) and name.endswith(f".{SOURCE}")


def parse_options(kind: str, name: str, flat: Mapping[str, Any]) -> Any:
    """Options of the part of a kind that is called `name`, from flat parameters, among which others may stand.

    Raises:
        ConfigError: no such part, an unknown option, a wrong value, or a part of another source than the flat
            parameters name, as those of a run do.
    """
    own = {match[2]: value for key, value in flat.items() if (match := OPTION.match(key)) and match[1] == kind}
    needed = str(own.pop(SOURCE, ""))
    if needed and name not in PARTS[kind]:
        raise ConfigError(_missing(kind, name, needed))
    part: Part = PARTS[kind].get(name)
    have = PARTS[kind].source(name)
    if needed and (have is None or have.digest != needed.rpartition("@")[2]):
        raise ConfigError(f"{part.label} must come from {needed}, got {have or 'that of hit'}; {_HOW}")
    return part.parse(own)


def check_dataset(name: str, flat: Mapping[str, Any]) -> None:
    """Raise ConfigError where flat parameters say which extension has a data set that is not to be had here.

    Another version of it may have the same data, whose digest decides.
    """
    needed = str(flat.get(f"dataset.{SOURCE}", ""))
    if needed and name not in DATASETS:
        raise ConfigError(_missing("dataset", name, needed))


def flat_options(kind: str, name: str, options: Any) -> dict[str, Any]:
    """The options of a part as flat parameters, and where it comes from, if it is not ours."""
    flat = {} if options is None else {f"{kind}.{one.name}": getattr(options, one.name) for one in fields(options)}
    return flat | flat_source(kind, name)


def flat_source(kind: str, name: str) -> dict[str, str]:
    """The flat parameter that says where a part comes from; none for ours."""
    source = DATASETS.source(name) if kind == "dataset" else PARTS[kind].source(name)
    return {f"{kind}.{SOURCE}": str(source)} if source else {}


def deciding_options(kind: str, name: str, options: Any) -> dict[str, Any]:
    """What of the options decides a result: those that are not at their defaults, and the digest of foreign source.

    So a model keeps the identity of its earlier runs when an option is added.
    """
    usual = PARTS[kind].get(name).usual()
    given = {} if options is None else {one.name: getattr(options, one.name) for one in fields(options)}
    changed = {f"{kind}.{key}": value for key, value in given.items() if value != getattr(usual, key)}
    source = PARTS[kind].source(name)
    return changed | ({f"{kind}.{SOURCE}": source.digest} if source else {})


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


def _missing(kind: str, name: str, needed: str) -> str:
    return f"{kind} {name!r} must come from {needed}, and nothing here has it; {_HOW}"


def usual_options(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the model and the likelihood that flat parameters name, at their defaults."""
    found: dict[str, Any] = {}
    for kind, registry in PARTS.items():
        usual = registry.get(flat[kind]).usual()
        found |= {} if usual is None else {f"{kind}.{one.name}": getattr(usual, one.name) for one in fields(usual)}
    return found


def settled_options(kind: str, name: str, given: Any) -> Any:
    """Options of a part that are given as such, or where there are none, their defaults.

    Raises:
        ConfigError: they are those of another part.
    """
    part: Part = PARTS[kind].get(name)
    if given is None:
        return part.usual()
    if part.options is None or not isinstance(given, part.options):
        raise ConfigError(f"{kind}_options must be those of {part.label}, got {shown(given)}")
    return given
