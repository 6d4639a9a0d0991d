"""What a part of an extension raises while it is asked, as one line that names the part."""

__all__ = ["answering"]

from collections.abc import Iterator
from contextlib import contextmanager

from hit.errors import ConfigError, EndsWork


@contextmanager
def answering(label: str, method: str) -> Iterator[None]:
    """Around a call of a part that is not ours.

    Args:
        label: the part as messages call it: driver 'mine'.
        method: what is asked of it.

    Raises:
        ConfigError: it raises an error that is none of ours.

    >>> with answering("driver 'mine'", "propose"):
    ...     {}["x"]
    Traceback (most recent call last):
        ...
    hit.errors.kinds.ConfigError: driver 'mine' must answer `propose` without an error, got KeyError: 'x'
    """
    try:
        yield
    except EndsWork:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ConfigError(f"{label} must answer `{method}` without an error, got {said}") from error
