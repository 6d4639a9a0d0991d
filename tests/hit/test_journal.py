"""The journal keeps every record through crashes, and gives each to the store at least once, in order."""

from pathlib import Path

import pytest

from hit.errors import StoreError
from hit.journal import Journal, Record


def metric(key: str, step: int, value: float = 1.0) -> Record:
    return {"kind": "metric", "key": key, "step": step, "value": value, "time": 0}


def test_records_come_back_in_order_across_processes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([metric("a", step) for step in range(5)])
    records, mark = journal.peek(2)
    journal.mark_sent(mark)
    journal.close()
    again = Journal(tmp_path)
    assert [record["step"] for record in records] == [0, 1]
    assert [record["step"] for record in again.peek(100)[0]] == [2, 3, 4]
    again.mark_sent(again.peek(100)[1])
    assert again.unsent == 0


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([metric("a", 1), metric("a", 2)])
    journal.close()
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    for length in range(len(whole)):  # a crash at any byte
        path.write_bytes(whole[:length])
        again = Journal(tmp_path)
        kept = [record["step"] for record in again.peek(10)[0]]
        assert kept == [1, 2][: whole[:length].count(b"\n")]
        again.append([metric("b", 7)])
        assert again.peek(10)[0][-1]["key"] == "b"
        again.close()


def test_no_step_is_logged_twice(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([metric("a", 1, 0.5)])
    journal.close()
    again = Journal(tmp_path)
    again.append([metric("a", 1, 0.25), metric("a", 2, 0.125)])
    assert [(record["step"], record["value"]) for record in again.peek(10)[0]] == [(1, 0.5), (2, 0.125)]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StoreError, match=r"state_dir must be writable, got .*file"):
        Journal(blocked / "runs")
