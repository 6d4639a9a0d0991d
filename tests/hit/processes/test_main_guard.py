"""Scripts that start processes without a main guard are told so before anything is started."""

import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from hit.data.folders import reader
from hit.errors import UserError
from hit.processes.main_guard import check_main_guard
from hit.processes.pool import WorkerPool
from tests.pictures import large_pictures

Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a source as if it were the script that was started."""

    def execute(source: str, *, exists: bool = True) -> None:
        path = tmp_path / "script.py"
        if exists:
            path.write_text(source)
        main = ModuleType("__main__")
        main.__file__ = str(path)
        main.__spec__ = None
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "__main__", main)
            exec(compile(source, str(path), "exec"), vars(main))

    return execute


STREAM = "from hit.data import load\nhead = load({folder!r}, crop=32, workers=1).train.head\n{statement}\n"
POOL = "from hit.processes.pool import WorkerPool\n{statement}\n"


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", fail)


@pytest.mark.usefixtures("nothing_starts")
class TestUnguarded:
    RULE = r"stand below `if __name__ == \"__main__\":`, got line 3 of .*script\.py"

    def test_streaming(self, run: Run, tmp_path: Path) -> None:
        folder = str(large_pictures(tmp_path / "large", 3, 3))
        with pytest.raises(UserError, match=f"^streaming images starts processes .* {self.RULE}"):
            run(STREAM.format(folder=folder, statement="head(1)"))

    def test_a_pool(self, run: Run) -> None:
        with pytest.raises(UserError, match=f"^a pool of workers starts processes .* {self.RULE}"):
            run(POOL.format(statement="\nWorkerPool(1)"))

    def test_in_a_function_of_the_script(self, run: Run) -> None:
        source = "from hit.processes.main_guard import check_main_guard as check\ndef work(): check('this')\nwork()"
        with pytest.raises(UserError, match=self.RULE):
            run(source)

    def test_a_script_that_is_no_file(self, run: Run) -> None:
        with pytest.raises(UserError, match=r"must therefore be a file, got .*script\.py"):
            run(POOL.format(statement="WorkerPool(1)"), exists=False)

    def test_a_process_that_runs_the_script_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
        with pytest.raises(UserError, match="a script that runs again while it is imported"):
            WorkerPool(1)


@pytest.mark.parametrize(
    "source",
    [
        "if __name__ == '__main__':\n    check('this')",
        "def main():\n    check('this')\n\nif '__main__' == __name__:\n    main()",
        "if __name__ != '__main__':\n    raise SystemExit\ncheck('this')",
        "try:\n    if __name__ == '__main__': check('this')\nfinally:\n    pass",
    ],
)
def test_guarded_scripts_are_left_alone(run: Run, source: str) -> None:
    run(f"from hit.processes.main_guard import check_main_guard as check\n{source}")


def test_who_is_no_script_is_left_alone() -> None:
    check_main_guard("this")  # pytest's own module, in whatever way it was started


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-9, "was killed, perhaps for want of memory"),
        (-11, "was killed by signal 11"),
        (1, "ended with exit code 1 .* stand below `if __name__"),
        (None, "could not be had"),
    ],
)
def test_what_a_reader_died_of_is_told(code: int | None, said: str) -> None:
    workers = [SimpleNamespace(exitcode=None), SimpleNamespace(exitcode=code)]
    loaders = [SimpleNamespace(_iterator=SimpleNamespace(_workers=workers))]
    with (
        pytest.raises(UserError, match=f"a process that reads images {said}.*: lost, in two lines"),
        reader._lost_workers_told(loaders),  # type: ignore[arg-type]
    ):
        raise RuntimeError("lost,\n  in two lines")
    assert not loaders, "new ones start with the next pass"
