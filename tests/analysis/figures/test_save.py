"""Figures as files."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from analysis.figures import rate_space, save
from hit.errors import ConfigError, Unavailable

_CHROMES = ("chromium", "chromium-browser", "google-chrome")


def test_a_page_works_offline(grid: pd.DataFrame, tmp_path: Path) -> None:
    page = save(rate_space(grid, "test/psnr"), tmp_path / "figure.html").read_text(encoding="utf-8")
    assert "Plotly.newPlot" in page
    assert 'src="http' not in page


@pytest.mark.parametrize("name", ["figure", "figure.jpg", "figure.png/x.png", "missing/figure.html"])
def test_a_path_that_is_none_is_refused(grid: pd.DataFrame, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="path must"):
        save(rate_space(grid, "test/psnr"), tmp_path / name)


def test_without_a_chrome_one_line_says_what_to_install(
    grid: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kaleido
    from choreographer.browsers.chromium import ChromeNotFoundError

    def missing(*args: object, **options: object) -> None:
        raise ChromeNotFoundError

    monkeypatch.setattr(kaleido, "write_fig_sync", missing)
    with pytest.raises(Unavailable, match="apt-get install chromium") as caught:
        save(rate_space(grid, "test/psnr"), tmp_path / "figure.pdf")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not any(map(shutil.which, _CHROMES)), reason="needs Chromium: apt-get install chromium")
@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")])
def test_pictures_are_drawn(grid: pd.DataFrame, tmp_path: Path, ending: str, start: bytes) -> None:
    path = save(rate_space(grid, "test/psnr"), tmp_path / f"figure.{ending}", width=300, height=200)
    assert path.read_bytes().startswith(start)
    if ending == "png":
        with Image.open(path) as picture:
            assert picture.size == (900, 600), "three pixels a point"
            assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20)) > 50, "something is drawn"
