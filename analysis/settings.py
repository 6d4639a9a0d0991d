"""Which runs may stand in one picture: those that differ in nothing but their βs and their seed."""

__all__ = ["Setting", "all_equal", "beta_names", "settings"]

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frame import column, finished, layers, values
from hit.config import TrainConfig, flat_defaults
from hit.config.field_roles import NEUTRAL, Role, is_option, role_of
from hit.config.parts import meaningless
from hit.errors import ConfigError

#: What sweeps vary, and what decides no result.
_OPEN = frozenset({Role.MACHINE, Role.RATES, Role.SEED})
_FIELDS = [name for name in flat_defaults() if role_of(name) not in _OPEN]
_HEADLINE = ("dataset", "model", "likelihood")
#: Models whose names are abbreviations of the field's; all others are told as they are registered.
_SPELLINGS = {name: name.upper() for name in ("vae", "lvae", "ghvae")}


@dataclass(frozen=True, eq=False)
class Setting:
    """Runs of one data set, architecture and training protocol.

    Attributes:
        title: data set, model and likelihood, and what else tells this setting from its neighbours.
        details: every other field of the config that decides a result, as text.
        frame: the runs, whatever their status.
        layers: L.
    """

    title: str
    details: dict[str, str]
    frame: pd.DataFrame
    layers: int


def settings(frame: pd.DataFrame) -> list[Setting]:
    """The runs cut into settings, the one with the most finished runs first."""
    if frame.empty:
        return []
    keys = _keys(frame)
    parts = [part for _, part in frame.groupby(keys, sort=False)]
    parts.sort(key=lambda part: (-len(finished(part)), -len(part)))
    facts = [_facts(part) for part in parts]
    headlines = [" · ".join(_headline(fact)) for fact in facts]
    found = []
    for part, fact, headline in zip(parts, facts, headlines, strict=True):
        namesakes = [other for other, title in zip(facts, headlines, strict=True) if title == headline]
        telling = [name for name in fact if name not in _HEADLINE and len({other[name] for other in namesakes}) > 1]
        title = " · ".join([headline, *(f"{name} {fact[name] or 0}" for name in telling)])
        details = {name: value for name, value in fact.items() if name not in _HEADLINE and value}
        found.append(Setting(title, details, part, layers(part)))
    return found


def beta_names(count: int) -> list[str]:
    """['beta_1', …, 'beta_L']."""
    return [f"beta_{layer}" for layer in range(1, count + 1)]


def all_equal(frame: pd.DataFrame, count: int, to: float | None = None) -> pd.Series:
    """Which runs weigh all their `count` rates alike (and, if given, by the weight `to`)."""
    betas = np.column_stack([values(frame, name) for name in beta_names(count)])
    target = betas[:, :1] if to is None else np.full((1, 1), to)
    return pd.Series(np.isclose(betas, target, rtol=1e-6, atol=0).all(axis=1), index=frame.index)


def _fields(frame: pd.DataFrame) -> list[str]:
    """The fields that the runs have, and the options of their models and likelihoods."""
    return [*(name for name in _FIELDS if name in frame), *(str(name) for name in frame if is_option(str(name)))]


def _keys(frame: pd.DataFrame) -> pd.Series:
    names = _fields(frame)
    digests = _digests(frame)
    known: dict[Hashable, str] = {}
    keys = []
    for digest, *row in zip(digests, *(frame[name] for name in names), strict=True):
        present = {name: value for name, value in zip(names, row, strict=True) if not pd.isna(value)}
        lookup = (digest, *((name, str(value)) for name, value in present.items()))
        if lookup not in known:
            known[lookup] = _key(present, digest)
        keys.append(known[lookup])
    return pd.Series(keys, index=frame.index)


def _key(present: dict[str, object], digest: str) -> str:
    try:
        # All βs at their default: the group of a config is then its setting.
        return TrainConfig.from_flat(present).group(digest)
    except ConfigError:  # a run of another version of the schema, or imported
        return f"{sorted((name, str(value)) for name, value in present.items())} {digest}"


def _digests(frame: pd.DataFrame) -> list[str]:
    """Digest of each run's data; a run that failed before it had one is filed with its namesakes."""
    names = column(frame, "dataset").fillna("").astype(str)
    digests = column(frame, "data_digest").fillna("").astype(str)
    seen: dict[str, str] = {}
    for name, digest in zip(names, digests, strict=True):
        if digest:
            seen.setdefault(name, digest)
    return [f"{name} {digest or seen.get(name, '')}" for name, digest in zip(names, digests, strict=True)]


def _facts(part: pd.DataFrame) -> dict[str, str]:
    """The fields that decide a result and have a meaning for this model, with the digest of the data."""
    options = [str(name) for name in part if is_option(str(name))]
    first = {name: column(part, name).dropna() for name in [*_FIELDS, *options, "data_digest"]}
    facts = {name: "" if known.empty else _text(known.iloc[0]) for name, known in first.items()}
    facts["data_digest"] = facts["data_digest"][:12]
    for name, neutral in NEUTRAL.items():
        if neutral == 0 and facts[name] == "0":  # none, as in runs of older versions, which do not have the field
            facts[name] = ""
    return facts | dict.fromkeys(meaningless(facts), "")


def _headline(facts: dict[str, str]) -> list[str]:
    model = facts["model"]
    return [facts["dataset"], _SPELLINGS.get(model, model), facts["likelihood"]]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
