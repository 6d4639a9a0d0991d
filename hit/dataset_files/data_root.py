"""The folder of the data sets that are known by name."""

__all__ = ["DataRoot"]

import os
from dataclasses import dataclass
from pathlib import Path

from hit.config.paths import given_path


@dataclass(frozen=True)
class DataRoot:
    """The folder of torchvision's data sets, and who named it."""

    path: Path
    origin: str

    @classmethod
    def find(cls, root: str) -> "DataRoot":
        """`root`, else $HIT_DATA, else ./data.

        Raises:
            ConfigError: a path that cannot be reached.
        """
        for path, origin in ((root, "data_root"), (os.environ.get("HIT_DATA", ""), "$HIT_DATA")):
            if path.strip():
                return cls(given_path(origin, path.strip()), origin)
        return cls(Path("data"), "the default")

    def __str__(self) -> str:
        return f"{self.path} ({self.origin})"
