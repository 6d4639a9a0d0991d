"""An own metric: structural similarity of reconstructions and images, by torchmetrics.

python -m hit.train --extensions examples/ssim_metric.py
"""

from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from hit.evaluation.extension_metrics import MetricContext
from hit.schema.metrics import EXTENSION_METRICS


@EXTENSION_METRICS.register("test/ssim", label="SSIM of reconstructions", direction="maximize", takes="images")
def ssim(context: MetricContext) -> Tensor:
    similarity = structural_similarity_index_measure(context.reconstructions, context.images, data_range=1.0)
    assert isinstance(similarity, Tensor)
    return similarity
