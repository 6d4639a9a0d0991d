"""HIT: where should a hierarchical VAE spend its information?

What a notebook needs, each imported when it is asked for: `import hit` alone loads neither torch nor MLflow nor pandas.

>>> import hit
>>> hit.TrainConfig(epochs=3).layers
2
"""

__all__ = ["Store", "TrainConfig", "__version__", "build_model", "codec", "evaluate_model", "fit", "load_data"]

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hit.config import TrainConfig
    from hit.data import load as load_data
    from hit.evaluation import evaluate_model
    from hit.models import build_model
    from hit.serving.codec import codec
    from hit.store import Store
    from hit.training import fit

__version__ = "0.2.0"

#: Public name → the module that has it, and its name there.
_HOMES = {
    "Store": ("hit.store", "Store"),
    "TrainConfig": ("hit.config", "TrainConfig"),
    "build_model": ("hit.models", "build_model"),
    "codec": ("hit.serving.codec", "codec"),
    "evaluate_model": ("hit.evaluation", "evaluate_model"),
    "fit": ("hit.training", "fit"),
    "load_data": ("hit.data", "load"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:  # `from hit import schema` then looks for a module
        raise AttributeError(f"module 'hit' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
