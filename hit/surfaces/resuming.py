"""Going on with an interrupted surface: its plan, and what may stand beside `--resume`."""

__all__ = ["assert_same_as_finished", "resume_plan"]

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hit.config import TrainConfig, machine_fields
from hit.config.machine_options import WorkerOptions
from hit.config.options import defaults
from hit.delivery.local_state import run_folder, state_folder
from hit.runs.resuming import differing, nothing_to_resume, refuse, says
from hit.store import Store
from hit.surfaces.plan import SurfacePlan
from hit.surfaces.stored import PLAN_FILE

#: Options of the command that say where and how it works, beside those of the config.
_MACHINE = frozenset({*defaults(WorkerOptions), "resume"})


def resume_plan(run_id: str, state_dir: str = "", given: Mapping[str, Any] | None = None) -> SurfacePlan:
    """The plan of an interrupted surface, from its folder under `state_dir`, on the machine that was asked for.

    Args:
        run_id: the surface.
        state_dir: where its folder lies.
        given: options that stand beside `--resume`.

    Raises:
        CheckpointError: the run left nothing there.
        ConfigError: an option that decides the result differs from the surface's.
    """
    path = run_folder(state_folder(TrainConfig(state_dir=state_dir)), run_id) / PLAN_FILE
    try:
        plan = SurfacePlan.from_json(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        raise nothing_to_resume(run_id, path) from None
    plan = replace(plan, config=replace(plan.config, state_dir=state_dir))
    asked = {name: value for name, value in (given or {}).items() if name not in _MACHINE}
    flat = plan.config.to_flat()
    config = TrainConfig.from_flat({**flat, **{name: value for name, value in asked.items() if name in flat}})
    others = {name: value for name, value in asked.items() if name not in flat}
    faults = differing(config.to_flat(), flat, [name for name in asked if name in flat])
    refuse(run_id, faults | _otherwise(plan.params() | {"surface": ""}, others))
    return replace(plan, config=config)


def assert_same_as_finished(run_id: str, given: Mapping[str, Any]) -> None:
    """Return if what stands beside `--resume` of a finished surface asks for nothing else.

    Raises:
        ConfigError: an option that decides the result differs from the surface's.
        StoreError: the store does not answer.
    """
    asked = {name: value for name, value in given.items() if name not in _MACHINE | machine_fields()}
    refuse(run_id, _otherwise({"surface": "", **Store().run(run_id).data.params}, asked))


def _otherwise(own: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (own.get(name, ""), value) for name, value in asked.items() if not says(value, own.get(name, ""))}
