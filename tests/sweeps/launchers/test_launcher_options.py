"""What launchers take: names, options that go together, and what is told where they do not."""

import sys
from pathlib import Path

import pytest

from hit.config import TrainConfig
from hit.config.options import build
from hit.errors import ConfigError, Unavailable
from hit.schema.experiments import Experiment
from sweeps.launchers import InlineLauncher, Launcher, ProjectLauncher, Training, build_launcher, check_launcher
from sweeps.spec.launch_options import RunningOptions
from tests.sweeps.launchers.test_launchers import needs_ray


class TestOptions:
    def test_an_unknown_launcher_names_the_nearest(self) -> None:
        with pytest.raises(ConfigError, match=r"launcher must be one of .* got 'pol'; did you mean 'pool'"):
            build(RunningOptions, {"launcher": "pol"})

    def test_a_ray_address_is_for_ray(self) -> None:
        with pytest.raises(ConfigError, match="ray_address must be empty unless launcher=ray"):
            check_launcher(RunningOptions(ray_address="127.0.0.1:6379"))

    @pytest.mark.parametrize(("name", "kind"), [("inline", InlineLauncher), ("project", ProjectLauncher)])
    def test_names(self, name: str, kind: type[Launcher], tmp_path: Path) -> None:
        assert isinstance(build_launcher(build(RunningOptions, {"launcher": name}), 1, tmp_path), kind)

    def test_without_ray_one_line_says_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(Unavailable, match=r"launcher=ray needs the package ray.*pip install -e '\.\[ray\]'"):
            check_launcher(RunningOptions(launcher="ray"))

    @needs_ray
    @pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no-such-host.invalid:6379"])
    def test_a_cluster_that_does_not_answer_is_one_line(self, address: str) -> None:
        with pytest.raises(Unavailable, match="ray_address must be that of a Ray cluster that answers, got"):
            check_launcher(RunningOptions(launcher="ray", ray_address=address))

    @needs_ray
    @pytest.mark.parametrize("address", ["127.0.0.1", "http://127.0.0.1:80", "host:port", ":99999"])
    def test_what_is_no_address(self, address: str) -> None:
        with pytest.raises(ConfigError, match="ray_address must be host:port or ray://host:port"):
            check_launcher(RunningOptions(launcher="ray", ray_address=address))


def test_a_project_is_told_its_experiment_by_its_id(tmp_path: Path) -> None:
    training = Training("0", TrainConfig(), "1", Experiment("hit", "7"), "2", "sqlite:///store.db")
    words = ProjectLauncher(1, "local", tmp_path)._command(training)
    assert words[words.index("--experiment-id") + 1] == "7"
    assert not [word for word in words if word.startswith(("experiment=", "--experiment-name"))]
