"""What is measured for good is recorded, compared with the last recording, and on the page."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.make_benchmarks import PAGE, RECORD, benchmarks_page
from tests.benchmarks.record import MEASUREMENTS, Measurement, compared, main


def quick() -> Callable[[], object]:
    return lambda: sum(range(10_000))


def failing() -> Callable[[], object]:
    raise ValueError("on purpose")


def test_numbers_are_recorded_and_compared_with_the_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "benchmarks.json"
    tiny = {"sum": Measurement("a sum", quick, rounds=2, per=10, unit="ms")}
    main(["--record", str(path)], tiny)
    assert capsys.readouterr().out.rstrip().endswith("new")
    whole = json.loads(path.read_text())
    assert whole["numbers"]["sum"].keys() == {"cpu", "wall", "unit", "what"}
    assert {"torch", "python"} <= whole["versions"].keys()
    assert whole["machine"]["cores"] >= 1
    assert "| sum | a sum |" in benchmarks_page(whole)
    line = compared("sum", tiny["sum"], {"cpu": 3.0, "wall": 4.0}, {"numbers": {"sum": {"cpu": 2.0}}})
    assert line.endswith("1.50 of the last")


def test_one_that_fails_records_nothing(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.json"
    with pytest.raises(RuntimeError, match="the measurement ended early: a failure"):
        main(["--record", str(path)], {"failing": Measurement("a failure", failing)})
    assert not path.exists()


def test_the_page_is_of_what_is_recorded() -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == benchmarks_page(record), "run `python -m docs.make_benchmarks`"
    assert set(record["numbers"]) <= set(MEASUREMENTS)
