"""An application as the data of a frame allow it: images or vectors, with labels or without."""

__all__ = ["suited_to"]

from dataclasses import replace

import pandas as pd

from analysis.frame import fidelity, finished, label_kind, values
from analysis.recommendation.applications import Application
from analysis.recommendation.objectives import Constraint

#: 3 dB of PSNR below the best run's are twice its mean squared error: what compression tolerates.
_TIMES_LEAST_ERROR = 2.0


def suited_to(frame: pd.DataFrame, application: Application) -> Application:
    """An application as it is scored of these runs, by what their reconstructions and labels are.

    Of vectors, which have no PSNR, reconstruction is scored by R². Compression asks for a mean squared error of at most
    twice the least, as it asks for a PSNR of at most 3 dB less of images.

    Args:
        frame: runs of one data set.
        application: what for.
    """
    return _by_fidelity(frame, application).suited_to_labels(label_kind(frame))


def _by_fidelity(frame: pd.DataFrame, application: Application) -> Application:
    if fidelity(frame) == "test/psnr":
        return application
    if application.metric == "test/psnr":
        return replace(application, metric="test/reconstruction_r2")
    if application.bounded:
        least = float(values(finished(frame), "test/reconstruction_mse").min())
        bound = Constraint("test/reconstruction_mse", _TIMES_LEAST_ERROR * least, upper=True)
        return replace(application, bounded=False, constraints=(*application.constraints, bound))
    return application
