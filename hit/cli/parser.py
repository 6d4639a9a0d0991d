"""Command lines made from options dataclasses and the config's fields."""

__all__ = ["CONFIG", "Parser"]

import argparse
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, Literal, NoReturn, get_args, get_origin

from hit.commands import program
from hit.config import TrainConfig, describe, flat_defaults
from hit.config.field_roles import is_option
from hit.config.options import defaults, infos
from hit.config.part_options import option_helps
from hit.config.parts import PARTS
from hit.errors import ConfigError, nearest, shown
from hit.extensions import load_extensions
from hit.extensions.registry import foreign

CONFIG = "model and training"
#: Stands for the value of an option that was not typed.
_LEFT_OUT = object()


class Parser(argparse.ArgumentParser):
    """An argument parser made from options dataclasses, whose mistakes are ConfigErrors, that is one line.

    Args:
        module: what `python -m` runs.
        description: one sentence.
        layered: beginnings of options that exist for every layer (`beta_` takes --beta_3, too).
        instead: beginnings of options that other commands have → those that stand for them here.

    Attributes:
        sources: group title → the options dataclass that the group was made from.
    """

    def __init__(
        self, module: str, description: str, layered: Sequence[str] = (), instead: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(
            prog=program(module),
            description=description,
            formatter_class=_Help,
            allow_abbrev=False,
        )
        self._layered = tuple(f"--{beginning}" for beginning in layered)
        self._instead = instead or {}
        self._groups: dict[str, list[str]] = {}
        self._own_defaults: dict[str, dict[str, Any]] = {}
        self.sources: dict[str, type[Any]] = {}

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)

    def add_options(self, title: str, options: type[Any], **other_defaults: Any) -> None:
        """One option a field of a pydantic dataclass; `parse` returns their values under `title`.

        Args:
            title: of the group.
            options: the dataclass.
            other_defaults: fields whose default is another one in this command.
        """
        self.sources[title] = options
        self._own_defaults[title] = other_defaults
        values, fields = defaults(options) | other_defaults, infos(options)
        helps = {name: fields[name].description or "" for name in values}
        self.add_group(title, values, helps, {name: _form(fields[name].annotation) for name in values})

    def add_config(self, *, leave_out: Sequence[str] = (), **other_defaults: Any) -> None:
        """One option a flat field of TrainConfig; `parse` returns their values under "model and training".

        Args:
            leave_out: fields that the command has no option for.
            other_defaults: fields whose default is another one in this command.
        """
        self._own_defaults[CONFIG] = other_defaults
        values = {name: value for name, value in (flat_defaults() | other_defaults).items() if name not in leave_out}
        fields = infos(TrainConfig)
        forms = {name: _form(fields[name].annotation) for name in values if name in fields and name != "z_dims"}
        forms |= {kind: f"{{{','.join(registry.names())}}}" for kind, registry in PARTS.items()}
        self.add_group(CONFIG, values, {name: describe(name) for name in values}, forms)

    def defaults(self) -> dict[str, Any]:
        """Option → default, of all groups."""
        return {name: self.get_default(name) for names in self._groups.values() for name in names}

    def parse(self, argv: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Group title → option → its text, of the options that were typed; `--beta_3` goes where `--beta_1` is.

        One that is left out has the default of its dataclass, so that a default is never taken for something that was
        asked for; where the command has another one, that stands among what was typed.

        Raises:
            ConfigError: an unknown option (with the nearest known one) or a missing value.
        """
        load_extensions(_extensions(argv))
        self._name_parts_of_others()
        if CONFIG in self._groups:
            self._add_part_options()
        names = [*chain(*self._groups.values())]
        namespace, rest = self.parse_known_args(argv, argparse.Namespace(**dict.fromkeys(names, _LEFT_OUT)))
        typed = {name: value for name in names if (value := getattr(namespace, name)) is not _LEFT_OUT}
        parsed = {title: {name: typed[name] for name in own if name in typed} for title, own in self._groups.items()}
        parsed |= {title: own | parsed[title] for title, own in self._own_defaults.items()}
        while rest:
            word = rest.pop(0)
            name, equals, value = word.removeprefix("--").partition("=")
            if not word.startswith("-"):
                raise ConfigError(f"options must begin with --, got {shown(word)}")
            if not word.startswith(self._layered or ("\0",)) and not (is_option(name) and CONFIG in parsed):
                raise ConfigError(f"unknown option {shown(word)}{self._hint(name)}")
            if not equals and not rest:
                raise ConfigError(f"option {shown(word)} must have a value")
            parsed[self._home_of(name)][name] = value if equals else rest.pop(0)
        return parsed

    def _name_parts_of_others(self) -> None:
        """Let the help of an option that names a part name those of extensions, too."""
        others = foreign()
        for action in self._actions:
            names = [name for name in others.get(action.dest, []) if name not in (action.help or "").split(" ")]
            if names:
                action.help = f"{action.help}; of extensions: {' '.join(names)}"

    def _add_part_options(self) -> None:
        """One option for each of every model and likelihood that there is; which of them fits, the config says."""
        helps = {name: text for name, text in option_helps().items() if name not in self._groups[CONFIG]}
        if helps:
            group = self.add_argument_group("options of models and likelihoods")
            self._groups[CONFIG] += helps
            for name, text in helps.items():
                group.add_argument(
                    f"--{name}", default=argparse.SUPPRESS, metavar="value", help=text.replace("%", "%%")
                )

    def _home_of(self, name: str) -> str:
        """The group that an option of a further layer belongs to, that of the first layer's, or of a part."""
        if is_option(name):
            return CONFIG
        for title, names in self._groups.items():
            if f"{name.rpartition('_')[0]}_1" in names:
                return title
        raise ConfigError(f"unknown option {shown(f'--{name}')}{self._hint(name)}")

    def _hint(self, name: str) -> str:
        for beginning, other in self._instead.items():
            if name.startswith(beginning):
                return f"; here it is {shown(f'--{other}{name.removeprefix(beginning)}')}"
        return nearest(name, chain(*self._groups.values()))

    def add_group(
        self, title: str, values: Mapping[str, Any], helps: Mapping[str, str], forms: Mapping[str, str] | None = None
    ) -> None:
        """One option a name of `values`, which holds the defaults; `parse` returns them under `title`.

        Args:
            title: of the group.
            values: option → default.
            helps: option → what it is.
            forms: option → what its value looks like; where left out, the type of the default.
        """
        group = self.add_argument_group(title)
        self._groups[title] = list(values)
        for name, value in values.items():
            form = (forms or {}).get(name) or _form(type(value))
            group.add_argument(f"--{name}", default=value, metavar=form, help=helps[name] or " ")


class _Help(argparse.HelpFormatter):
    """Help with defaults, but for those that are empty: what an empty value means stands in the text."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if not action.option_strings or action.default in (None, "", argparse.SUPPRESS):
            return action.help
        default = str(action.default).lower() if isinstance(action.default, bool) else "%(default)s"
        return f"{action.help} (default: {default})"


def _form(kind: Any) -> str:
    """What a value looks like: its choices where they are few words.

    >>> _form(Literal["gp", "tpe"]), _form(bool), _form(str), _form(int)
    ('{gp,tpe}', '{true,false}', 'text', 'int')
    """
    if get_origin(kind) is Literal:
        return f"{{{','.join(map(str, get_args(kind)))}}}"
    names = {bool: "{true,false}", int: "int", float: "float"}
    return names.get(kind, "text")


def _extensions(argv: Sequence[str]) -> str:
    """What the option `extensions` names: parts must be known before options are read."""
    said = ""
    for word, following in zip_longest(argv, argv[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        if name == "--extensions":
            said = value if equals else following
    return said
