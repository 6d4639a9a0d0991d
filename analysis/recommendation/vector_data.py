"""Applications of models of vectors, whose reconstructions have R² and mean squared errors in place of PSNR."""

__all__ = ["suited_to_vectors"]

from dataclasses import replace

import pandas as pd

from analysis.frame import fidelity, finished, values
from analysis.recommendation.applications import Application
from analysis.recommendation.objectives import Constraint

#: 3 dB of PSNR below the best run's are twice its mean squared error: what compression tolerates.
_TIMES_LEAST_ERROR = 2.0


def suited_to_vectors(application: Application, frame: pd.DataFrame) -> Application:
    """An application as it is scored where the runs' data are vectors; of images, it stays.

    Reconstruction is scored by R². Compression asks for a mean squared error of at most twice the least, as it asks
    for a PSNR of at most 3 dB less of images.
    """
    if fidelity(frame) == "test/psnr":
        return application
    if application.metric == "test/psnr":
        return replace(application, metric="test/reconstruction_r2")
    if application.bounded:
        least = float(values(finished(frame), "test/reconstruction_mse").min())
        bound = Constraint("test/reconstruction_mse", _TIMES_LEAST_ERROR * least, upper=True)
        return replace(application, bounded=False, constraints=(*application.constraints, bound))
    return application
