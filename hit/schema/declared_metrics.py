"""The metrics of the run store, each declared once; `hit.schema.metrics` says what is declared of a name."""

__all__ = ["METRICS"]

from dataclasses import replace
from functools import partial

from hit.schema.metric_declaration import Metric
from hit.schema.names import FILE_QUALITIES, LOSSY_STEPS, PROBES, REGRESSIONS, LabelKind, Tag

_config = partial(Metric, group="config")
_training = partial(Metric, group="training")
_core = partial(Metric, group="core")
_latents = partial(Metric, group="latents")
_of_vectors = partial(Metric, group="core", takes="vectors")
_of_classes = partial(_latents, labels=LabelKind.CLASSES)
_of_numbers = partial(_latents, labels=LabelKind.CONTINUOUS)
#: What rests on an estimate of information, on an accuracy or on an R², whose protocol decides it.
_protocol = partial(Metric, group="latents", evaluator=Tag.EVALUATOR)
_scored = partial(_protocol, labels=LabelKind.CLASSES)
_regressed = partial(_protocol, labels=LabelKind.CONTINUOUS)
_judged = partial(Metric, group="generation", evaluator=Tag.JUDGE, labels=LabelKind.CLASSES, takes="images")
_coding = partial(Metric, group="coding")
_lossy = partial(Metric, group="rate_distortion", takes="images")
_classifier = partial(Metric, group="classifier", labels=LabelKind.CLASSES)
_certificate = partial(Metric, group="certificate")
_analysis = partial(Metric, group="analysis")
_sweep = partial(Metric, group="sweep")


def _with_error(measured: Metric) -> tuple[Metric, Metric]:
    """A metric, and its standard error as a metric of its own."""
    error = f"{measured.name}_standard_error"
    label = f"standard error of {measured.label}"
    return replace(measured, error=error), replace(measured, name=error, direction=None, label=label)


def _probe_metrics() -> list[Metric]:
    return [
        declared
        for probe, label in PROBES.items()
        for suffix, features in (("", "means"), ("_sampled", "samples"))
        for declared in _with_error(
            _scored(
                f"test/accuracy_{probe}_z{{l}}{suffix}", "", "maximize", f"accuracy of z_{{l}}, {label} on {features}"
            )
        )
    ]


def _regression_metrics() -> list[Metric]:
    return [
        declared
        for regression, label in REGRESSIONS.items()
        for suffix, features in (("", "means"), ("_sampled", "samples"))
        for declared in _with_error(
            _regressed(f"test/r2_{regression}_z{{l}}{suffix}", "", "maximize", f"R² of z_{{l}}, {label} on {features}")
        )
    ]


def _share_metrics() -> list[Metric]:
    return [
        _latents(
            f"test/pca_share_{component}_z{{l}}", "", None, f"share of component {component} in the means of z_{{l}}"
        )
        for component in (1, 2, 3)
    ]


def _generation_bounds() -> list[Metric]:
    words = {"inception_score": "inception score", "diversity": "diversity", "sharpness": "sharpness"}
    return [
        declared
        for name, label in words.items()
        for declared in (
            _judged(f"test/bound_slack_{name}", "", None, f"bound minus {label}"),
            _judged(f"test/bound_holds_{name}", "", "maximize", f"{label} keeps its bound"),
        )
    ]


def _rate_distortion_metrics() -> list[Metric]:
    ours = [
        declared
        for step in LOSSY_STEPS
        for declared in (
            _lossy(f"test/lossy_bits_step_{step}", "bits per image", "minimize", f"bits with loss at a step of {step}"),
            _lossy(f"test/lossy_psnr_step_{step}", "dB", "maximize", f"PSNR at a step of {step}"),
            _lossy(
                f"test/lossy_bits_z{{l}}_step_{step}", "bits per image", None, f"bits of z_{{l}} at a step of {step}"
            ),
        )
    ]
    files = [
        declared
        for name, label in (("jpeg", "JPEG"), ("webp", "WebP"))
        for quality in FILE_QUALITIES
        for declared in (
            _lossy(
                f"test/{name}_bits_quality_{quality}", "bits per image", None, f"bits of {label}, quality {quality}"
            ),
            _lossy(f"test/{name}_psnr_quality_{quality}", "dB", None, f"PSNR of {label}, quality {quality}"),
        )
    ]
    return [*ours, *files]


