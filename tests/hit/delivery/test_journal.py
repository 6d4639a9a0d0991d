"""The journal keeps every record through crashes, and gives each to the store at least once, in order."""

import errno
import os
from pathlib import Path

import pytest

from hit.delivery.journal import Journal, Record
from hit.errors import StoreError

pytestmark = pytest.mark.usefixtures("lines")


def metric(key: str, step: int, value: float = 1.0) -> Record:
    return {"kind": "metric", "key": key, "step": step, "value": value, "time": 0}


def test_records_come_back_in_order_across_processes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([metric("a", step) for step in range(5)])
    (first, _), (second, mark) = journal.peek(2)
    journal.mark_sent(mark)
    journal.close()
    again = Journal(tmp_path)
    assert (first["step"], second["step"]) == (0, 1)
    assert [record["step"] for record, _ in again.peek(100)] == [2, 3, 4]
    again.mark_sent(again.peek(100)[-1][1])
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
        kept = [record["step"] for record, _ in again.peek(10)]
        assert kept == [1, 2][: whole[:length].count(b"\n")]
        again.append([metric("b", 7)])
        assert again.peek(10)[-1][0]["key"] == "b"
        again.close()


def test_no_step_is_logged_twice(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([metric("a", 1, 0.5)])
    journal.close()
    again = Journal(tmp_path)
    again.append([metric("a", 1, 0.25), metric("a", 2, 0.125)])
    assert [(record["step"], record["value"]) for record, _ in again.peek(10)] == [(1, 0.5), (2, 0.125)]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StoreError, match=r"state_dir must be writable, got .*file"):
        Journal(blocked / "runs")


def full_after(patch: pytest.MonkeyPatch, room: int) -> None:
    """A disk that takes so many bytes more, and then no more."""
    left = room

    def pwrite(file: int, data: bytes, offset: int) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = data[:left]
        left -= len(part)
        return write(file, part, offset)

    write = os.pwrite
    patch.setattr(os, "pwrite", pwrite)


@pytest.mark.parametrize("room", [0, 1, 30, 80])
def test_a_full_disk_leaves_no_half_line(tmp_path: Path, room: int) -> None:
    journal = Journal(tmp_path)
    journal.append([metric("a", 1)])
    with pytest.MonkeyPatch.context() as patch:
        full_after(patch, room)
        with pytest.raises(StoreError, match=r"state_dir must have room, got .*: No space left on device"):
            journal.append([metric("a", 2), metric("a", 3)])
    journal.append([metric("a", 2), metric("a", 4)])  # in the same process, with room again
    assert [record["step"] for record, _ in journal.peek(10)] == [1, 2, 4]
    journal.close()
    assert [record["step"] for record, _ in Journal(tmp_path).peek(10)] == [1, 2, 4]


@pytest.mark.parametrize(
    "damage",
    [
        b'{"kind":"metric","key":"a"{"kind":"metric"}\n',
        b'{"kind":"metric","key":"a","step":"two","value":1.0,"time":0}\n',
        b'{"kind":"nonsense"}\n',
        b"[1, 2]\n",
        b"7\n",
        b"\n",
        b"\xff\xfe\r\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_damaged_journal_is_put_aside_and_read_as_far_as_it_can_be(
    tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "0123"
    journal = Journal(folder)
    journal.append([metric("a", 1), metric("a", 2), metric("a", 3)])
    journal.mark_sent(journal.peek(1)[0][1])
    journal.close()
    path = folder / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([lines[0], damage, *lines[1:]])
    path.write_bytes(damaged)
    again = Journal(folder)
    assert [record["step"] for record, _ in again.peek(10)] == [2, 3], "what was sent is not sent again"
    said = capsys.readouterr().err
    assert said.startswith("the journal of run 0123 is damaged in 1 of its 4 lines")
    assert said.count("\n") == 1
    assert (folder / "journal.damaged-0.jsonl").read_bytes() == damaged
    again.append([metric("a", 4)])
    again.close()
    assert [record["step"] for record in Journal(folder).records()] == [1, 2, 3, 4]
    assert not capsys.readouterr().err, "it is whole now"


def test_zeros_that_a_loss_of_power_leaves(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([metric("a", 1), metric("a", 2)])
    journal.close()
    path = tmp_path / "journal.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + bytes(50) + second + bytes(20))
    assert [record["step"] for record, _ in Journal(tmp_path).peek(10)] == [1, 2]


@pytest.mark.parametrize("mark", ["10000", "-5", "nonsense", "70", ""])
def test_a_mark_that_does_not_fit_loses_nothing_that_comes_after(tmp_path: Path, mark: str) -> None:
    journal = Journal(tmp_path)
    journal.append([metric("a", 1), metric("a", 2)])
    journal.close()
    (tmp_path / "journal.sent").write_text(mark)
    again = Journal(tmp_path)
    again.append([metric("a", 3)])
    again.close()
    assert Journal(tmp_path).peek(10)[-1][0]["step"] == 3
