"""The groups that metrics are measured in: what can be asked for, and how a run tells that it has them."""

__all__ = ["ALL", "GROUPS", "GROUPS_HELP", "OPTIONAL", "Group", "Groups", "parse_groups"]

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from hit.schema import Tag


@dataclass(frozen=True)
class Group:
    """Metrics that are measured together.

    Attributes:
        name: word for the command line.
        witness: a metric that every run with this group has.
        evaluator: the tag that says who measured it; None where nobody but the model decides.
        usual: whether `all` means it, too.
    """

    name: str
    witness: str
    evaluator: Tag | None = None
    usual: bool = True


#: core: rates, distortion, PSNR. latents: information, accuracies and bounds. generation: samples and
#: reconstructions, scored by the classifier of the data set. inception: the FID, which takes a download and,
#: on a CPU, the better part of an hour.
GROUPS = {
    group.name: group
    for group in (
        Group("core", "test/rate"),
        Group("latents", "test/label_entropy", Tag.EVALUATOR),
        Group("generation", "sample/inception_score", Tag.JUDGE),
        Group("inception", "sample/fid_inception", Tag.INCEPTION, usual=False),
    )
}
#: Metric → its group, of groups that are measured only where they are asked for by name.
OPTIONAL = {group.witness: group.name for group in GROUPS.values() if not group.usual}
ALL = "all"


def parse_groups(text: str) -> frozenset[str]:
    """Names of the groups that `text` asks for.

    Raises:
        ValueError: an empty list or an unknown name.

    >>> sorted(parse_groups("all")), sorted(parse_groups("core, inception"))
    (['core', 'generation', 'latents'], ['core', 'inception'])
    """
    known = [ALL, *GROUPS]
    asked = [word.strip() for word in text.split(",") if word.strip()]
    if not asked or not set(asked) <= set(known):
        raise ValueError(f"one or several, with commas, of {', '.join(known)}")
    usual = {group.name for group in GROUPS.values() if group.usual}
    return frozenset(name for word in asked for name in (usual if word == ALL else {word}))


def _checked(text: str) -> str:
    parse_groups(text)
    return text


#: Type and help of the field `metrics` of an options dataclass.
Groups = Annotated[str, AfterValidator(_checked)]
GROUPS_HELP = (
    "with commas: core (rates, distortion, PSNR), latents, generation (needs a classifier), "
    "inception (FID), or all (without inception)"
)
