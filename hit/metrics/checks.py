"""Whether what was measured keeps the bounds of theory, with which slack, and what chance forgives."""

__all__ = [
    "BoundCheck",
    "check_accuracy",
    "check_accuracy_from_information",
    "check_generation",
    "check_information",
    "check_r_squared",
    "check_reconstruction",
    "violations",
]

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hit.metrics.bounds import accuracy_bound, r_squared_bound

#: What is measured is a draw around what is true: only beyond so many standard errors does it break a bound.
_STANDARD_ERRORS = 3.0
#: Of what follows by arithmetic, and differs from it by rounding alone.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class BoundCheck:
    """A bound minus what it bounds.

    Attributes:
        slack: how far the bound is kept, in the unit of what it bounds; negative where it is exceeded.
        tolerance: how far chance and rounding may exceed it, not negative.

    >>> BoundCheck(slack=-0.02, tolerance=0.03).holds
    True
    """

    slack: float
    tolerance: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether it is kept, or exceeded by no more than is forgiven."""
        return self.slack >= -self.tolerance


def check_accuracy(accuracy: float, rate: float, label_entropy: float, classes: int, points: float) -> BoundCheck:
    """α ≤ f⁻¹(R_l + … + R_L) for a classifier of samples z_l: see `hit.metrics.accuracy_bound`.

    The label is a function of x, so that I(y; z_l) ≤ I(x; z_l) ≤ I(x; z_l, …, z_L) ≤ R_l + … + R_L. It holds
    for samples alone. Posterior means are another channel: they carry what the noise of q(z|x) would drown.

    Args:
        accuracy: the best measured, in [0, 1].
        rate: R_l + … + R_L, nats per image.
        label_entropy: H(y), nats.
        classes: M.
        points: independent ones that the accuracy rests on; three binomial standard errors are forgiven.
    """
    bound = accuracy_bound(rate, label_entropy, classes)
    return BoundCheck(bound - accuracy, _binomial(bound, points))


def check_accuracy_from_information(
    accuracy: float, information: float, error: float, label_entropy: float, classes: int, points: float
) -> BoundCheck:
    """α ≤ f⁻¹(I(y; z_l)) for a classifier of samples z_l, a closer bound than that of the rate.

    Estimates of I(y; z_l) over a finite set are biased upwards if at all, which only widens the bound.

    Args:
        information: I(y; z_l) as estimated, nats.
        error: its standard error, three of which are forgiven, and three binomial ones of the accuracy.
        accuracy, label_entropy, classes, points: as in `check_accuracy`.
    """
    bound, widest = (
        accuracy_bound(max(value, 0.0), label_entropy, classes)
        for value in (information, information + _STANDARD_ERRORS * error)
    )
    return BoundCheck(bound - accuracy, widest - bound + _binomial(widest, points))


def check_r_squared(r_squared: float, error: float, rate: float, entropy_power: float, log_error: float) -> BoundCheck:
    """R² ≤ 1 − N(y) / Var(y) · exp(−2 (R_l + … + R_L)) of a regression on samples z_l.

    See `hit.metrics.bounds.r_squared_bound`. It holds for samples alone, as for accuracies.

    Args:
        r_squared: the best measured.
        error: its standard error, three of which are forgiven.
        rate: R_l + … + R_L, nats per image.
        entropy_power, log_error: N(y) / Var(y), and the standard error of its logarithm, three of which are forgiven.
    """
    bound, widest = (
        float(r_squared_bound(rate, entropy_power * math.exp(-many * log_error))) for many in (0.0, _STANDARD_ERRORS)
    )
    return BoundCheck(bound - r_squared, widest - bound + _STANDARD_ERRORS * error)


def check_information(
    information: float, error: float, rate: float, label_entropy: float, bias: float = 0.0
) -> BoundCheck:
    """I(y; z_l) ≤ min(R_l + … + R_L, H(y)), in nats.

    Both sides are over the points at hand, where the bound holds exactly but for the draws of z, if the
    posteriors are functions of x, as those of z_L are. Below, posteriors are themselves draws and the
    estimate is biased upwards, without limit as posteriors become narrow: there a negative slack proves nothing.

    Args:
        information: as estimated.
        error: its standard error, three of which are forgiven.
        rate: R_l + … + R_L, nats per image.
        label_entropy: H(y).
        bias: how far the estimate exceeds the truth on average; taken off.
    """
    return BoundCheck(min(rate, label_entropy) - (information - bias), _STANDARD_ERRORS * error + _ROUNDING)


def check_reconstruction(negative_elbo: float, error: float, data_entropy: float) -> BoundCheck:
    """H − D ≤ R, in nats per image, for a likelihood that is a probability of discrete images.

    Let p̂ be the distribution that picks one of the N test images at random, with entropy H (ln N where all
    differ). The model gives every image a probability p(x), and these sum to at most one, so that

        D + R = E_p̂[−ELBO] ≥ E_p̂[−ln p(x)] ≥ H,

    whatever the model and whatever it was trained on. It is far from tight: H, the entropy of the test set,
    is ln 10,000 = 9.2 nats, that of the data from which it was drawn some tens of nats, and unknown. What it
    finds is a likelihood that is not normalised, or a rate that is not paid.

    Densities have no such bound: they exceed 1, and p̂ has no density. Of a Gaussian of fixed σ only
    D ≥ dims/2 · ln(2πσ²) is known, which is true by its formula and checks nothing.

    Args:
        negative_elbo: −ELBO = D + R at β = 1.
        error: its standard error over the images, three of which are forgiven.
        data_entropy: H of the images at hand as the likelihood sees them.
    """
    return BoundCheck(negative_elbo - data_entropy, _STANDARD_ERRORS * error + _ROUNDING)


def check_generation(inception_score: float, diversity: float, sharpness: float, classes: int) -> dict[str, BoundCheck]:
    """Bounds of the scores of samples, by score; they hold for any samples and any classifier, but for rounding.

    With p(y|x) the classifier's prediction and p(y) its mean over the samples, IS = exp(H(p(y)) − E H(p(y|x))) =
    diversity · sharpness, with diversity = exp H(p(y)) ≤ M and sharpness = exp(−E H(p(y|x))) ≤ 1. Hence
    IS ≤ diversity ≤ M, of means over splits, too.

    Args:
        inception_score, diversity, sharpness: as measured, over the same samples and splits.
        classes: M, the classes that the classifier tells apart.
    """
    return {
        "inception_score": BoundCheck(min(diversity, classes) - inception_score, _ROUNDING),
        "diversity": BoundCheck(classes - diversity, _ROUNDING),
        "sharpness": BoundCheck(1 - sharpness, _ROUNDING),
    }


def violations(metrics: Mapping[str, float]) -> str:
    """The bounds that are exceeded by more than is forgiven, and how far, in one line; "none" where all hold.

    Args:
        metrics: by schema names; the verdicts are `test/bound_holds_…`, the slacks `test/bound_slack_…`.

    >>> violations({"test/bound_holds_z2": 0.0, "test/bound_slack_z2": -0.125, "test/bound_holds_z1": 1.0})
    'test/bound_slack_z2 = -0.125'
    """
    broken = [name.replace("bound_holds", "bound_slack") for name, value in metrics.items() if _broken(name, value)]
    return ", ".join(f"{name} = {metrics[name]:.4g}" for name in sorted(broken)) or "none"


def _broken(name: str, value: float) -> bool:
    return name.startswith("test/bound_holds_") and value == 0


def _binomial(accuracy: float, points: float) -> float:
    return _STANDARD_ERRORS * math.sqrt(accuracy * (1 - accuracy) / points)
