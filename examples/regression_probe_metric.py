"""An own metric of every layer: how well a continuous label, or else the ink of an image, is read from its latents.

python -m hit.train --extensions examples/regression_probe_metric.py
"""

from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

from hit.evaluation.extension_metrics import MetricContext
from hit.schema.metrics import EXTENSION_METRICS

FOLDS = 5


@EXTENSION_METRICS.register("test/r2_linear_z{l}", label="R² of a linear probe on z_{l}", direction="maximize")
def regression_probe(context: MetricContext) -> list[float]:
    labels = context.labels
    continuous = labels is not None and labels.is_floating_point()
    y = (labels if continuous else context.images.flatten(1).mean(1)).cpu().numpy()
    features = [z.flatten(1).cpu().numpy() for z in context.means]
    return [float(cross_val_score(Ridge(), x, y, cv=FOLDS).mean()) for x in features]
