"""What pictures show of images of any size and number of channels, and what the report makes small of them."""

import base64
import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.utils import make_grid, save_image

from analysis.report.thumbnails import thumbnails
from hit.config import TrainConfig
from hit.evaluation import pictures
from hit.evaluation.pictures import drawn_channels, reconstructions, samples, save_grid, traversal
from hit.models import HierarchicalVAE, build_model

CONFIG = TrainConfig(channels=2, z_dims=(3,), likelihood="gaussian")


def images_of(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def model_of(*shape: int) -> HierarchicalVAE:
    channels, height, width = shape
    return build_model(CONFIG, (channels, height, width))


@pytest.mark.parametrize(("channels", "drawn"), [(2, 2), (5, 5), (8, 8), (12, 8)])
def test_channels_are_drawn_beside_each_other(channels: int, drawn: int) -> None:
    images = images_of(2, channels, 9, 13)
    grid = reconstructions(model_of(channels, 9, 13), images)
    across = drawn * 14 - 1
    assert drawn_channels(channels) == drawn
    assert grid.shape == (3, 2 * 10 + 1, 2 * (across + 1) + 1)
    for image in range(2):
        for channel in range(drawn):
            left = 1 + image * (across + 1) + channel * 14
            shown = grid[:, 1:10, left : left + 13]
            torch.testing.assert_close(shown, images[image, channel].expand(3, 9, 13) / 255)


def test_colour_and_grey_are_one_image() -> None:
    for channels in (1, 3):
        images = images_of(25, channels, 9, 13)
        grid = reconstructions(model_of(channels, 9, 13), images)
        assert grid.shape == (3, 6 * 10 + 1, 10 * 14 + 1)
        last = images[24] / 255
        torch.testing.assert_close(grid[:, 41:50, 1 + 4 * 14 : 4 * 14 + 14], last.expand(3, 9, 13))
        assert (grid[:, 51:60, 1 + 5 * 14 :] == 0.5).all(), "nothing where there is no image"


def test_wide_images_have_fewer_to_a_row() -> None:
    model = model_of(12, 8, 200)
    assert reconstructions(model, images_of(3, 12, 8, 200)).shape[2] == 8 * 201 + 1
    assert samples(model, count=2).shape == (3, 2 * 9 + 1, 8 * 201 + 1)
    assert traversal(model, 1).shape[0] == 3


@pytest.mark.parametrize(
    ("channels", "height", "width", "rows"),
    [(1, 20, 37, 4), (1, 64, 17, 2), (2, 28, 28, 4)],  # two rows are an image above its reconstruction
)
def test_the_report_shows_whole_rows(tmp_path: Path, channels: int, height: int, width: int, rows: int) -> None:
    grid = reconstructions(model_of(channels, height, width), images_of(20, channels, height, width))
    path = save_grid(grid, tmp_path / "a.png")
    found = thumbnails(["0" * 32], lambda run_id, artifact: path.read_bytes())["0" * 32][0]
    assert found is not None
    with Image.open(io.BytesIO(base64.b64decode(found))) as picture:
        assert picture.width == min(340, grid.shape[2])
        assert abs(picture.height - rows * (height + 1) * picture.width / grid.shape[2]) <= 1


@pytest.mark.parametrize(("count", "channels", "columns"), [(7, 1, 3), (10, 3, 4), (3, 3, 10)])
def test_a_grid_is_torchvisions(count: int, channels: int, columns: int, tmp_path: Path) -> None:
    images = torch.rand(count, channels, 5, 6)
    grid = pictures._grid(images, columns)
    theirs = make_grid(images, nrow=columns, padding=1, pad_value=0.5)
    assert torch.equal(grid, theirs)
    save_image(theirs, tmp_path / "theirs.png")
    ours = save_grid(grid, tmp_path / "ours.png", scale=1)
    with Image.open(ours) as one, Image.open(tmp_path / "theirs.png") as other:
        assert (one.mode, one.size, one.tobytes()) == (other.mode, other.size, other.tobytes())
