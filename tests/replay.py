"""Drivers against a surface that is known: what they propose is answered from a table instead of being trained."""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.interpolate import RegularGridInterpolator

from hit.config import TrainConfig
from hit.config.rates.beta_grid import BetaGrid
from hit.schema import SCHEMA_VERSION
from hit.store.records import BASE_COLUMNS
from sweeps.drivers.driver import Driver, Proposal

DIGEST = "0123456789abcdef"
BASE = TrainConfig(channels=4, z_dims=(5,))
ACCURACY = "test/accuracy_svm_rbf_z2_sampled"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Surface:
    """What models of every cell of a grid in (β_1, β_2) were measured to give.

    Attributes:
        axes: values of β_1 and of β_2.
        metrics: name in the store → values, a row a value of β_1 and a column a value of β_2.
    """

    axes: tuple[Floats, Floats]
    metrics: dict[str, Floats]

    @classmethod
    def load(cls, path: Path) -> "Surface":
        """From a table with columns beta_1, beta_2, rate_1, rate_2, psnr, accuracy; one row a cell."""
        with path.open(newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        axes = tuple(np.array(sorted({row[name] for row in rows})) for name in ("beta_1", "beta_2"))
        assert len(rows) == len(axes[0]) * len(axes[1])
        rows.sort(key=lambda row: (row["beta_1"], row["beta_2"]))
        names = {"rate_1": "test/rate_1", "rate_2": "test/rate_2", "psnr": "test/psnr", "accuracy": ACCURACY}
        shape = (len(axes[0]), len(axes[1]))
        metrics = {own: np.array([row[name] for row in rows]).reshape(shape) for name, own in names.items()}
        metrics["test/rate"] = metrics["test/rate_1"] + metrics["test/rate_2"]
        return cls((axes[0], axes[1]), metrics)

    @classmethod
    def analytic(cls, count: int = 21, noise: float = 0.02) -> "Surface":
        """A surface of the usual form: rates fall with their β, a costly layer hands information to the other one,
        and one that costs too much collapses.

        Args:
            count: cells along each axis, log-spaced from 0.1 to 10.
            noise: of the rates, relative; the same at every call.
        """
        axis = np.array([float(f"{0.1 * 100 ** (index / (count - 1)):.6g}") for index in range(count)])
        beta_1, beta_2 = np.meshgrid(axis, axis, indexing="ij")
        shared = 1 / (1 + (beta_2 / beta_1) ** 2)
        rate_1 = 70 / (1 + 2 * beta_1) * (1 - 0.4 * shared)
        rate_2 = np.maximum(30 / (1 + beta_2) * (0.3 + 0.7 * shared) - 0.8 * beta_2, 0.02)
        chance = np.random.default_rng(0)
        rate_1, rate_2 = (rate * np.exp(noise * chance.standard_normal(rate.shape)) for rate in (rate_1, rate_2))
        metrics = {
            "test/rate_1": rate_1,
            "test/rate_2": rate_2,
            "test/rate": rate_1 + rate_2,
            "test/psnr": 8 + 3 * np.log(1 + rate_1 + 0.7 * rate_2) + 0.05 * chance.standard_normal(rate_1.shape),
            ACCURACY: 0.1 + 0.85 * (1 - np.exp(-rate_2 / 4)) + 0.005 * chance.standard_normal(rate_1.shape),
        }
        return cls((axis, axis), metrics)

    @property
    def grid(self) -> BetaGrid:
        """The cells."""
        return BetaGrid(tuple(tuple(axis.tolist()) for axis in self.axes))

    @property
    def rates(self) -> Floats:
        """(R_1, R_2) of every cell, C×2."""
        return np.column_stack([self.metrics[f"test/rate_{layer}"].ravel() for layer in (1, 2)])

    def at(self, betas: Sequence[float]) -> dict[str, float]:
        """Metrics of a model of fixed β, interpolated in log β."""
        point = [np.clip(np.log(beta), *np.log(axis[[0, -1]])) for beta, axis in zip(betas, self.axes, strict=True)]
        grid = tuple(map(np.log, self.axes))
        return {name: float(RegularGridInterpolator(grid, values)([point])[0]) for name, values in self.metrics.items()}

    def nearest(self, betas: Sequence[float]) -> dict[str, float]:
        """Metrics of the cell nearest to a fixed β: those of a model that was trained, with the luck that it had."""
        cell = tuple(np.abs(np.log(axis / beta)).argmin() for beta, axis in zip(betas, self.axes, strict=True))
        return {name: float(values[cell]) for name, values in self.metrics.items()}

    def steered(self, targets: Floats) -> tuple[dict[str, float], tuple[float, ...], str]:
        """Metrics and β of a model with a target for both rates, and why the targets are infeasible, if they are."""
        axis = [np.geomspace(own[0], own[-1], 201) for own in self.axes]
        points = np.stack(np.meshgrid(*map(np.log, axis), indexing="ij"), -1)
        grid = tuple(map(np.log, self.axes))
        rates = np.stack(
            [RegularGridInterpolator(grid, self.metrics[f"test/rate_{layer}"])(points) for layer in (1, 2)], -1
        )
        error = np.abs(rates / targets - 1).max(-1)
        place = np.unravel_index(error.argmin(), error.shape)
        betas = tuple(np.exp(points[place]).tolist())
        missed = f"rates are {error[place]:.0%} off" if error[place] > 0.05 else ""
        return self.at(betas), betas, missed


class Laboratory:
    """A history that grows as proposals are answered.

    Args:
        surface: what answers.
        digest: of the data.
    """

    def __init__(self, surface: Surface, digest: str = DIGEST) -> None:
        self.surface = surface
        self.digest = digest
        self.rows: list[dict[str, Any]] = []

    @property
    def history(self) -> pd.DataFrame:
        """One row a run, with the columns that the store gives."""
        frame = pd.DataFrame(self.rows, columns=None if self.rows else [*BASE_COLUMNS, *BASE.to_flat()])
        for name in BASE_COLUMNS:
            if name not in frame:
                frame[name] = None
        for name in ("start_time", "end_time"):
            frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
        return frame

    def begin(self, proposal: Proposal, status: str = "RUNNING", reason: str | None = None) -> dict[str, Any]:
        """A run that has just begun, or ended badly."""
        number = len(self.rows)
        row = proposal.config.to_flat() | {
            "run_id": f"{number:032d}",
            "kind": "train",
            "schema": SCHEMA_VERSION,
            "config_hash": proposal.identity,
            "group": proposal.config.group(self.digest),
            "data_digest": self.digest,
            "status": status,
            "status_reason": reason,
            "start_time": float(number),
            "end_time": math.nan if status == "RUNNING" else number + 0.5,
        }
        self.rows.append(row)
        return row

    def finish(self, row: dict[str, Any], config: TrainConfig) -> None:
        """A run ends with the surface's answer."""
        named = config.targets.to_flat()
        if named:
            targets = np.array([named["target_rate_1"], named["target_rate_2"]])
            metrics, betas, missed = self.surface.steered(targets)
            row |= {f"beta_{layer}": beta for layer, beta in enumerate(betas, start=1)}
            row["infeasible"] = missed or None
        else:
            metrics = self.surface.nearest(config.betas)
        row |= metrics | {"status": "FINISHED", "end_time": len(self.rows) + 0.5}

    def run(
        self, driver: Driver, budget: int, *, at_once: int = 1, until: Callable[[pd.DataFrame], bool] | None = None
    ) -> int:
        """Propose and answer until the budget is spent, nothing is left, or `until` says so; how many runs it took."""
        for spent in range(0, budget, at_once):
            history = self.history
            if until is not None and until(history):
                return spent
            proposals = driver.propose(history, at_once)
            for proposal in proposals:
                self.finish(self.begin(proposal), proposal.config)
            if len(proposals) < at_once:
                return spent + len(proposals)
        return budget
