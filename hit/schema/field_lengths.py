"""What MLflow's stores take in length, and how what is longer is shortened: the middle gives way to a digest.

The limits are those of the oldest and strictest stores that are still about: a store does not tell its own. A shortened
text has a digest of the whole, so that two that differ stay different; the whole stands in an artifact of the run.
"""

__all__ = ["DATASET", "DIGEST", "EXPERIMENT", "KEY", "NAME", "PARAM", "TAG", "is_shortened", "shortened"]

import hashlib
import re

#: Characters of a param's value. Stores of today take 6,000.
PARAM = 500
#: Of a tag's value. Stores of today take 8,000.
TAG = 5000
#: Of a run's name.
NAME = 250
#: Of the key of a param, metric or tag.
KEY = 250
#: Of a data set's name, and of its digest.
DATASET, DIGEST = 500, 36
#: Of an experiment's name in a database.
EXPERIMENT = 256

_MARK = re.compile(r"…[0-9a-f]{16}…")


def shortened(text: str, limit: int) -> str:
    """The text if it has at most `limit` characters; else its two ends with a digest of the whole between.

    >>> shortened("/data/" + "x" * 500 + "/images", 40)
    '/data/xxxxx…77fa6a3c9de41090…xxxx/images'
    >>> shortened("digits", 6)
    'digits'
    """
    if len(text) <= limit:
        return text
    mark = f"…{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:16]}…"
    room = limit - len(mark)
    return f"{text[: room // 2]}{mark}{text[-(room - room // 2) :]}"


def is_shortened(text: str) -> bool:
    """Whether a text is what `shortened` made of a longer one."""
    return bool(_MARK.search(text))
