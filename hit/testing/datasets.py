"""The contract of data sets: the same images at every reading, batches, labels."""

__all__ = ["check_dataset"]

from hit import data
from hit.errors import UserError
from hit.testing.contract import ContractBroken, must


def check_dataset(name: str, root: str = "") -> None:
    """Check a registered data set, or a path.

    Args:
        name: as `dataset` takes it.
        root: where downloads lie.

    Raises:
        ContractBroken: naming the rule.
    """
    label = f"dataset {name!r}"
    try:
        dataset, again = (data.load(name, root) for _ in range(2))
    except UserError as error:
        raise ContractBroken(str(error)) from error
    must(dataset.digest == again.digest, label, "be the same at every reading: seed what is drawn")
    must(dataset.name == name, label, "be called as it was asked for", dataset.name)
    for part, split in (("training", dataset.train), ("test", dataset.test)):
        batch = next(iter(data.batches(split, 2)))
        must(
            tuple(batch.shape[1:]) == dataset.shape,
            label,
            f"give {part} batches of the shape {dataset.shape}",
            tuple(batch.shape[1:]),
        )
