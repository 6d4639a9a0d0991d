"""Commands that make what a frame of runs lacks, ready for a shell."""

__all__ = ["EXPERIMENT", "evaluate_command", "search_command"]

import re
import shlex

import pandas as pd

from hit.config import flat_defaults, machine_fields
from hit.metric_groups import OPTIONAL
from hit.schema import DEFAULT_EXPERIMENT

#: Key of `DataFrame.attrs` under which a frame of runs keeps the name of their experiment.
EXPERIMENT = "experiment"
#: What a sweep for constraints varies, or has values of its own for.
_CHOSEN = re.compile(r"seed\Z|init_from\Z|early_stopping\Z|(target|max)_rate\Z|.*_[1-9][0-9]*\Z")
_SEARCH_BUDGET = 40


def evaluate_command(frame: pd.DataFrame, name: str = "") -> str:
    """The command that measures what is missing in these runs, or one metric of them."""
    clauses = []
    for param in ("dataset", "model"):
        text = _common(frame, param)
        if text is not None and re.fullmatch(r"[\w./-]+", text):
            clauses.append(f"params.{param} = '{text}'")
    where = " and ".join(clauses) or "metrics.epochs > 0"
    group = OPTIONAL.get(name)
    command = f'python -m hit.evaluate{_experiment(frame)} --where "{where}"'
    return f"{command} --metrics {group}" if group else command


def search_command(frame: pd.DataFrame, constraints: str) -> str:
    """The sweep that looks for runs like these that keep the constraints; it ends by itself."""
    options = []
    for name, default in flat_defaults().items():
        text = _common(frame, name)
        if name in machine_fields() or _CHOSEN.match(name) or text is None or _same(text, default):
            continue
        options.append(f" --{name} {shlex.quote(text)}")
    return (
        f'python -m sweeps --driver bayes --constraints "{constraints}" --budget {_SEARCH_BUDGET}'
        f"{_experiment(frame)}{''.join(options)}"
    )


def _experiment(frame: pd.DataFrame) -> str:
    name = frame.attrs.get(EXPERIMENT, DEFAULT_EXPERIMENT)
    return "" if name == DEFAULT_EXPERIMENT else f" --experiment {shlex.quote(name)}"


def _common(frame: pd.DataFrame, param: str) -> str | None:
    """The value that all runs have, as one types it; None where they differ or none has one."""
    known = list(frame[param].dropna().unique()) if param in frame else []
    if len(known) != 1:
        return None
    value = known[0]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same(text: str, default: object) -> bool:
    return text == (f"{default:g}" if isinstance(default, float) else str(default))