#: All of them; `layer_metrics` puts the layers of a model for `{l}`.
METRICS = (
    # what decides a run, mirrored as numbers (MLflow's params are strings without order)
    _config("beta_{l}", "", None, "β_{l}"),
    _config("log10_beta_{l}", "", None, "log10 β_{l}"),
    _config("target_rate_{l}", "nats per image", None, "target of R_{l}"),
    _config("target_rate", "nats per image", None, "target of R"),
    _config("max_rate_{l}", "nats per image", None, "upper bound asked of R_{l}"),
    _config("max_rate", "nats per image", None, "upper bound asked of R"),
    _config("learning_rate", "", None, "learning rate"),
    _config("batch_size", "images", None, "batch size"),
    _config("channels", "", None, "channels"),
    _config("epochs", "", None, "epochs"),
    _config("seed", "", None, "seed"),
    _config("sigma", "", None, "σ of the Gaussian likelihood"),
    _config("layers", "", None, "layers of latents, L"),
    _config("dim_z{l}", "", None, "dimensions of z_{l}"),
    _config("classes", "", None, "classes of the data, M"),
    _config("parameters", "", None, "parameters of the model"),
    _config("measured_at", "s", None, "when it was measured again, seconds since 1970"),
    # training, once an epoch
    _training("train/objective", "nats per image", "minimize", "training objective"),
    _training("train/elbo", "nats per image", "maximize", "training ELBO"),
    _training("train/distortion", "nats per image", "minimize", "training distortion"),
    _training("train/rate", "nats per image", None, "training rate R"),
    _training("train/rate_{l}", "nats per image", None, "training rate R_{l}"),
    _training("train/beta_{l}", "", None, "β_{l} in force"),
    _training("train/rate_error_{l}", "", None, "training R_{l} relative to its target, minus 1"),
    _training("train/rate_error", "", None, "training R relative to its target, minus 1"),
    _training("train/temperature", "", None, "temperature of the Gumbel-softmax"),
    _training("train/seconds", "s", "minimize", "seconds an epoch"),
    # the model on the test set
    *_with_error(_core("test/rate_{l}", "nats per image", None, "R_{l}")),
    *_with_error(_core("test/rate", "nats per image", None, "total rate R")),
    _core("test/rate_error_{l}", "", None, "R_{l} relative to its target, minus 1"),
    _core("test/rate_error", "", None, "R relative to its target, minus 1"),
    *_with_error(_core("test/distortion", "nats per image", "minimize", "distortion D")),
    *_with_error(_core("test/elbo", "nats per image", "maximize", "ELBO")),
    *_with_error(_core("test/objective", "nats per image", "minimize", "objective D + Σ β_l R_l")),
    *_with_error(_core("test/bits_per_dim", "bits per dimension", "minimize", "−ELBO")),
    *_with_error(_core("test/psnr", "dB", "maximize", "PSNR", takes="images")),
    # in its place, of vectors; their features are standardised
    *_with_error(_of_vectors("test/reconstruction_mse", "", "minimize", "mean squared error of reconstructions")),
    _of_vectors("test/reconstruction_r2", "", "maximize", "R² of reconstructions"),
    _of_vectors("test/log_jacobian", "nats per image", None, "distortion of raw minus that of standardised features"),
    _scored("test/mi_z{l}", "nats", "maximize", "I(y; z_{l})", error="test/mi_error_z{l}"),
    _scored("test/mi_error_z{l}", "nats", None, "standard error of I(y; z_{l})"),
    _scored("test/mi_ksg_z{l}", "nats", "maximize", "I(y; z_{l}) by Mixed-KSG"),
    *_share_metrics(),
    *_probe_metrics(),
    *_regression_metrics(),
    _protocol("test/held_out", "images", None, "test images that accuracies and R² rest on"),
    _of_classes("test/label_entropy", "nats", None, "H(y)"),
    _of_numbers("test/label_variance", "", None, "variance of the label"),
    _of_numbers("test/label_entropy_power", "", None, "entropy power of the label over its variance"),
    _of_classes("test/accuracy_bound_rate_z{l}", "", None, "bound on the accuracy of z_{l} from the rate"),
    _of_numbers("test/r2_bound_rate_z{l}", "", None, "bound on the R² of z_{l} from the rate"),
    _regressed("test/bound_slack_r2_z{l}", "", None, "rate bound minus best sampled R² of z_{l}"),
    _regressed("test/bound_holds_r2_z{l}", "", "maximize", "sampled R² of z_{l} keep the rate bound"),
    _scored("test/accuracy_bound_mi_z{l}", "", None, "bound on the accuracy of z_{l} from I(y; z_{l})"),
    _scored("test/bound_slack_z{l}", "", None, "rate bound minus best sampled accuracy of z_{l}"),
    _scored("test/bound_holds_z{l}", "", "maximize", "sampled accuracies of z_{l} keep the rate bound"),
    _scored("test/bound_slack_mi_z{l}", "nats", None, "min(rate bound, H(y)) minus I(y; z_{l})"),
    _scored("test/bound_holds_mi_z{l}", "", "maximize", "I(y; z_{l}) keeps the bounds of rate and H(y)"),
    _scored("test/bound_slack_accuracy_mi_z{l}", "", None, "bound from I(y; z_{l}) minus best sampled accuracy"),
    _scored("test/bound_holds_accuracy_mi_z{l}", "", "maximize", "sampled accuracies of z_{l} keep the bound of I"),
    _core("test/bound_slack_reconstruction", "nats per image", None, "−ELBO minus H of the test images"),
    _core("test/bound_holds_reconstruction", "", "maximize", "D + R keeps the bound H of the test images"),
    *_generation_bounds(),
    _core("test/seconds", "s", "minimize", "seconds of the evaluation"),
    # samples and reconstructions, as the classifier of the data set sees them
    *_with_error(_judged("sample/inception_score", "", "maximize", "inception score")),
    *_with_error(_judged("sample/diversity", "", "maximize", "diversity of samples")),
    *_with_error(_judged("sample/sharpness", "", "maximize", "sharpness of samples")),
    _judged("sample/fid_classifier", "", "minimize", "Fréchet distance, classifier's features"),
    Metric(
        "sample/fid_inception", "", "minimize", "FID, Inception features", "inception", Tag.INCEPTION, takes="images"
    ),
    _judged("sample/precision", "", "maximize", "precision of samples"),
    _judged("sample/recall", "", "maximize", "recall of samples"),
    _judged("sample/density", "", "maximize", "density of samples"),
    _judged("sample/coverage", "", "maximize", "coverage of samples"),
    Metric(
        "sample/seconds",
        "s",
        "minimize",
        "seconds of scoring samples and reconstructions",
        "generation",
        takes="images",
    ),
    *_with_error(
        _judged("test/reconstruction_accuracy", "", "maximize", "accuracy of the classifier on reconstructions")
    ),
    *_with_error(
        _judged("test/prediction_entropy", "nats", "minimize", "H(prediction) of the classifier on reconstructions")
    ),
    *_with_error(_judged("test/original_accuracy", "", None, "accuracy of the classifier on the images themselves")),
    # the test set coded without loss
    *_with_error(_coding("test/bits_z{l}", "bits per image", None, "net bits of z_{l}")),
    *_with_error(_coding("test/bits_x", "bits per image", "minimize", "bits of x given z_1")),
    *_with_error(_coding("test/bits", "bits per image", "minimize", "bits without loss")),
    _coding("test/initial_bits", "bits per image", "minimize", "initial bits, spread over the images"),
    *_with_error(_coding("test/coding_overhead", "", "minimize", "bits over −ELBO of the same draws, minus 1")),
    *_with_error(
        _coding("test/coding_overhead_z{l}", "", "minimize", "net bits of z_{l} over R_{l} of the same draws, minus 1")
    ),
    # some test images coded with loss, at steps in posterior widths, and as files
    _lossy("test/lossy_images", "images", None, "test images that were coded with loss"),
    _lossy("test/lossy_bits", "bits per image", "minimize", "bits with loss, at the PSNR of posterior means"),
    _lossy("test/lossy_excess_bits", "bits per image", "minimize", "the same minus R"),
    *_rate_distortion_metrics(),
    _lossy("test/png_bits", "bits per image", None, "bits of PNG"),
    # the classifier of a data set
    _classifier("train/cross_entropy", "nats per image", "minimize", "training cross-entropy"),
    _classifier("train/accuracy", "", "maximize", "training accuracy"),
    *_with_error(_classifier("test/cross_entropy", "nats per image", "minimize", "cross-entropy")),
    *_with_error(_classifier("test/accuracy", "", "maximize", "accuracy of the classifier")),
    # a surface beside models that were trained for one β each
    _certificate(
        "certificate/objective_gap", "", "minimize", "objective at equal β, surface over dedicated models, mean"
    ),
    _certificate("certificate/objective_gap_worst", "", "minimize", "the same, worst"),
    _certificate(
        "certificate/distortion_gap", "", "minimize", "distortion at equal rates, surface over dedicated, mean"
    ),
    _certificate("certificate/distortion_gap_worst", "", "minimize", "the same, worst"),
    # what the analysis makes of several metrics of a run, relative to other runs; never logged
    _analysis("analysis/score", "standard deviations", "maximize", "weighted score"),
    _analysis("analysis/distance", "", "minimize", "distance from the best of each"),
    # sweeps
    _sweep("sweep/finished", "runs", "maximize", "runs finished"),
    _sweep("sweep/running", "runs", None, "runs running"),
    _sweep("sweep/failed", "runs", "minimize", "runs failed"),
    _sweep("sweep/ended_early", "runs", None, "runs ended early"),
    _sweep("sweep/wanted", "runs", None, "runs wanted"),
)
