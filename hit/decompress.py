"""`python -m hit.decompress`: the images of a file of `hit.compress`, by the model that coded them."""

__all__ = ["DecompressOptions", "main", "parser"]

import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import Parser, entry_point
from hit.config.coding_options import CodingOptions
from hit.config.field_types import Text
from hit.config.machine_options import NamedModel
from hit.config.options import build
from hit.schema import Kind

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class DecompressOptions(CodingOptions):
    """By which model, that of the file, what, and where to."""

    model: NamedModel = ""
    input: Annotated[Text, Field(description="file of hit.compress")] = ""
    output: Annotated[
        Text, Field(description="an .npz file, or a folder that is not there yet, which takes a PNG file an image")
    ] = ""


def parser() -> Parser:
    """The options of the command."""
    options = Parser("hit.decompress", "Give back the images that hit.compress has coded with a model.")
    options.add_options("decompress", DecompressOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, write the images, print where they are."""
    options = build(DecompressOptions, parser().parse(argv)["decompress"])
    source, target = options.files()

    from tqdm import tqdm

    from hit.config import TrainConfig
    from hit.data.image_files import image_writer
    from hit.delivery.local_state import state_folder
    from hit.errors import DataError
    from hit.serving.codec import codec_of_file
    from hit.tracking.project_run import project_run

    folder = state_folder(TrainConfig(state_dir=options.state_dir))
    with project_run(Kind.DECOMPRESS, state_dir=folder, stop=stop):
        try:
            file = source.open("rb")
        except OSError as error:
            raise DataError(f"input must be a file that can be read, got {source}: {error.strerror}") from None
        with file:
            made = codec_of_file(file, options.model)
            count = made.count(file)
            with (
                image_writer(target, made.header.shape, count) as write,
                tqdm(total=count, unit="image", desc="decompressing", disable=None) as bar,
            ):

                def check(done: int) -> None:
                    bar.update(done - bar.n)
                    stop.check()

                for images in made.read(file, check):
                    write(images)
    print(f"{count} images", file=sys.stderr)
    print(target)


if __name__ == "__main__":
    entry_point(main, Kind.DECOMPRESS)
