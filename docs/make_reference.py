"""The generated pages of docs/reference: parameters from the options of every entry point, metrics as declared.

    python -m docs.make_reference

writes them anew; tests/test_reference.py compares them with what is committed.
"""

__all__ = ["METRICS", "PARAMETERS", "main", "metrics_page", "parameters_page"]

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from hit.cli import CONFIG, Parser
from hit.commands import command_of
from hit.config import BETA, TrainConfig
from hit.config.field_types import MOST_TEXT
from hit.config.options import infos
from hit.config.parts import PARTS
from hit.extensions import Registry
from hit.schema.metric_declaration import GROUP_TITLES, Metric
from hit.schema.metric_groups import ALL, GROUPS
from hit.schema.metrics import METRICS as DECLARED
from sweeps.spec.parts import DRIVERS, LAUNCHERS

ROOT = Path(__file__).resolve().parent.parent
PARAMETERS = ROOT / "docs" / "reference" / "parameters.md"
METRICS = ROOT / "docs" / "reference" / "metrics.md"

_MADE = "<!-- Made by `python -m docs.make_reference`: change the declarations, not this page. -->"
_PARAMETERS_TOP = f"""\
# Parameters

{_MADE}

Every parameter of every entry point, as its options declare it. `python -m hit.train --help` (or `hit train --help`)
prints those of one.

- On the command line a parameter is `--name value` or `--name=value`; to `mlflow run` it is `-P name=value`, whether
  the MLproject declares it or not. A name that nobody knows is refused with the nearest known one.
- What exists for every layer goes on for further ones: `beta_3`, `grid_3`, `target_rate_3`, `max_rate_3`.
- An empty default means that there is none. Texts have at most {MOST_TEXT:,} characters unless another bound is given;
  a run id has at most 64 letters, digits, `-` and `_`.
- Bounds are wide: they keep out what cannot be meant. What a machine's memory cannot hold is told, too.

| entry point | module | `hit` … | tables |
|---|---|---|---|
"""
_REGISTRIES: dict[str, Registry[Any]] = {"driver": DRIVERS, "launcher": LAUNCHERS}
_USUAL = ", ".join(f"`{group.name}`" for group in GROUPS.values() if group.usual)
_METRICS_HEAD = "| metric | what | unit | better | labels | compares by |\n|---|---|---|---|---|---|\n"
_METRICS_TOP = f"""\
# Metrics

{_MADE}

Every metric that a run may hold, as it is declared. `l` stands for a layer, counted from 1.

- *Better* says which way is better, where one is as such: a rate is a price and a capacity at once.
- The parameter `metrics` takes the names of groups, with commas; `{ALL}` is {_USUAL}.
- A *standard error* says how far the metric would be another one on other test images. The runs of a sweep share their
  test images, and with them most of that: two runs differ by less than their errors would say if they were independent.
- *Compares by* is the tag of who measured it: values compare where it is the same.
- *Labels* is what it takes of the data's labels: classes, or continuous ones. Without them it is left out.

[What a run holds](run.md) says how they are measured.
"""

#: Title of a group of options → heading, and what is to be known before its table.
_HEADINGS = {
    CONFIG: (
        "A model and its training",
        "[Train one model](../how-to/train.md); rates: [ask for rates](../how-to/rate-targets.md). "
        "In place of `beta_1`, … and `seed`, `main` and `sweep` take `grid_1`, … and `seeds` (`surface`: `grid_1`, …).",
    ),
    "grid": ("Axes of β", "In place of `beta_1`, …, wherever a grid of models is meant."),
    "sweep": ("A sweep", "[Sweeps and drivers](../how-to/sweeps-and-drivers.md)."),
    "choosing": ("What a driver chooses by", "[Drivers](drivers.md)."),
    "running": ("Where a sweep's models are trained, and what ends them", "[Launchers](../how-to/launchers.md)."),
}


@dataclass(frozen=True)
class _EntryPoint:
    """An entry point of the MLproject, and the parser of its module."""

    name: str
    module: str
    parser: Parser

    def groups(self) -> dict[str, dict[str, tuple[Any, str]]]:
        """Group title → option → default and help."""
        found: dict[str, dict[str, tuple[Any, str]]] = {}
        for group in self.parser._action_groups:
            options = {
                action.dest: (action.default, (action.help or "").strip())
                for action in group._group_actions
                if action.dest != "help"
            }
            if options:
                found[group.title or ""] = options
        return found


def main() -> None:
    """Write both pages."""
    PARAMETERS.write_text(parameters_page(), encoding="utf-8")
    METRICS.write_text(metrics_page(), encoding="utf-8")


def parameters_page() -> str:
    """docs/reference/parameters.md."""
    points = _entry_points()
    # heading → who has such a group, and the group's title; what several have comes first
    tables: dict[str, list[tuple[_EntryPoint, str]]] = {heading: [] for heading, _ in _HEADINGS.values()}
    for point in points:
        for title in point.groups():
            tables.setdefault(_heading(point, title), []).append((point, title))
    lines = []
    for point in points:
        links = ", ".join(f"[{heading}](#{_anchor(heading)})" for heading in _of(point, tables))
        lines.append(f"| `{point.name}` | `{point.module}` | `hit {command_of(point.module)}` | {links} |")
    page = _PARAMETERS_TOP + "\n".join(lines) + "\n"
    for heading, homes in tables.items():
        note = next((note for name, note in _HEADINGS.values() if name == heading), "")
        page += f"\n## {heading}\n\n" + (f"{note}\n\n" if note else "") + _table(homes)
    return page


