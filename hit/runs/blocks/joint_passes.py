"""The passes over the test set of a block's models, made for many of them at once."""

__all__ = ["JointPasses"]

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial

from hit.data import Dataset
from hit.errors import Interrupted
from hit.evaluation.core_metrics import MeasuredPass, pass_over_test_set
from hit.models import HierarchicalVAE
from hit.processes.memory import free_memory, short_of_memory
from hit.training.lockstep.layers import StackedLayers

_LOG = logging.getLogger(__name__)

#: Bytes of latents that are kept at once, of all models of a pass together.
_KEPT = 2**31
#: Tensors that are kept of each layer at most: means, samples, and two parameters of the posterior.
_TENSORS = 4
#: Images that are on their way at once whatever a step of training has, of all models together.
_FEWEST = 8000


class JointPasses:
    """One pass for many models, made when the first of them asks for its own; each gets what it has alone.

    A pass that does not fit into memory is made for half as many models; what fails otherwise, and a single model, is
    left to each model alone, where what is wrong is told. Models are computed as `strategy` says, and their
    parameters moved for it: nobody else may use those of later models meanwhile.

    Args:
        models: of one architecture, on the device of the data.
        betas: of each.
        dataset: its test split is used.
        strategy: how models are computed at once.
        keep: whether latents are kept; then so many models share a pass that theirs take 2 GiB at most.
        images: that a step of training has, of all models together, which memory is known to hold.
        check: called before every batch; raises to stop.
    """

    def __init__(
        self,
        models: Sequence[HierarchicalVAE],
        betas: Sequence[Sequence[float]],
        dataset: Dataset,
        *,
        strategy: type[StackedLayers],
        keep: bool,
        images: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._models, self._betas, self._dataset = tuple(models), tuple(betas), dataset
        self._strategy, self._keep, self._check = strategy, keep, check
        self._images = max(images, _FEWEST)
        self._most = self._fitting() if keep else len(models)
        self._left = set(range(len(models)))
        self._made: dict[int, MeasuredPass] = {}

    def take(self, index: int) -> MeasuredPass | None:
        """What the pass tells of a model, which is kept here no longer; None: it is to make its own.

        Raises:
            Interrupted: `check` says so.
        """
        while index in self._left:
            together = [other for other in sorted(self._left) if other >= index][: self._most]
            if len(together) > 1 and (short := self._short_of_memory(together)):
                free_memory()
                self._most = (len(together) + 1) // 2
                _LOG.info(f"{len(together)} models at once are not measured, {self._most} are: {short}")
            else:
                self._left -= set(together)
        return self._made.pop(index, None)

    def _short_of_memory(self, together: Sequence[int]) -> str:
        """Make a pass; what memory lacks for it, '' where it sufficed or something else is wrong."""
        try:
            return short_of_memory(partial(self._make, together))
        except Interrupted:
            raise
        except Exception as error:
            reason = str(error).partition("\n")[0]
            _LOG.warning(f"models are measured one after the other: {type(error).__name__}: {reason}")
            return ""

    def _make(self, together: Sequence[int]) -> None:
        models = [self._models[index] for index in together]
        passed = pass_over_test_set(
            models,
            self._dataset,
            [self._betas[index] for index in together],
            self._check,
            keep=self._keep,
            stacked=self._strategy(models),
            most=self._images,
        )
        self._made |= dict(zip(together, passed, strict=True))

    def _fitting(self) -> int:
        """Models whose latents may be kept at once."""
        first = self._models[0]
        numbers = sum(math.prod(shape) for shape in first.latent_shapes) * len(self._dataset.test)
        size = next(first.parameters()).element_size()
        return max(1, _KEPT // max(1, _TENSORS * numbers * size))
