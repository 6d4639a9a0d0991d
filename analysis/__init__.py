"""Where should the model spend its information? Runs of the store as frames, recommendations and figures.

Each name is imported when it is asked for: `import analysis` alone loads neither pandas nor Plotly nor MLflow.

>>> import analysis
>>> frame = analysis.runs("hit", where="params.dataset = 'digits'")  # doctest: +SKIP
>>> analysis.recommend(frame, "reconstruction").region  # doctest: +SKIP
>>> analysis.figures.rate_space(frame, "test/psnr").show()  # doctest: +SKIP
"""

__all__ = ["Query", "figures", "findings", "histories", "recommend", "replicates", "runs"]

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis import figures
    from analysis.frame import replicates
    from analysis.query import Query, histories, runs
    from analysis.recommendation.recommender import recommend
    from analysis.statements.findings import findings

#: Public name → the module that has it; `figures` is one itself.
_HOMES = {
    "Query": "analysis.query",
    "figures": "analysis.figures",
    "findings": "analysis.statements.findings",
    "histories": "analysis.query",
    "recommend": "analysis.recommendation.recommender",
    "replicates": "analysis.frame",
    "runs": "analysis.query",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:  # `from analysis import style` then looks for a module
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    value = home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _FormerModule(ModuleType):
    """A module whose name is a function's now: `from analysis.runs import runs` goes on working."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return __getattr__(name)


for _former in ("analysis.runs", "analysis.recommend"):
    sys.modules.setdefault(_former, _FormerModule(_former))