def metrics_page() -> str:
    """docs/reference/metrics.md."""
    page = _METRICS_TOP
    for group, title in GROUP_TITLES.items():
        declared = [one for one in DECLARED if one.group == group]
        if declared:
            asked = f"Measured by `metrics={group}`.\n\n" if group in GROUPS else ""
            page += f"\n## {title}\n\n{asked}{_METRICS_HEAD}"
            page += "".join(map(_metric, declared))
    return page


def _metric(one: Metric) -> str:
    better = {"maximize": "more", "minimize": "less", None: ""}[one.direction]
    name, label = (text.replace("{l}", "l") for text in (one.name, one.label))
    evaluator = f"`{one.evaluator}`" if one.evaluator else ""
    return f"| `{name}` | {_cell(label)} | {one.unit} | {better} | {one.labels or ''} | {evaluator} |\n"


def _entry_points() -> list[_EntryPoint]:
    declared = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]
    points = []
    for name, entry in declared.items():
        module = re.findall(r"-m ([\w.]+)", entry["command"])[0]
        home = importlib.import_module(module if "." in module else f"{module}.__main__")
        points.append(_EntryPoint(name, module, home.parser()))
    return points


def _heading(point: _EntryPoint, title: str) -> str:
    return _HEADINGS[title][0] if title in _HEADINGS else f"Of `{point.name}`"


def _of(point: _EntryPoint, tables: Mapping[str, Sequence[tuple[_EntryPoint, str]]]) -> list[str]:
    return [heading for heading, homes in tables.items() if any(home is point for home, _ in homes)]


def _table(homes: Sequence[tuple[_EntryPoint, str]]) -> str:
    """One row an option; where entry points differ in whether they take it, or in its default, the row says so."""
    names = {point.name: None for point, _ in homes}
    rows: dict[str, dict[str, tuple[Any, str, str]]] = {}
    for point, title in sorted(homes, key=lambda home: -len(home[0].groups()[home[1]])):  # in the order of the fullest
        for option, (default, text) in point.groups()[title].items():
            rows.setdefault(option, {})[point.name] = default, text, _form(point.parser, title, option)
    several = len(names) > 1
    lines = [f"Taken by {', '.join(f'`{name}`' for name in names)}.", ""] if several else []
    lines.append("| parameter | form | default | meaning |" + (" taken by |" if several else ""))
    lines.append("|---|---|---|---|" + ("---|" if several else ""))
    for option, by in rows.items():
        _, text, form = next(iter(by.values()))
        line = (
            f"| `{option}` | {_cell(form)} | {_defaults({name: row[0] for name, row in by.items()})} | {_cell(text)} |"
        )
        takers = "all" if len(by) == len(names) else ", ".join(f"`{name}`" for name in by)
        lines.append(line + (f" {takers} |" if several else ""))
    return "\n".join(lines) + "\n"


def _defaults(by: Mapping[str, Any]) -> str:
    """'10; `main`: 24'."""
    counted: dict[str, list[str]] = {}
    for name, value in by.items():
        counted.setdefault(_shown(value), []).append(name)
    usual = max(counted, key=lambda text: len(counted[text]))
    others = [f"{', '.join(f'`{name}`' for name in names)}: {text}" for text, names in counted.items() if text != usual]
    return "; ".join([usual, *others])


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`" if text else ""


def _form(parser: Parser, title: str, option: str) -> str:
    """What an option's value may be, in words."""
    if title == CONFIG:
        fields = infos(TrainConfig)
        if option in PARTS:
            return _named(PARTS[option])
        if BETA.match(option):
            (item, _) = get_args(fields["betas"].annotation)
            return _words(*_parts(item))
        return _words(fields[option].annotation, fields[option].metadata) if option in fields else "number of nats"
    if title in parser.sources:
        if option in _REGISTRIES:
            return _named(_REGISTRIES[option])
        field = infos(parser.sources[title])[option]
        return _words(field.annotation, field.metadata)
    return {"grid": "axis", "rates": "number of nats"}[title]


def _named(registry: Registry[Any]) -> str:
    return " or ".join(f"`{name}`" for name in registry.names())


def _parts(annotated: Any) -> tuple[Any, list[Any]]:
    """Type and constraints of `Annotated[type, …]`."""
    kind, *constraints = get_args(annotated)
    found: list[Any] = []
    for one in constraints:
        found += one.metadata if isinstance(one, FieldInfo) else [one]
    return kind, found


def _words(kind: Any, constraints: Iterable[Any]) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"with commas: {_words(*_parts(get_args(kind)[0]))}"
    if kind is bool:
        return "`true` or `false`"
    if kind is str:
        return _text(constraints)
    words = {int: "whole number", float: "number"}[kind]
    bounds = [_bound(name, word, constraints) for name, word in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))]
    return ", ".join([words, *(bound for bound in bounds if bound)])


def _bound(name: str, word: str, constraints: Iterable[Any]) -> str:
    values = [getattr(one, name) for one in constraints if getattr(one, name, None) is not None]
    if not values:
        return ""
    value = max(values) if name.startswith("g") else min(values)
    return f"{word} {value:,}" if isinstance(value, int) else f"{word} {value:g}"


def _text(constraints: Iterable[Any]) -> str:
    lengths = [one for one in constraints if isinstance(one, StringConstraints)]
    if any(one.pattern for one in lengths):
        return "run id"
    most = min((one.max_length for one in lengths if one.max_length), default=MOST_TEXT)
    return "text" if most == MOST_TEXT else f"text, ≤ {most} characters"


def _cell(text: str) -> str:
    """Text as it may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("<", "\\<")


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    main()
