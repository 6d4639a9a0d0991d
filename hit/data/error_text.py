"""One-line texts of the exceptions that readers and downloads raise."""

__all__ = ["reason"]


def reason(error: BaseException) -> str:
    """What an exception says, on one line; its type where it says nothing.

    >>> reason(RuntimeError("two\\n  lines"))
    'two lines'
    >>> reason(EOFError())
    'EOFError'
    """
    return " ".join(str(error).split()) or type(error).__name__
