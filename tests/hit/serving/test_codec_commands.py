"""compress and decompress as a person calls them, in one process and in two that are set up otherwise."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hit import compress, decompress
from hit.config import TrainConfig
from hit.data.digits import read_digits
from hit.errors import CheckpointError, ConfigError, DataError, Interrupted, StoreError, UserError
from hit.models import build_model
from hit.serving.mlflow_model import write_model
from hit.training.checkpoints import save_weights
from tests.commands import ROOT
from tests.stores import clean_environment

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")

GREY = (1, 28, 28)
SMALL = TrainConfig(channels=2, z_dims=(5,))


@dataclass(frozen=True)
class Stop:
    """A request to stop, that comes or not."""

    comes: bool = False

    def check(self) -> None:
        if self.comes:
            raise Interrupted(2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model's folder, as the registry keeps it."""
    folder = tmp_path_factory.mktemp("model")
    save_weights(folder / "weights.safetensors", build_model(SMALL, GREY), "identity")
    write_model(folder / "model", SMALL, GREY, folder / "weights.safetensors", "identity")
    return str(folder / "model")


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    """Black and white digits, in a folder and in an .npz file."""
    found = np.where(read_digits()[1].images[:9].numpy() > 127, 255, 0).astype(np.uint8)
    (tmp_path / "images").mkdir()
    for number, image in enumerate(found):
        Image.fromarray(image[0]).save(tmp_path / "images" / f"{number:02d}.png")
    np.savez_compressed(tmp_path / "images.npz", x=found[:, 0])
    return found


def run(command: Callable[..., None], stop: Stop | None = None, **options: object) -> None:
    command([word for name, value in options.items() for word in (f"--{name}", str(value))], stop or Stop())


@pytest.mark.parametrize("given", ["images", "images.npz"])
@pytest.mark.parametrize("wanted", ["back", "back.npz"])
def test_images_come_back(model: str, images: np.ndarray, tmp_path: Path, given: str, wanted: str) -> None:
    run(compress.main, model=model, input=tmp_path / given, output=tmp_path / "coded.hit")
    run(decompress.main, model=model, input=tmp_path / "coded.hit", output=tmp_path / wanted)
    if wanted == "back":
        files = sorted((tmp_path / "back").iterdir())
        assert [path.name for path in files][:2] == ["000001.png", "000002.png"]
        found = np.stack([np.asarray(Image.open(path))[None] for path in files])
    else:
        found = np.load(tmp_path / "back.npz")["images"]
    np.testing.assert_array_equal(found, images)


def test_what_is_printed(model: str, images: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(compress.main, model=model, input=tmp_path / "images", output=tmp_path / "coded.hit")
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'coded.hit'}\n"
    size = (tmp_path / "coded.hit").stat().st_size
    assert f"9 images in {size:,} bytes: {8 * size / 9:.4g} bits per image" in err


#: Other networks than those of the encoder as far as numbers go: three threads, and one image at a time.
_ELSEWHERE = """
import sys
import numpy as np, torch, hit
from torch import nn

torch.set_num_threads(3)
passes = []

def one_by_one(cls):
    whole = cls.forward
    def forward(self, x, *rest):
        passes.append(len(x))
        return torch.cat([whole(self, part, *rest) for part in x.split(1)])
    cls.forward = forward

for cls in (nn.Linear, nn.Conv2d, nn.ConvTranspose2d):
    one_by_one(cls)
codec = hit.codec(sys.argv[1], chains=2)
for name in ("lossless", "lossy"):
    np.save(name + ".npy", codec.decode(open(name + ".hit", "rb").read()))
assert max(passes) > 1
print(torch.get_num_threads())
"""


def test_another_process_with_other_threads_and_batches_decodes(model: str, images: np.ndarray, tmp_path: Path) -> None:
    """Without loss to the images themselves, with it to those that the encoder's process decodes."""
    run(compress.main, model=model, input=tmp_path / "images", output=tmp_path / "lossless.hit", chains=4)
    run(compress.main, model=model, input=tmp_path / "images", output=tmp_path / "lossy.hit", step=1)
    environment = clean_environment(OMP_NUM_THREADS="3", MKL_NUM_THREADS="3", PYTHONPATH=str(ROOT))
    said = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, model],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert (said.returncode, said.stdout) == (0, "3\n"), said.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "lossless.npy"), images)
    run(decompress.main, model=model, input=tmp_path / "lossy.hit", output=tmp_path / "lossy.npz")
    here = np.load(tmp_path / "lossy.npz")["images"]
    assert len(np.unique(here, axis=0)) == len(here)
    np.testing.assert_allclose(np.load(tmp_path / "lossy.npy").astype(int), here, atol=1)


