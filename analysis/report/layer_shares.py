"""The share of each layer in the total rate to aim at, for all applications, as a table."""

__all__ = ["ShareTable", "share_table"]

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from analysis.figures import style
from analysis.recommendation.optimum import LayerShare
from analysis.recommendation.recommender import Recommendation

#: With fewer layers the regions say it.
_LEAST_LAYERS = 3


@dataclass(frozen=True)
class ShareTable:
    """A row a layer, the top one first, and a column an application.

    Attributes:
        heads: names of the applications, each with why its region is none of a known probability, or ''.
        rows: a layer's name, and its share for each application.
    """

    heads: list[tuple[str, str]]
    rows: list[tuple[Markup, list[str]]]


def share_table(found: Sequence[Recommendation]) -> ShareTable | None:
    """For three layers or more; None with fewer, or where nothing is recommended.

    Args:
        found: what is recommended for the runs of one setting.
    """
    count = found[0].region.layers if found else 0
    if count < _LEAST_LAYERS:
        return None
    shares = [{one.layer: one for one in each.shares} for each in found]
    return ShareTable(
        heads=[(one.application.name, one.hedge) for one in found],
        rows=[
            (Markup(style.markup(f"z_{layer}")), [_told(each.get(layer)) for each in shares])  # noqa: S704 - inert
            for layer in range(count, 0, -1)
        ],
    )


def _told(share: LayerShare | None) -> str:
    if share is None:
        return "any"
    if share.low is None or share.high is None:
        return f"{_percent(share.share)} (error not known)"
    return f"{_percent(share.share)} ({_percent(share.low)} to {_percent(share.high)})"


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
