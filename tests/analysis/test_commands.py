"""`python -m analysis` as a user runs it: what is wrong is said before anything is made."""

from pathlib import Path

import pytest

from tests.commands import SMALL, Commands


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


def test_a_report_is_a_run_and_a_mistake_is_none(commands: Commands) -> None:
    trained = commands.run("hit.train", *SMALL, "--epochs", "1")
    assert trained.returncode == 0, trained.stderr
    before = commands.statuses()
    mistakes = {
        ("--experiment", "hti"): "there is no experiment 'hti'; did you mean 'hit'",
        ("--where", "metrics.seed = 9"): "no run of experiment 'hit' has where='metrics.seed = 9'",
        ("--where", "nonsense"): "the store cannot answer 'nonsense'",
        ("--sweep", "0" * 32): f"sweep='{'0' * 32}'",
        ("--application", "representatoin"): "did you mean 'representation'",
        ("--application", "generation"): "no finished run has sample/inception_score (inception score): measure it by",
        ("--application", "test/psnr:1,test/distortion:1"): "test/distortion a weight below 0, since less is better",
        ("--application", "density where test/rate<=0"): "no finished run keeps test/rate<=0",
        ("--constraints", "test/psnr>18dB"): "constraints must be metric>=number or metric<=number",
        ("--output", "nowhere/report.html"): "output must lie in an existing folder",
        ("--output", "report.pdf"): "output must end in .html, got 'report.pdf'",
    }
    said = commands.mistakes("analysis.__main__", list(mistakes))
    for expected, (line, code) in zip(mistakes.values(), said, strict=True):
        assert code == 2
        assert expected in line
    assert commands.statuses() == before, "no run was left behind"
    assert {found.name for found in commands.client.search_experiments()} == {"Default", "hit"}

    report = commands.run("analysis", "--output", "page.html", PYTHONIOENCODING="ascii")  # β is not ASCII
    assert report.returncode == 0, report.stderr
    assert "digits · GHVAE · bernoulli · " not in report.stdout
    assert "reconstruction: target R_1" in report.stdout
    assert "generation: no finished run has sample/inception_score" in report.stdout
    assert "<!doctype html>" in (commands.folder / "page.html").read_text()[:40].lower()
    findings = commands.run("analysis", "--findings", "true")
    assert findings.returncode == 0, findings.stderr
    assert findings.stdout.count("cannot be told: ") == 7
    (made,) = commands.statuses().keys() - before.keys()
    assert [found.path for found in commands.client.list_artifacts(made, "report")] == ["report/page.html"]
