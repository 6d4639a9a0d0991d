"""The pages hold together: links lead somewhere, commands are understood, Python runs or says what it needs.

Shell blocks without a comment that says what they need are run by tests/analysis/test_documented_commands.py.
"""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hit.schema import Tag
from tests.commands import ROOT, Commands
from tests.documented_commands import check, is_command
from tests.markdown import PAGES, anchors, blocks, links, spans

README = ROOT / "README.md"
#: Pages whose blocks of Python tests/analysis/test_documented_python.py runs on a store.
RUN_ON_A_STORE = ("docs/how-to/query.md", "docs/how-to/serve.md")
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")  # of mlflow's command line

#: Languages of blocks that are neither run nor checked.
_SHOWN = ("bibtex", "mermaid", "text", "toml", "")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
class TestPage:
    def test_every_link_leads_somewhere(self, page: Path) -> None:
        for target in links(page):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), target
            assert found.is_relative_to(ROOT), target
            if anchor:
                assert anchor in anchors(found), f"{target}; it has {sorted(anchors(found))}"

    def test_every_command_is_understood(self, page: Path) -> None:
        lines = [line for block in blocks(page) if block.language == "sh" for line in block.commands()]
        for line in [*lines, *filter(is_command, spans(page))]:
            try:
                check(line)
            except Exception as error:
                raise AssertionError(f"{line!r}: {error}") from error

    def test_every_block_of_python_is_run_or_says_what_it_needs(self, page: Path) -> None:
        for block in blocks(page):
            assert block.language in ("python", "sh", "console", *_SHOWN), block.language
            if block.language == "python" and not block.needs and _name(page) not in RUN_ON_A_STORE:
                compile(block.text, _name(page), "exec")

    def test_it_does_not_stand_alone(self, page: Path) -> None:
        """A page that no other leads to is not found."""
        reached = {(other.parent / target.partition("#")[0]).resolve() for other in PAGES for target in links(other)}
        assert page in reached or page == README


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 160


def test_ten_lines_of_python_train_measure_and_draw_without_what_is_slow_to_import(tmp_path: Path) -> None:
    (block,) = [block for block in blocks(README) if block.language == "python"]
    assert len([line for line in block.text.splitlines() if line]) == 10
    # What takes a second and more to import, and is not used here.
    slow = {"mlflow", "sqlalchemy", "sklearn", "torchvision", "torch._dynamo"}
    script = f"{block.text}\nimport sys\nprint(sorted(sys.modules.keys() & {slow}))\n"
    environment = Commands(tmp_path).environment
    (tmp_path / "store.db").unlink()
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    *measured, last = said
    assert last == "[]"
    values = {name: float(value) for name, value in (line.split(": ") for line in measured)}
    assert set(values) == {"test/rate_1", "test/rate_2", "test/distortion", "test/psnr"}
    assert 2 < values["test/rate_2"] < 20
    assert 20 < values["test/rate_1"] < 45
    assert [path.name for path in tmp_path.iterdir()] == ["reconstructions.png"]
    assert (tmp_path / "reconstructions.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != README and _name(page) not in RUN_ON_A_STORE], ids=_name
)
def test_other_blocks_of_python_run(page: Path) -> None:
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.language == "python" and not block.needs:
            exec(compile(block.text, _name(page), "exec"), names)


def test_what_a_console_shows_is_what_is_said(tmp_path: Path) -> None:
    shown = [block for page in PAGES for block in blocks(page) if block.language == "console"]
    assert shown
    for block in shown:
        command, *lines = block.text.splitlines()
        words = command.removeprefix("$ python -m ").split()
        ended = Commands(tmp_path).run(*words)
        assert ended.returncode == 2
        assert (ended.stdout + ended.stderr).splitlines() == lines


def test_what_a_page_shows_of_an_example_stands_in_it() -> None:
    shown = set()
    for block in (block for page in PAGES for block in blocks(page)):
        for example in re.findall(r"nothing more, it is (?:part of )?(examples/\w+\.py)", block.needs):
            shown.add(example)
            assert block.text in (ROOT / example).read_text(encoding="utf-8"), (
                f"{_name(block.page)} shows another {example}"
            )
    assert shown == {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")}


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=_name)
def test_every_file_and_module_that_a_page_names_exists(page: Path) -> None:
    missing = []
    for span in spans(page):
        if re.fullmatch(r"(hit|sweeps|analysis|tests|docs)/[\w./-]*(\.\w+|/)", span):
            missing += [span] * (not (ROOT / span).exists())
        elif re.fullmatch(r"(hit|sweeps|analysis|tests)(\.[a-z_]+)+", span) and not span.startswith((*Tag,)):
            missing += [span] * (not _is_there(span))
    assert not missing, ", ".join(missing)


def test_the_design_says_why_every_dependency() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    for requirement in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        name = re.split(r"[^\w-]", requirement)[0]
        assert re.search(rf"\| (.*, )?{name}(, .*)? \|", page), f"say in docs/design.md what {name} is for"


def _is_there(name: str) -> bool:
    """Whether a dotted name is a module, or a name in one."""
    module, _, attribute = name.rpartition(".")
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return False
