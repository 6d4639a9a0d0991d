"""Layers that hold nothing: told by name at the end of a training, with what helps."""

__all__ = ["COLLAPSED_BELOW", "collapse_line", "collapsed_layers"]

from collections.abc import Mapping, Sequence

#: A layer whose rate is below this, nats per image, counts as collapsed: its rate bounds what it can tell of an image,
#: and its posterior and prior differ by a total variation of at most √(0.05 / 2) = 16 % (Pinsker).
COLLAPSED_BELOW = 0.05


def collapsed_layers(metrics: Mapping[str, float], layers: int) -> list[int]:
    """Layers whose rate on the test set says so.

    >>> collapsed_layers({"test/rate_1": 20.0, "test/rate_2": 0.003}, 2)
    [2]
    """
    return [layer for layer in range(1, layers + 1) if metrics[f"test/rate_{layer}"] < COLLAPSED_BELOW]


def collapse_line(metrics: Mapping[str, float], collapsed: Sequence[int]) -> str:
    """What is said of them.

    >>> print(collapse_line({"test/rate_2": 0.003}, [2]))  # doctest: +ELLIPSIS
    collapsed: z_2 holds 0.003 nats; a beta below that of the layer beneath (--beta_2), or a rate (--target_rate_2), ...
    """
    held = ", ".join(f"z_{layer} holds {metrics[f'test/rate_{layer}']:.2g} nats" for layer in collapsed)
    betas = ", ".join(f"--beta_{layer}" for layer in collapsed)
    rates = ", ".join(f"--target_rate_{layer}" for layer in collapsed)
    return (
        f"collapsed: {held}; a beta below that of the layer beneath ({betas}), or a rate ({rates}), keeps a layer in "
        "use; more steps (epochs, or smaller batches) help"
    )
