"""Waiting for a store that is away, while the models of a sweep go on."""

__all__ = ["SECONDS_BETWEEN_QUESTIONS", "wait_for_store"]

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from hit.errors import StoreAway
from hit.errors.redaction import redact

_LOG = logging.getLogger(__name__)

SECONDS_BETWEEN_QUESTIONS = 2.0

AnswerT = TypeVar("AnswerT")


def wait_for_store(ask: Callable[[], AnswerT], check: Callable[[], None], address: str) -> AnswerT:
    """What the store answers; while it is away, it is asked again and again, and that is said once.

    Args:
        ask: a question to the store.
        check: called before every question; raises to give up.
        address: of the store; told without its credentials.

    Raises:
        Interrupted, RunDeleted: from `check`.
        StoreError: the store refuses.
    """
    told = False
    while True:
        check()
        try:
            return ask()
        except StoreAway as error:
            if not told:
                _LOG.warning("waiting for the store at %s: %s", redact(address), error)
            told = True
            time.sleep(SECONDS_BETWEEN_QUESTIONS)
