"""Data and reports in folders whose names mean something elsewhere: to addresses, shells, patterns."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.__main__ import main as report
from hit.data import load
from hit.processes.stop import StopRequest
from tests.many_runs import fill_store

ALL = "%41 %#?&;+@:=,ü☃'\"\\{}$HOME[x]*!|<>"
NAMES = [f"a{letter}b" for letter in sorted(set("%#?& ;+@:=,ü☃'\"\\{}$[]*!|<>()"))]


@pytest.mark.parametrize("name", [*NAMES, "a%41", "[ab]", "~x", "-x", ALL])
def test_data_sets_are_found_by_their_paths(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    for part, count in (("train", 4), ("test", 2)):
        for label in ("cat", "dog"):
            place = folder / part / label
            place.mkdir(parents=True)
            for number in range(count):
                pixels = np.random.RandomState(number + 10 * len(label + part)).randint(0, 256, (8, 8))
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}.png")
    data = load(str(folder))
    images = np.concatenate([data.train.images[:, 0].numpy(), data.test.images[:, 0].numpy()])
    labels = np.concatenate([data.train.labels.numpy(), data.test.labels.numpy()])
    np.savez(folder / f"{name[:50]}.npz", images=images, labels=labels)
    arrays = load(str(folder / f"{name[:50]}.npz"))
    assert len(data.train.labels) == 8
    assert len(arrays.train.labels) + len(arrays.test.labels) == 12


def test_a_report_lies_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ALL
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    fill_store("sqlite:///mlflow.db", 3, epochs=2)
    report(["--output", f"{ALL}.html", "--state_dir", "state %41?"], StopRequest())
    page = folder / f"{ALL}.html"
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {page}"
    (logged,) = folder.glob("mlruns/hit/*/artifacts/report/*.html")
    assert logged.name == page.name
    assert logged.read_bytes() == page.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [ALL]
