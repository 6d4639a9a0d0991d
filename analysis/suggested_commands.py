"""Commands that make what a frame of runs lacks, ready for a shell."""

__all__ = [
    "EXPERIMENT",
    "ENOUGH_SEEDS",
    "classify_command",
    "evaluate_command",
    "experiment_of",
    "grid_command",
    "search_command",
    "seeds_command",
    "surface_command",
    "train_commands",
]

import re
import shlex
from collections.abc import Collection
from itertools import islice

import pandas as pd

from hit.commands import extensions_option, program
from hit.config import flat_defaults
from hit.config.field_roles import BETA, Role, is_option, role_of
from hit.config.part_options import is_source
from hit.config.rates.rate_targets import TARGET
from hit.schema import DEFAULT_EXPERIMENT
from hit.schema.metric_groups import optional_group
from hit.surfaces.plan import SURFACE_DEFAULTS

#: Key of `DataFrame.attrs` under which a frame of runs keeps the name of their experiment.
EXPERIMENT = "experiment"
#: What a sweep for constraints varies, or has values of its own for.
_CHOSEN = frozenset({Role.MACHINE, Role.RATES, Role.SEED, Role.START})
_SEARCH_BUDGET = 40
#: Seeds of a model that tell a spread, if a rough one.
ENOUGH_SEEDS = 3


def experiment_of(frame: pd.DataFrame) -> str:
    """The experiment that the runs are from."""
    return str(frame.attrs.get(EXPERIMENT, DEFAULT_EXPERIMENT))


def evaluate_command(frame: pd.DataFrame, name: str = "") -> str:
    """The command that measures what is missing in these runs, or one metric of them."""
    clauses = []
    for param in ("dataset", "model"):
        text = _common(frame, param)
        if text is not None and re.fullmatch(r"[\w./-]+", text):
            clauses.append(f"params.{param} = '{text}'")
    where = " and ".join(clauses) or "metrics.epochs > 0"
    group = optional_group(name)
    command = f'{program("hit.evaluate")}{_setting(frame)} --where "{where}"'
    return f"{command} --metrics {group}" if group else command


def classify_command(frame: pd.DataFrame) -> str:
    """The command that trains the classifier of the data of these runs."""
    crop = _common(frame, "crop") or "0"
    cut = f" --crop {crop}" if crop != "0" else ""
    dataset = shlex.quote(_common(frame, "dataset") or "DATASET")
    return f"{program('hit.classify')} --dataset {dataset}{cut}{_setting(frame)}"


def surface_command(frame: pd.DataFrame) -> str:
    """The command that trains one model for every β of such models."""
    return f"{program('hit.surface')}{_alike(frame, but=SURFACE_DEFAULTS)}{_setting(frame)}"


def train_commands(experiment: str = DEFAULT_EXPERIMENT) -> str:
    """Words on the commands that make runs, for whom there are none."""
    named = _named(experiment)
    return f"make one by `{program('hit.train')}{named}`, many by `{program('sweeps')}{named}`"


def search_command(frame: pd.DataFrame, constraints: str) -> str:
    """The sweep that looks for runs like these that keep the constraints; it ends by itself."""
    return (
        f'{program("sweeps")} --driver bayes --constraints "{constraints}" --budget {_SEARCH_BUDGET}'
        f"{_setting(frame)}{_alike(frame)}"
    )


def grid_command(frame: pd.DataFrame, layers: int = 0) -> str:
    """The sweep over a grid of β, with three seeds, of models like these.

    Args:
        frame: runs like which it trains.
        layers: how many layers have a β of their own; 2 of models of one layer, where they are to be shared among two.
    """
    own = 1 if _common(frame, "model") == "vae" else layers
    grid = "".join(f" --grid_{layer} 0.1:10:5" for layer in range(1, max(layers, own) + 1))
    like = _alike(frame, but=("model", "z_dims") if layers > own else ())
    return f"{program('sweeps')} --seeds {','.join(map(str, range(ENOUGH_SEEDS)))}{grid}{like}{_setting(frame)}"


def seeds_command(frame: pd.DataFrame, run: pd.Series, known: Collection[int]) -> str:
    """The sweep that trains further seeds of the model of a run, until there are three; '' where it is no config.

    Args:
        frame: the run's neighbours, which know their experiment.
        run: its row of the frame.
        known: seeds that are there, which are not trained again.
    """
    if not pd.isna(run.get("amortised")):  # read off a surface
        return ""
    row = frame.loc[frame["run_id"] == run["run_id"]]
    row.attrs = frame.attrs
    targets = [str(name) for name in row if TARGET.match(str(name)) and not pd.isna(run[name])]
    asked = "".join(f" --{name} {run[name]:g}" for name in targets)
    if not targets:
        names = sorted(str(name) for name in row if BETA.match(str(name)) and not pd.isna(run[name]))
        asked = "".join(f" --grid_{name.removeprefix('beta_')} {float(run[name])!r}" for name in names)
    further = (seed for seed in range(ENOUGH_SEEDS + max(known, default=0) + 1) if seed not in known)
    seeds = sorted([*known, *islice(further, max(0, ENOUGH_SEEDS - len(known)))])
    command = f"{program('sweeps')} --seeds {','.join(map(str, seeds))}{asked}"
    return f"{command}{_alike(row)}{_setting(row)}"


def _setting(frame: pd.DataFrame) -> str:
    """Options that every command on such runs needs: their experiment, their extensions, where their data are."""
    known = frame["extensions"].dropna().astype(str).unique() if "extensions" in frame else ()
    return f"{_named(experiment_of(frame))}{extensions_option(*known)}{_data_root(frame)}"


def _alike(frame: pd.DataFrame, but: Collection[str] = ()) -> str:
    """Options of models like these, as far as they have them in common and differ from the defaults."""
    options = []
    for name, default in flat_defaults().items():
        text = _common(frame, name)
        if role_of(name) in _CHOSEN or name in but or text is None or _same(text, default):
            continue
        options.append(f" --{name} {shlex.quote(text)}")
    for name in sorted(str(name) for name in frame if is_option(str(name)) and not is_source(str(name))):
        text = _common(frame, name)
        if text is not None:
            options.append(f" --{name} {shlex.quote(text)}")
    return "".join(options)


def _named(experiment: str) -> str:
    return "" if experiment == DEFAULT_EXPERIMENT else f" --experiment {shlex.quote(experiment)}"


def _data_root(frame: pd.DataFrame) -> str:
    """Where the runs found their data, if somebody said so."""
    root = _common(frame, "data_root")
    return f" --data_root {shlex.quote(root)}" if root else ""


def _common(frame: pd.DataFrame, param: str) -> str | None:
    """The value that all runs have, as one types it; None where they differ or none has one."""
    known = list(frame[param].dropna().unique()) if param in frame else []
    if len(known) != 1:
        return None
    value = known[0]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same(text: str, default: object) -> bool:
    return text == (f"{default:g}" if isinstance(default, float) else str(default))
