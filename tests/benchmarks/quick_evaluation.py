"""D, rates and objective of many small models on one test set, on its device: as `evaluate_model` has them, quicker."""

__all__ = ["POINTS", "QuickEvaluation"]

from collections.abc import Sequence

import torch

from hit.data import Split
from hit.models import HierarchicalVAE

#: (β_1, β_2): the middle of the plane, its edges, and a point of weak β.
POINTS = ((1.0, 1.0), (0.1, 1.0), (1.0, 0.1), (5.0, 1.0), (1.0, 5.0), (0.3, 0.3))
#: Images for which `evaluate_model` draws noise at once, and the seed that it draws by.
_DRAWN, _SEED = 500, 0
#: Images of a pass.
_PASSED = 2500


class QuickEvaluation:
    """Passes over a test set, with the same noise for all models.

    Args:
        test: on the device of the models.
        model: any of them: images and noise are prepared by it, once.
    """

    def __init__(self, test: Split, model: HierarchicalVAE) -> None:
        source = torch.Generator(test.device).manual_seed(_SEED)
        images = test.images.split(_DRAWN)
        drawn = [model.noise(len(some), source) for some in images]
        self._x = torch.cat([model.prepare(some) for some in images])
        self._noise = [torch.cat(layer) for layer in zip(*drawn, strict=True)]

    @torch.no_grad()
    def measure(self, model: HierarchicalVAE, betas: Sequence[float]) -> dict[str, float]:
        """`objective`, `distortion`, `rate_1` … `rate_L`, nats per image.

        Args:
            model: ready for evaluation.
            betas: β_1 … β_L of the objective.
        """
        sums = torch.zeros(1 + model.layers, dtype=torch.float64, device=self._x.device)
        cudnn = torch.backends.cudnn
        with cudnn.flags(enabled=cudnn.enabled, allow_tf32=False):
            for x, *noise in zip(*(one.split(_PASSED) for one in (self._x, *self._noise)), strict=True):
                outcome = model(x, noise)
                sums += torch.stack([one.double().sum() for one in (outcome.distortion, *outcome.rates)])
        distortion, *rates = (sums / len(self._x)).tolist()
        objective = distortion + sum(beta * rate for beta, rate in zip(betas, rates, strict=True))
        named = {f"rate_{layer}": rate for layer, rate in enumerate(rates, start=1)}
        return {"objective": objective, "distortion": distortion, **named}
