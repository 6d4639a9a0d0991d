"""One chain of asymmetric numeral systems: a stack of bits that numbers are pushed to and popped from."""

__all__ = ["AnsStack", "Symbols", "Words"]

import math
from typing import Any, Self

import constriction
import numpy as np
from numpy.typing import NDArray

from hit.coding.entropy_models import Models

_Coder = constriction.stream.stack.AnsCoder
_WORD_BITS = 32

Words = NDArray[np.uint32]
Symbols = NDArray[np.int32]


class AnsStack:
    """A stack code (https://arxiv.org/abs/0902.0271): what was pushed last is popped first.

    A pop of a number that nobody pushed takes bits off the stack, and a push of that number later gives them back:
    that is how bits come back (https://arxiv.org/abs/1901.04866). Where the stack is empty, pops give no draws.

    Args:
        words: what `words` gave, to go on with; none: the stack is empty.

    Raises:
        ValueError: words that `words` never gives.
    """

    def __init__(self, words: Words | None = None) -> None:
        self._coder = _Coder() if words is None else _Coder(words)
        self._low_water = self.depth

    @classmethod
    def above(cls, words: Words) -> Self:
        """A stack on top of any words, which pops may take as random bits; `beneath` gives them again."""
        made = cls()
        made._coder = _Coder(words, seal=True)
        made._low_water = made.depth
        return made

    def push(self, symbols: Symbols, models: Models) -> None:
        """Push n numbers, so that `pop` of the same models gives them in this order.

        Raises:
            ValueError: a number that its distribution does not have.
        """
        if not len(symbols):
            return
        for part in reversed(list(models.parts())):
            own = symbols if part.places is None else symbols[part.places]
            if part.offsets is not None:
                own = own - part.offsets
            try:
                self._coder.encode_reverse(np.ascontiguousarray(own), part.family, *_dense(part.parameters))
            except KeyError:
                raise ValueError("a number must be one that its distribution has") from None

    def pop(self, models: Models) -> Symbols:
        """n numbers, one of each of the models."""
        symbols = np.zeros(models.count, np.int32)
        for part in models.parts() if len(symbols) else ():
            own = self._coder.decode(part.family, *_dense(part.parameters))
            if part.offsets is not None:
                own = own + part.offsets
            symbols[slice(None) if part.places is None else part.places] = own
        self._low_water = min(self._low_water, self.depth)
        return symbols

    def mask(self, words: Words) -> None:
        """Exclusive or of what is below the top word, as far down as `words` go; once more undoes it.

        What was pushed by a model that fits badly is no random bits, and pops of it no draws; masked by random words
        they are. The top word stays, whose size is that of the stack.
        """
        own = self.words()
        count = min(len(words), len(own) - 1)
        if count > 0:
            own[-1 - count : -1] ^= words[len(words) - count :]
            self._coder = _Coder(own)

    @property
    def bits(self) -> float:
        """How much is on the stack; the difference of two is what was pushed in between, fractions and all."""
        _, state = self._coder.pos()
        return _WORD_BITS * self.depth + math.log2(max(state, 1))

    @property
    def depth(self) -> int:
        """Whole words below the state, which is the top 32 to 64 bits."""
        depth: int = self._coder.pos()[0]
        return depth

    @property
    def low_water(self) -> int:
        """The least `depth` there ever was: so many words at the bottom were never looked at."""
        return self._low_water

    def words(self) -> Words:
        """All of it, 32-bit words, the bottom first."""
        words: Words = self._coder.get_compressed()
        return words

    def beneath(self) -> Words:
        """The words that the stack was begun above, when all that was pushed is popped.

        Raises:
            ValueError: something else is still on it.
        """
        try:
            words: Words = self._coder.get_compressed(unseal=True)
        except AssertionError:
            raise ValueError("a stack must hold what it was begun above and nothing else") from None
        return words


def _dense(parameters: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
    """As they lie in memory: the coder takes no heed of strides."""
    return [np.ascontiguousarray(one) for one in parameters]
