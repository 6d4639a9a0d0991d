"""What a broken contract raises."""

__all__ = ["ContractBroken", "must"]


class ContractBroken(AssertionError):
    """A part does not keep its contract; the message names the part, the rule and what was found."""


def must(kept: bool, label: str, rule: str, found: object = "") -> None:
    """Raise ContractBroken unless a rule is kept: 'model 'mine' must … , got …'."""
    if not kept:
        raise ContractBroken(f"{label} must {rule}" + (f", got {found}" if found != "" else ""))
