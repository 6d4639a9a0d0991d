"""One step of many models on tensors that stay where they are, so that it can be captured once and replayed."""

__all__ = ["StaticStep"]

import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.data import Split
from hit.distributions import DiagonalGaussian
from hit.errors import CheckpointError
from hit.models import HierarchicalVAE
from hit.randomness import generator
from hit.training.learning_rate import momentum, step_size
from hit.training.lockstep.adam import StackedAdam
from hit.training.lockstep.captured import CapturedStep, ReplayedStep
from hit.training.lockstep.clipping import StackedClip
from hit.training.lockstep.layers import Batches, StackedLayers
from hit.training.lockstep.stacked_betas import StackedBeta
from hit.training.loop import shuffled
from hit.training.objective import gumbel_temperature


class StaticStep:
    """Gather, forward, objective, backward, clipping, Adam and controller of M models, an epoch at a time.

    What changes from step to step is read on the device by a counter that the step itself moves on: places of images,
    step sizes, the controllers' strengths. Noise is drawn before each step into tensors that stay. Sums stay on the
    device. So a step reads nothing back and takes nothing from the host.

    Args:
        layers: the models.
        policy: which β weigh their rates.
        configs: of each.
        train: images in memory.
        captured: whether steps are captured as CUDA graphs.

    Attributes:
        images: that each model is trained on, the same number for all.
        steps: of an epoch.
    """

    def __init__(
        self,
        layers: StackedLayers,
        policy: StackedBeta,
        configs: Sequence[TrainConfig],
        train: Split,
        *,
        captured: bool,
    ) -> None:
        device, count = train.device, len(configs)
        self._layers, self._policy, self._configs, self._train = layers, policy, tuple(configs), train
        self._models: tuple[HierarchicalVAE, ...] = layers.models  # type: ignore[assignment]
        own = [one.trained for one in policy.policies]
        self._trained = [torch.arange(len(train)) if one is None else one for one in own]
        self.images = len(self._trained[0])
        self._batch_size = min(configs[0].batch_size, self.images)
        self.steps = math.ceil(self.images / self._batch_size)

        self._adam = StackedAdam(layers.weights)
        self._clip = StackedClip(layers.weights) if policy.policies[0].clips_gradients else None
        self._still = torch.zeros(count, dtype=torch.bool, device=device)
        self._order = torch.zeros(count, self.images, dtype=torch.int64, device=device)
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self._places = torch.arange(self._batch_size, device=device)
        table = self._table(range(self.steps))
        self._numbers = torch.zeros_like(table, device=device)
        self._sums = torch.zeros(count, 2 + configs[0].layers, dtype=torch.float64, device=device)
        self._noise = [
            torch.zeros(count, *one.shape, dtype=one.dtype, device=device)
            for one in self._models[0].noise(self._batch_size, generator("noise", 0, 0, device))
        ]
        relaxed = gumbel_temperature(configs[0], 0) is not None
        self._temperature = torch.ones((), device=device) if relaxed else None
        self._replayed = (CapturedStep if captured else ReplayedStep)(self._changed())

    def run_epoch(
        self,
        epoch: int,
        frozen: Sequence[bool],
        check: Callable[[], None] = lambda: None,
        after_step: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Take all steps of an epoch; sums over its images, M × (2 + L), float64: loss, D, R_1 … R_L.

        Args:
            epoch: counted from 0.
            frozen: models that need no noise.
            check: called before every step; raises to stop.
            after_step: called after every step, which may still be under way on the device.
        """
        self._begin_epoch(epoch)
        sources = [
            None if out else generator("noise", config.seed, epoch, self._train.device)
            for config, out in zip(self._configs, frozen, strict=True)
        ]
        for step in range(self.steps):
            check()
            size = self._size(step)
            self._draw(sources, size)
            self._replayed.take(self._take, size)
            after_step()
        return self._sums

    def seconds(self, steps: int) -> float:
        """What a step takes on whole batches, measured by so many first ones; the state is of no use then.

        Args:
            steps: after one that is not counted.
        """
        device = self._train.device
        self._begin_epoch(0)
        sources = [generator("noise", config.seed, 0, device) for config in self._configs]
        started = 0.0
        for step in range(steps + 1):
            self._cursor.zero_()
            self._draw(sources, self._batch_size)
            self._replayed.take(self._take, self._batch_size)
            if step == 0:
                _wait(device)
                started = time.perf_counter()
        _wait(device)
        return (time.perf_counter() - started) / steps

    def hold(self, index: int) -> None:
        """Leave a model's weights as they are."""
        self._still[index] = True

    def state(self, index: int) -> dict[str, Tensor]:
        """A model's tensors by their names in a checkpoint, on the CPU."""
        layout, adam, model = self._layers.layout, self._adam, self._models[index]
        rows = [rows[index].detach().to("cpu", copy=True) for rows in (self._layers.weights, adam.first, adam.second)]
        weights, first, second = (layout.views(row) for row in rows)
        state = {f"model.{name}": weights.get(name, value) for name, value in model.state_dict().items()}
        steps = adam.steps[index].float()
        if steps > 0:
            for place, (name, parameter) in enumerate(model.named_parameters()):
                if parameter.requires_grad:
                    moments = {"step": steps, "exp_avg": first[name], "exp_avg_sq": second[name]}
                    state |= {f"optimiser.{place}.{key}": value for key, value in moments.items()}
        state |= {f"extra.{name}": value for name, value in self._policy.policies[index].tensors().items()}
        if self._clip is not None:
            state["extra.clip.usual"] = self._clip.usual[index]
        return {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in state.items()
        }

    @torch.no_grad()
    def load_state(self, index: int, state: Mapping[str, Tensor]) -> None:
        """Take a model's tensors from a checkpoint.

        Raises:
            CheckpointError: they are another model's.
        """
        weights = {name.removeprefix("model."): one for name, one in state.items() if name.startswith("model.")}
        try:
            self._models[index].load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise CheckpointError(f"checkpoint must be of this model, got another: {reason}") from None
        names = list(self._layers.layout.shapes)
        for key, rows in (("exp_avg", self._adam.first), ("exp_avg_sq", self._adam.second)):
            views = self._layers.layout.views(rows[index])
            for place, name in enumerate(names):
                views[name].copy_(state.get(f"optimiser.{place}.{key}", torch.zeros(())))
        steps = [one for name, one in state.items() if name.startswith("optimiser.") and name.endswith(".step")]
        self._adam.steps[index] = float(steps[0]) if steps else 0.0
        extra = {name.removeprefix("extra."): one for name, one in state.items() if name.startswith("extra.")}
        if extra:
            self._policy.take_over(index, extra)
        if self._clip is not None and "clip.usual" in extra:
            self._clip.usual[index] = extra["clip.usual"]
            self._clip.begun[index] = True

    def _size(self, step: int) -> int:
        """Of the batches of a step of an epoch."""
        return min(self._batch_size, self.images - step * self._batch_size)

    def _changed(self) -> list[Tensor]:
        """All tensors that a step changes."""
        of_clip = [] if self._clip is None else [self._clip.usual, self._clip.begun]
        buffers = [buffer for model in self._models for buffer in model.buffers()]
        return [*self._adam.state, *of_clip, *self._policy.state, self._sums, self._cursor, *buffers]

    def _begin_epoch(self, epoch: int) -> None:
        orders = [
            shuffled(trained, config.seed, epoch) for trained, config in zip(self._trained, self._configs, strict=True)
        ]
        self._order.copy_(torch.stack(orders))
        self._numbers.copy_(self._table(range(epoch * self.steps, (epoch + 1) * self.steps)))
        self._cursor.zero_()
        self._sums.zero_()
        self._policy.begin_epoch(epoch, [self._size(step) for step in range(self.steps)])
        if self._temperature is not None:
            self._temperature.fill_(gumbel_temperature(self._configs[0], epoch) or 1.0)

    def _table(self, steps: range) -> Tensor:
        """What steps depend on by their number: step size, momentum, and what the policy has; steps × M × (2 + …)."""
        whole = self._configs[0].epochs * self.steps
        of_adam = [
            [
                (step_size(config.schedule, config.learning_rate, step, whole), momentum(config.schedule, step, whole))
                for config in self._configs
            ]
            for step in steps
        ]
        return torch.cat([torch.tensor(of_adam, dtype=torch.float64), self._policy.step_numbers(steps, whole)], 2)

    def _draw(self, sources: Sequence[torch.Generator | None], size: int) -> None:
        """Noise of the next batches, of every model as it draws it alone."""
        for index, (model, source) in enumerate(zip(self._models, sources, strict=True)):
            if source is None:
                continue
            if type(model).noise is HierarchicalVAE.noise and model.top is DiagonalGaussian:
                for one in self._noise:
                    one[index, :size].normal_(generator=source)
                continue
            for one, drawn in zip(self._noise, model.noise(size, source), strict=True):
                one[index, :size].copy_(drawn)

    def _take(self, size: int) -> None:
        """The step, on batches of so many images."""
        places = self._cursor * self._batch_size + self._places[:size]
        chosen = self._order.index_select(1, places)
        numbers = self._numbers.index_select(0, self._cursor)[0]
        x = self._models[0].prepare(self._train.images.index_select(0, chosen.flatten()))
        batches = Batches(
            x.view(len(chosen), size, *x.shape[1:]),
            tuple(one[:, :size] for one in self._noise),
            self._policy.inputs(places, numbers[:, 2:]),
            self._policy.arguments,
            self._policy.losses,
            self._configs[0].precision,
            self._temperature,
        )
        gradient, totals = self._layers.gradients(batches)
        with torch.no_grad():
            if self._clip is not None:
                self._clip.clip(gradient)
            self._adam.step(gradient, numbers[:, 0], numbers[:, 1], self._still)
            self._sums += totals
            self._policy.after_step(totals[:, 2:] / size, numbers[:, 2:], size / self._configs[0].batch_size)
            self._cursor += 1


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
