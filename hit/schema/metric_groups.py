"""The groups that metrics are measured in: what can be asked for, and how a run tells that it has them."""

__all__ = ["ALL", "GROUPS", "GROUPS_HELP", "Group", "Groups", "named_groups", "optional_group", "parse_groups"]

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator

from hit.schema.metric_declaration import MetricGroup
from hit.schema.metrics import EXTENSION_METRICS, METRICS, described
from hit.schema.names import LOSSY_STEPS, Tag


@dataclass(frozen=True)
class Group:
    """Metrics that are measured together; which they are, the metrics say.

    Attributes:
        name: word for the command line.
        witnesses: metrics of which every run with this group has one, the usual one first; which, its labels decide.
        usual: whether `all` means it, too.
        evaluators: who measure it, for people; empty where nobody but the model decides.
        tag: that says who measured it, where the metrics that we declare do not say it.
    """

    name: MetricGroup
    witnesses: tuple[str, ...]
    usual: bool = True
    evaluators: str = ""
    tag: Tag | None = None

    @cached_property
    def evaluator(self) -> Tag | None:
        """The tag that says who measured it; None where nobody but the model decides.

        >>> str(GROUPS["generation"].evaluator), GROUPS["core"].evaluator
        ('hit.judge', None)
        """
        return self.tag or next((one.evaluator for one in METRICS if one.group == self.name and one.evaluator), None)


#: core: rates, distortion, PSNR. latents: principal components; information and accuracies, or R² of continuous
#: labels, and bounds. generation: samples and reconstructions, scored by the classifier of the data set. inception: the
#: FID, which takes a download and, on a CPU, the better part of an hour. coding: bits per image without loss.
#: rate_distortion: bits and PSNR of the lossy code, of some test images.
GROUPS: dict[str, Group] = {
    group.name: group
    for group in (
        Group("core", ("test/rate",)),
        Group(
            "latents",
            ("test/label_entropy", "test/label_variance", "test/pca_share_1_z1"),
            evaluators="evaluators",
        ),
        Group("generation", ("sample/inception_score",), evaluators="classifiers that judge samples"),
        Group("inception", ("sample/fid_inception",), usual=False, evaluators="versions of the FID"),
        Group("coding", ("test/bits",), usual=False),
        Group("rate_distortion", (f"test/lossy_bits_step_{LOSSY_STEPS[0]}",), usual=False),
        Group("extensions", (), evaluators="versions of extensions", tag=Tag.EXTENSION_METRICS),
    )
}
ALL = "all"


def optional_group(name: str) -> str | None:
    """The group of a metric that is measured only where its group is asked for by name; None for others.

    >>> optional_group("sample/fid_inception"), optional_group("sample/fid_classifier")
    ('inception', None)
    """
    group = GROUPS.get(described(name).group)
    return group.name if group and not group.usual else None


def parse_groups(text: str) -> frozenset[str]:
    """Names of the groups that `text` asks for.

    Raises:
        ValueError: an empty list or an unknown name.

    >>> sorted(parse_groups("all")), sorted(parse_groups("core, inception"))
    (['core', 'generation', 'latents'], ['core', 'inception'])
    """
    known = [ALL, *GROUPS]
    asked = _words(text)
    if not asked or not set(asked) <= set(known):
        raise ValueError(f"one or several, with commas, of {', '.join(known)}")
    usual = {group.name for group in GROUPS.values() if group.usual}
    if not EXTENSION_METRICS.names():
        usual -= {"extensions"}
    return frozenset(name for word in asked for name in (usual if word == ALL else {word}))


def named_groups(text: str) -> frozenset[str]:
    """Those that `text` asks for by name: what the data do not allow is then a mistake, and of `all` is left out.

    >>> sorted(named_groups("all, inception"))
    ['inception']
    """
    return frozenset(_words(text)) - {ALL}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _checked(text: str) -> str:
    parse_groups(text)
    return text


#: Type and help of the field `metrics` of an options dataclass.
Groups = Annotated[str, AfterValidator(_checked)]
GROUPS_HELP = (
    "with commas: core (rates, distortion, PSNR), latents, generation (needs a classifier), "
    "inception (FID), coding (bits), rate_distortion (bits and PSNR with loss), extensions (what extensions measure), "
    "or all (without inception, coding and rate_distortion)"
)
