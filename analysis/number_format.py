"""Numbers as people read them, the same in sentences, tables and pictures."""

__all__ = ["is_told", "margin", "number", "span", "with_error"]

import math


def number(value: float | None, digits: int = 4, *, padded: bool = False) -> str:
    """A number for people: significant digits but no more than so many decimals, a true minus, a dash for none.

    Args:
        value: the number, None or NaN where there is none.
        digits: how many are significant.
        padded: keep zeros at the end, for numbers that stand beside each other.

    >>> number(-0.123456), number(None), number(12345.6), number(0.5), number(0.5, padded=True)
    ('−0.1235', '–', '12346', '0.5', '0.5000')
    >>> number(0.000583), number(1e-9), number(-1e-9), number(0.0)
    ('0.0006', '<0.0001', '>−0.0001', '0')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if 0 < abs(value) < 0.1:  # 0.0006, not 0.0005834
        text = f"{value:.{digits}f}" if padded else f"{value:.{digits}f}".rstrip("0")
        if not text.strip("-0."):
            text = f"{'>−' if value < 0 else '<'}{10**-digits:.{digits}f}"
        return text.replace("-", "−")
    form = f"{'#' if padded else ''}.{digits}g" if abs(value) < 10**digits else ".0f"
    return f"{value:{form}}".rstrip(".").replace("-", "−")


def span(low: float, high: float, digits: int = 3) -> str:
    """Both ends of a range; one that is next to nothing beside the other is 0.

    >>> span(-0.00003, 2.3), span(-0.0004, 0.002), span(0.303, 30.54), span(2.0, 2.0)
    ('0 to 2.3', '−0.0004 to 0.002', '0.303 to 30.5', '2')
    """
    least = 0.5 * 10.0**-digits * max(abs(low), abs(high))
    ends = ["0" if abs(end) <= least else _plain(end, digits) for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def margin(error: float) -> str:
    """What stands after ±: two digits, and one where they are small.

    >>> margin(0.0437), margin(0.0004), margin(12.3)
    ('0.04', '0.0004', '12')
    """
    return _plain(error, 2)


def with_error(value: float, error: float) -> str:
    """A number for people with its standard error, where that is known.

    >>> with_error(0.8561, 0.0213), with_error(0.8561, math.nan), with_error(52.1, 7e-15)
    ('0.8561 ± 0.02', '0.8561', '52.1')
    """
    return f"{number(value)} ± {margin(error)}" if is_told(error, value) else number(value)


def is_told(error: float, value: float) -> bool:
    """Whether an error is more than the rounding of the number that it stands beside.

    >>> is_told(0.02, 0.8561), is_told(7e-15, 52.1), is_told(math.nan, 1.0)
    (True, False, False)
    """
    return error > 1e-9 * abs(value)


def _plain(value: float, digits: int) -> str:
    """As `number`, but never a bound: a range or an error of <0.001 says nothing."""
    text = number(value, digits)
    if text[0] in "<>":
        text = f"{value:.{-math.floor(math.log10(abs(value)))}f}".replace("-", "−")
    return text
