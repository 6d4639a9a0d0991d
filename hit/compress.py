"""`python -m hit.compress`: images as few bits, by a trained model."""

__all__ = ["CompressOptions", "main", "parser"]

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


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class CompressOptions(CodingOptions):
    """By which model, what, and where to."""

    model: NamedModel = ""
    input: Annotated[Text, Field(description="folder of images, or an .npz file with an array of them")] = ""
    output: Annotated[Text, Field(description="file to write, usually .hit")] = ""
    step: Annotated[
        float,
        Field(ge=0, le=1e6, description="of a lossy codec's latents; 0: without loss (likelihood bernoulli, mol)"),
    ] = 0.0
    rounded: Annotated[
        bool, Field(description="likelihood bernoulli: make grey images black and white first, which loses the rest")
    ] = False
    chains: Annotated[
        int,
        Field(ge=1, le=1024, description="without loss: images that pass through the networks at once"),
    ] = 16


def parser() -> Parser:
    """The options of the command."""
    options = Parser("hit.compress", "Code images with a trained model; hit.decompress gives them back.")
    options.add_options("compress", CompressOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, write the file, say what an image takes on stderr, print the file's path."""
    options = build(CompressOptions, parser().parse(argv)["compress"])
    source, target = options.files()

    from tqdm import tqdm

    from hit.config import TrainConfig
    from hit.data.image_files import open_images, whole_file
    from hit.delivery.local_state import state_folder
    from hit.serving.codec import codec
    from hit.tracking.project_run import project_run

    folder = state_folder(TrainConfig(state_dir=options.state_dir))
    with project_run(Kind.COMPRESS, state_dir=folder, stop=stop):
        made = codec(options.model, step=options.step or None, chains=options.chains)
        images = open_images(source, made.header.shape)
        with (
            whole_file(target) as file,
            tqdm(total=images.count, unit="image", desc="compressing", disable=None) as bar,
        ):

            def check(done: int) -> None:
                bar.update(done - bar.n)
                stop.check()

            count = made.write(file, images.batches(made.chunk_size), check, rounded=options.rounded)
            size = file.tell()
    print(f"{count} images in {size:,} bytes: {8 * size / count:.4g} bits per image", file=sys.stderr)
    print(target)


if __name__ == "__main__":
    entry_point(main, Kind.COMPRESS)
