"""What a command sets in its process, and that importing the packages sets nothing."""

import gc
import logging
import os
import subprocess
import sys

import pytest
from tqdm import tqdm

from hit.processes.setup import ENVIRONMENT, lines_are_shown, process_settings, show_lines, worker_variables
from tests.commands import PATIENCE_SECONDS, ROOT
from tests.stores import clean_environment

_IMPORT_ALL = """
import ast, gc, importlib, logging, multiprocessing, os, pkgutil, random, signal, sys, threading, warnings
from pathlib import Path

def needed():
    for package in ("hit", "sweeps", "analysis"):
        for path in Path(package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    yield node.module
                    yield from (f"{node.module}.{alias.name}" for alias in node.names)

OURS = ("hit", "sweeps", "analysis")
for name in sorted(set(needed())):
    if name.partition(".")[0] not in OURS:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # a name in a module, or ray

import mlflow, numpy, optuna, torch

def settings():
    loggers = {name: logger for name, logger in logging.root.manager.loggerDict.items()
               if isinstance(logger, logging.Logger)}
    said = {f"logger {name}": (logger.level, *map(str, logger.handlers + logger.filters), logger.propagate)
            for name, logger in {"": logging.root, **loggers}.items()}
    return said | {
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "excepthook": (sys.excepthook, threading.excepthook, warnings.showwarning),
        "streams": [(stream, stream.errors, stream.encoding) for stream in (sys.stdout, sys.stderr)],
        "mlflow": (mlflow.get_tracking_uri(), mlflow.get_registry_uri()),
        "optuna": optuna.logging.get_verbosity(),
        "torch": (torch.get_num_threads(), torch.get_default_dtype(), torch.initial_seed(),
                  torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()),
        "random": (random.getstate(), str(numpy.random.get_state())),
        "numpy": (numpy.geterr(), str(numpy.get_printoptions())),
        "processes": (multiprocessing.get_start_method(allow_none=True), threading.active_count()),
        "garbage": (gc.isenabled(), gc.get_threshold()),
        "place": (os.getcwd(), sys.argv, sys.path[:]),
    }

before = settings()
for package in OURS:
    top = importlib.import_module(package)
    for found in pkgutil.walk_packages(top.__path__, f"{package}."):
        importlib.import_module(found.name)
after = settings()
for name, value in after.items():
    new = (logging.NOTSET, True) if name.startswith("logger ") else None
    if value != before.get(name, new):
        print(name, before.get(name), value, sep="\\n  ")
print("compared", len(after) > 20, "hit.connection" in sys.modules, "sweeps.__main__" in sys.modules)
"""


def test_importing_the_packages_changes_no_setting_of_the_process() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL],
        cwd=ROOT,
        env=clean_environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert result.stdout == "compared True True True\n", result.stdout + result.stderr


def test_a_command_has_its_settings_and_leaves_those_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    young, *_ = thresholds = gc.get_threshold()
    with process_settings():
        assert lines_are_shown()
        assert gc.get_threshold()[0] > young
        assert {name: os.environ[name] for name in ENVIRONMENT} == {
            **ENVIRONMENT,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5",
        }
    assert not lines_are_shown()
    assert gc.get_threshold() == thresholds


class TestLines:
    def test_they_are_plain_and_hold_no_credentials(self, capsys: pytest.CaptureFixture[str]) -> None:
        log = logging.getLogger("hit.store")
        with show_lines():
            log.debug("unheard")
            log.info("of %d runs %s", 2, "one")
            logging.getLogger("sweeps.scheduler.loop").warning("no answer from http://me:hunter2@host:5000")
            logging.getLogger("analysis").info("100 %")
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", "of 2 runs one\nno answer from http://host:5000\n100 %\n")

    def test_they_leave_bars_whole(self, capsys: pytest.CaptureFixture[str]) -> None:
        with show_lines(), tqdm(total=2, desc="training", file=sys.stderr) as bar:
            logging.getLogger("hit").warning("a line")
            bar.update()
        said = capsys.readouterr().err.replace("\r", "\n").splitlines()
        assert "a line" in said
        assert [line for line in said if line.startswith("training")]

    def test_nobody_who_does_not_ask_for_them_gets_any(self, capsys: pytest.CaptureFixture[str]) -> None:
        logging.getLogger("hit.sweep").info("of 2 runs one")
        assert capsys.readouterr().err == ""

    def test_what_mlflow_says_of_its_database_is_left_to_us(self, caplog: pytest.LogCaptureFixture) -> None:
        database, tables = (
            logging.getLogger(f"{name}") for name in ("mlflow.store.db.utils", "alembic.runtime.migration")
        )
        with show_lines(), caplog.at_level(logging.INFO):
            database.error("database is locked")
            tables.info("Running upgrade")
            assert caplog.messages == []
            tables.warning("heard")
        database.error("heard")
        assert caplog.messages == ["heard", "heard"]


_POOL = """
import contextlib, os, sys
from hit.processes.attempts import Job
from hit.processes.pool import WorkerPool
from hit.processes.setup import show_lines
from tests.hit.processes.test_setup import work

if __name__ == "__main__":
    with show_lines() if sys.argv[1] == "True" else contextlib.nullcontext(), WorkerPool(1, 1) as pool:
        pool.submit(Job("one", work, {}))
        while not (said := list(pool.outcomes(1.0))):
            pass
        print(said[0].text, "GOMP_SPINCOUNT" in os.environ)
"""


def work(*, stop: object, tell: object) -> str:
    logging.getLogger("hit").info("a line of a worker's")
    return f"{os.environ['GOMP_SPINCOUNT']} {os.environ['HIT_THREADS']} {lines_are_shown()}"


class TestWorkers:
    @pytest.fixture(autouse=True)
    def _unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)

    @pytest.mark.parametrize("command", [True, False])
    def test_they_are_settled_as_the_command_is(self, command: bool) -> None:
        # A process of its own: workers write to the stderr of what they are forked from, which an earlier test may
        # have started; and the process that starts them, which may be a notebook's, keeps its variables.
        ended = subprocess.run(
            [sys.executable, "-c", _POOL, str(command)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert ended.stdout == f"30000 1 {command} False\n"
        assert ended.stderr == ("a line of a worker's\n" if command else "")

    def test_a_setting_of_the_users_is_theirs_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GOMP_SPINCOUNT", "7")
        assert worker_variables(2)["GOMP_SPINCOUNT"] == "7"
        assert worker_variables(2)["OMP_NUM_THREADS"] == "2"
