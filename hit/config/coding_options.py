"""What `compress` and `decompress` are both asked: by which model, what to read, where to write."""

__all__ = ["CodingOptions"]

from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from hit.config.field_types import Text
from hit.config.machine_options import Extensions, MachineOptions, NamedModel, StateDir
from hit.config.paths import given_path
from hit.errors import ConfigError


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class CodingOptions:
    """A command says what its input and its output are."""

    model: NamedModel = ""
    input: Text = ""
    output: Text = ""
    extensions: Extensions = MachineOptions.extensions
    state_dir: StateDir = MachineOptions.state_dir

    def files(self) -> tuple[Path, Path]:
        """Absolute paths of input and output.

        Raises:
            ConfigError: model, input or output is not given, or is no path.
        """
        for name in ("model", "input", "output"):
            if not getattr(self, name):
                raise ConfigError(f"{name} must be given, got nothing")
        return given_path("input", self.input), given_path("output", self.output)