class TestMistakes:
    """One line each, and nothing is written."""

    @pytest.mark.parametrize(
        ("options", "error", "says"),
        [
            ({"model": ""}, ConfigError, "model must be given"),
            ({"model": "nothing"}, StoreError, "model must be models:/NAME@ALIAS"),
            ({"input": "nowhere.npz"}, DataError, "there is no file"),
            ({"input": "nowhere"}, DataError, "input must be a folder of images or an .npz file"),
            ({"output": "no/folder.hit"}, DataError, "output must lie in an existing folder"),
            ({"output": "images"}, DataError, "output must be a file, got the folder"),
            ({"chains": 0}, ConfigError, "chains must be greater than or equal to 1, got '0'"),
            ({"input": "small.npz"}, DataError, r"images must be of shape N×1×28×28, .* got 2×8×8"),
            ({"input": "floats.npz"}, DataError, "images must be uint8 with levels 0 to 255, .* got float32"),
            ({"input": "objects.npz"}, DataError, "images must be uint8"),
            ({"input": "text.npz"}, DataError, "cannot be read as an .npz file"),
            ({"input": "grey"}, DataError, "images must be black and white"),
            ({"input": "mixed"}, DataError, r"b.png must be grey and of 28×28 pixels, .* got RGB and 28×28"),
        ],
    )
    def test_of_compress(
        self,
        model: str,
        images: np.ndarray,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        options: dict[str, object],
        error: type[UserError],
        says: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        np.savez("small.npz", images=np.zeros((2, 8, 8), np.uint8))
        np.savez("floats.npz", images=np.zeros((2, 28, 28), np.float32))
        np.savez("objects.npz", images=np.array([{}], dtype=object))
        Path("text.npz").write_text("no archive")
        for folder, second in (("grey", np.full((28, 28), 9, np.uint8)), ("mixed", np.zeros((28, 28, 3), np.uint8))):
            Path(folder).mkdir()
            Image.fromarray(images[0, 0]).save(f"{folder}/a.png")
            Image.fromarray(second).save(f"{folder}/b.png")
        before = sorted(path.name for path in tmp_path.iterdir())
        with pytest.raises(error, match=says) as raised:
            run(compress.main, **{"model": model, "input": "images", "output": "coded.hit", **options})
        assert "\n" not in str(raised.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == before

    def test_of_decompress(self, model: str, images: np.ndarray, tmp_path: Path) -> None:
        coded = tmp_path / "coded.hit"
        run(compress.main, model=model, input=tmp_path / "images", output=coded)
        whole = coded.read_bytes()
        for content, target, says in (
            (whole, tmp_path / "images", "output must be an .npz file, or a folder that is not there yet or empty"),
            (whole[:-9], tmp_path / "back", "cut short"),
            (whole[:-30] + b"x" + whole[-29:], tmp_path / "back", "damaged behind image 0"),
            (b"GIF89a" + whole, tmp_path / "back.npz", "begins with other bytes"),
        ):
            coded.write_bytes(content)
            before = sorted(path.name for path in tmp_path.iterdir())
            with pytest.raises(DataError, match=says):
                run(decompress.main, model=model, input=coded, output=target)
            assert sorted(path.name for path in tmp_path.iterdir()) == before
        with pytest.raises(DataError, match="input must be a file that can be read"):
            run(decompress.main, model=model, input=tmp_path / "none.hit", output=tmp_path / "back")

    def test_a_model_that_others_have_written(self, model: str, tmp_path: Path) -> None:
        """Its loader is never called."""
        folder = tmp_path / "theirs"
        folder.mkdir()
        text = (Path(model) / "MLmodel").read_text()
        (folder / "MLmodel").write_text(text.replace("loader_module: hit.serving", "loader_module: antigravity"))
        with pytest.raises(CheckpointError, match="model must be one that hit has registered"):
            run(compress.main, model=folder, input=tmp_path, output=tmp_path / "coded.hit")

    def test_whoever_stops_leaves_nothing(self, model: str, images: np.ndarray, tmp_path: Path) -> None:
        with pytest.raises(Interrupted):
            run(compress.main, Stop(True), model=model, input=tmp_path / "images", output=tmp_path / "coded.hit")
        assert not (tmp_path / "coded.hit").exists()


def test_memory_is_that_of_one_chunk(
    model: str, images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images are read, coded and written chunk by chunk."""
    from hit.coding import chunk_codec
    from hit.data.image_files import open_images

    monkeypatch.setattr(chunk_codec, "_MOST_IMAGES", 4)
    run(compress.main, model=model, input=tmp_path / "images.npz", output=tmp_path / "coded.hit")
    run(decompress.main, model=model, input=tmp_path / "coded.hit", output=tmp_path / "back.npz")
    np.testing.assert_array_equal(np.load(tmp_path / "back.npz")["images"], images)
    for name in ("images", "images.npz"):
        source = open_images(tmp_path / name, GREY)
        assert [len(part) for part in source.batches(4)] == [4, 4, 1]


@pytest.mark.parametrize("stored", [(2, 4, 5, 3), (2, 3, 4, 5)])
def test_colour_images_either_way_round(tmp_path: Path, stored: tuple[int, ...]) -> None:
    from hit.data.image_files import open_images

    array = np.random.default_rng(0).integers(0, 256, stored, np.uint8)
    np.savez(tmp_path / "colour.npz", x=array, y=np.zeros(2))
    (part,) = open_images(tmp_path / "colour.npz", (3, 4, 5)).batches(8)
    expected = array if stored[1] == 3 else array.transpose(0, 3, 1, 2)
    assert torch.equal(part, torch.from_numpy(np.ascontiguousarray(expected)))


def test_the_header_can_be_read_by_people(model: str, images: np.ndarray, tmp_path: Path) -> None:
    run(compress.main, model=model, input=tmp_path / "images", output=tmp_path / "coded.hit")
    data = (tmp_path / "coded.hit").read_bytes()
    header = json.loads(data[14 : 14 + int.from_bytes(data[10:14], "little")])
    assert header["kind"] == "lossless"
    assert header["name"] == model
    assert header["shape"] == list(GREY)
    assert header["networks"]["torch"] == torch.__version__
