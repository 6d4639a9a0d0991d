"""Layers that hold nothing: told by name at the end of a training, with what helps."""

__all__ = ["COLLAPSED_BELOW", "collapse_line", "collapsed_layers"]

from collections.abc import Mapping, Sequence

#: A layer whose rate is below this, nats per image, counts as collapsed: its rate bounds what it can tell of an image,
#: and its posterior and prior differ by a total variation of at most √(0.05 / 2) = 16 % (Pinsker).
COLLAPSED_BELOW = 0.05
#: Options of more layers are not all written out.
_MANY = 4


def collapsed_layers(metrics: Mapping[str, float], layers: int) -> list[int]:
    """Layers whose rate on the test set says so.

    >>> collapsed_layers({"test/rate_1": 20.0, "test/rate_2": 0.003}, 2)
    [2]
    """
    return [layer for layer in range(1, layers + 1) if metrics[f"test/rate_{layer}"] < COLLAPSED_BELOW]


def collapse_line(metrics: Mapping[str, float], collapsed: Sequence[int]) -> str:
    """What is said of them.

    >>> print(collapse_line({"test/rate_2": 0.003}, [2]))  # doctest: +ELLIPSIS
    collapsed: z_2 holds 0.003 nats; what helps: a rate of its own (--target_rate_2), a beta below that of the layer ...
    """
    held = ", ".join(f"z_{layer} holds {metrics[f'test/rate_{layer}']:.2g} nats" for layer in collapsed)
    below = f"a beta below that of the layer beneath ({_options('beta', collapsed)})"
    if collapsed[0] == 1:
        lower = "a lower --beta_1"
        below = f"{lower}, {below.replace('--beta_1, ', '')}" if collapsed[1:] else lower
    return (
        f"collapsed: {held}; what helps: a rate of its own ({_options('target_rate', collapsed)}), {below}, more steps "
        "(epochs, or smaller batches)"
    )


def _options(name: str, layers: Sequence[int]) -> str:
    """Those of these layers, the ends of many."""
    some = list(layers) if len(layers) <= _MANY else [*layers[:2], None, layers[-1]]
    return ", ".join("…" if layer is None else f"--{name}_{layer}" for layer in some)
