"""Filters on runs that MLflow refuses, or that no run matches, in words of our names: what was probably meant."""

__all__ = ["hint_for_none", "meant", "of_run_ids", "refusal"]

import difflib
import re
from collections.abc import Sequence

from hit.config import flat_defaults
from hit.config.field_roles import is_layered, is_option
from hit.schema import TAG_COLUMNS, Tag, is_metric, layer_metrics

_ENTITIES = {
    **dict.fromkeys(("metric", "metrics"), "metrics"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "params"),
    **dict.fromkeys(("tag", "tags"), "tags"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run", "dataset", "datasets"), ""),
}
_ATTRIBUTES = ("run_id", "run_name", "status", "start_time", "end_time", "created", "artifact_uri", "user_id")
#: A text, which is left alone, or a name that is compared with something.
_PART = re.compile(
    r"""(?P<text>'[^']*'|"[^"]*")
      | (?P<name>(?:[A-Za-z_]\w*\.)?(?:`[^`]+`|[A-Za-z_][\w./]*))(?=\s*(?:[<>=!]|i?like\b|(?:not\s+)?in\b))
        (?=\s*(?P<operator>[<>=!]*)\s*(?P<number>[-+.\d]?))""",
    re.IGNORECASE | re.VERBOSE,
)
#: Run ids in one question; the address of a question to a server must not become too long.
_IDS_A_QUESTION = 100
_LAYERS = 3  # of which names are compared with a misspelt one
#: How alike our name is to one that MLflow takes, and that may be somebody's own.
_VERY_ALIKE = 0.75


def refusal(where: str, reason: str) -> str:
    """What to say of a filter that the store does not understand.

    Args:
        where: the filter.
        reason: MLflow's, whose list of keys is left out.
    """
    if (better := meant(where)) != where:
        return f"where must name what it compares as MLflow does, got {where!r}; did you mean {better!r}?"
    reason = reason.partition(" Valid keys are")[0]
    hint = "; MLflow joins clauses by 'and' alone" if re.search(r"\bor\b", where, re.IGNORECASE) else ""
    return f"the store cannot answer {where!r}: {reason}{hint}"


def of_run_ids(run_ids: Sequence[str]) -> list[str]:
    """Filters that together match the runs of these ids.

    >>> of_run_ids(["a", "b"])
    ["attributes.run_id IN ('a', 'b')"]
    """
    chunks = [run_ids[first : first + _IDS_A_QUESTION] for first in range(0, len(run_ids), _IDS_A_QUESTION)]
    return [f"attributes.run_id IN ({', '.join(map(repr, chunk))})" for chunk in chunks]


def hint_for_none(where: str) -> str:
    """A hint on a filter that is understood and that no run matches: names that are nearly ours; '' where all are.

    >>> print(hint_for_none("metrics.beta1 < 3 and params.modle LIKE '%vae' and tags.team = 'a'"))
    ; did you mean "metrics.beta_1 < 3 and params.model LIKE '%vae' and tags.team = 'a'"?
    >>> hint_for_none("metrics.beta_1 < 3 and tags.`hit.sweep` = 'a'")
    ''
    """
    better = _PART.sub(lambda part: part[0] if part["text"] else _nearly_ours(part["name"]), where)
    return f"; did you mean {better!r}?" if better != where else ""


def meant(where: str) -> str:
    """The filter with the names of our schema as MLflow wants them; what is not ours stays.

    >>> meant("beta_1 < 1 and model = 'ghvae'")
    "metrics.beta_1 < 1 and params.model = 'ghvae'"
    >>> meant("test/psnr > 18")
    'metrics.`test/psnr` > 18'
    >>> meant("metrics.beta_1 < 1 and bata_2 > 1")
    'metrics.beta_1 < 1 and metrics.beta_2 > 1'
    """
    return _PART.sub(lambda part: part[0] if part["text"] else _name(part["name"], part["number"].strip("-+.")), where)


def _name(name: str, number: str) -> str:
    entity, dot, key = name.partition(".") if not name.startswith("`") else ("", "", name)
    if not dot or not entity.isidentifier():
        key = name.strip("`")
        return name if key.lower() in _ATTRIBUTES else _known(key) or name
    if is_option(name):
        return _quoted("metrics" if number.isdigit() else "params", name)
    bare = key.strip("`")
    home = _ENTITIES.get(entity.lower())
    if home is None:
        return _known(bare) or name
    if home == "params" and number.isdigit() and is_metric(bare):
        return _quoted("metrics", bare)  # params are texts, without order
    return _quoted(home, bare) if home and ("/" in bare or is_option(bare)) and bare == key else name


def _nearly_ours(name: str) -> str:
    """A name with its entity as it is, or the one of ours that it is nearly."""
    entity, dot, key = name.partition(".")
    home, bare = _ENTITIES.get(entity.lower(), ""), key.strip("`")
    ours = {
        "metrics": is_metric(bare),
        "params": bare in flat_defaults() or is_layered(bare) or is_option(bare),
        "tags": bare in [*Tag] or bare.startswith("mlflow."),
    }
    if not dot or ours.get(home, True):
        return name
    if home == "params" and (near := difflib.get_close_matches(bare, flat_defaults(), n=1, cutoff=_VERY_ALIKE)):
        return _quoted(home, near[0])
    return _known(bare, _VERY_ALIKE) or name


def _known(key: str, alike: float = 0.6) -> str:
    """The name of a metric, param or tag of ours, as MLflow takes it; the nearest, '' where none is near."""
    metrics = [declared.name for declared in layer_metrics(_LAYERS)]
    homes = dict.fromkeys(metrics, "metrics")
    homes = dict.fromkeys(flat_defaults(), "params") | homes | dict.fromkeys(TAG_COLUMNS, "tags")
    if is_metric(key):
        return _quoted("metrics", key)
    close = [key] if key in homes else difflib.get_close_matches(key, homes, n=1, cutoff=alike)
    if not close:
        return ""
    return _quoted(homes[close[0]], str(TAG_COLUMNS.get(close[0], close[0])))


def _quoted(entity: str, key: str) -> str:
    return f"{entity}.{key}" if re.fullmatch(r"\w+", key) else f"{entity}.`{key}`"
