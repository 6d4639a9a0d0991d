"""Many images as one run of words: chains of bits back side by side, of which the first lends the others their bits."""

__all__ = ["MOST_CHAINS", "CodedChunk", "LosslessChunks"]

import hashlib
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hit.coding.ans_stack import AnsStack, Words
from hit.coding.bits_back import BitsBack, Costs, Samples
from hit.errors import DataError, Diverged

MOST_CHAINS = 1024
_WORD_BYTES, _WORD_BITS = 4, 32
#: A latent takes at most 24 bits where it is drawn.
_MOST_SYMBOL_BITS = 24
#: Words that a chain keeps beside those that it lends, and those that a borrower has more than the first chain took.
_SPARE = 8
_HEAD, _SPLIT = struct.Struct("<HHI"), struct.Struct("<II")


@dataclass(frozen=True)
class CodedChunk:
    """Images as bytes.

    Attributes:
        payload: what `LosslessChunks.decode` takes.
        costs: net bits of every image, parts in the order of the images.
        samples: what the model's densities say of the same images and latents, likewise, where that was asked for.
        initial_bits: what the payload has beside the sum of these: the first chain's random bits, which come back to
            nobody, and the ends of the chains.
    """

    payload: bytes
    costs: list[Costs]
    samples: list[Samples]
    initial_bits: float


@dataclass(frozen=True)
class _Split:
    """After a step, as many more chains are begun as there are, or as there may be: each of words of another."""

    step: int
    words: int


class LosslessChunks:
    """Codes chunks of images, in batches of one image a chain.

    A chain has to have bits for the latents of its first image, which others do not need: the first chain begins with
    random ones, and each other on words that were at the bottom of another's stack, as soon as that has enough. So
    chains double, and a chunk of however many chains pays for the initial bits once. Before each image a chain's bits
    are masked by random ones, so that latents are draws of their posterior even where the model fits badly.

    Args:
        coder: of the images.
        shape: of x.
        chains: at most; as many images pass through the networks at once.
    """

    def __init__(self, coder: BitsBack, shape: tuple[int, ...], chains: int) -> None:
        assert 1 <= chains <= MOST_CHAINS
        self._coder = coder
        self._shape = shape
        self._chains = chains
        numbers = sum(math.prod(latent) for latent in coder.model.latent_shapes)
        self._ample = numbers * _MOST_SYMBOL_BITS // _WORD_BITS + _SPARE

    def encode(
        self, levels: Tensor, check: Callable[[int], None] = lambda done: None, *, measured: bool = False
    ) -> CodedChunk:
        """Code images.

        Args:
            levels: n × shape of x, int32, n ≥ 1.
            check: called after every batch with how many are done; raises to stop.
            measured: whether densities are told, too.

        Raises:
            Diverged: the model gives numbers that are not finite.
        """
        reserve = self._first_need(levels[:1])
        stacks = [AnsStack.above(_random_words(reserve))]
        splits: list[_Split] = []
        costs: list[Costs] = []
        samples: list[Samples] = []
        done = step = 0
        while done < len(levels):
            part = levels[done : done + len(stacks)]
            _mask(stacks[: len(part)], step, reserve)
            if measured:
                cost, sample = self._coder.push_measured(stacks[: len(part)], part)
                samples.append(sample)
            else:
                cost = self._coder.push(stacks[: len(part)], part)
            costs.append(cost)
            done += len(part)
            step += 1
            check(done)
            lent = reserve + reserve // 4 + _SPARE
            more = self._more(len(stacks))
            if more and len(levels) - done > 2 * len(stacks) and all(one.depth > 2 * lent for one in stacks):
                splits.append(_Split(step, lent))
                for donor in range(more):
                    stacks.append(_lend(stacks, donor, lent))
        payload = _packed(reserve, splits, [stack.words() for stack in stacks])
        net = sum(float(part.total.sum()) for part in costs)
        return CodedChunk(payload, costs, samples, 8 * len(payload) - net)

    def decode(self, payload: bytes, count: int, check: Callable[[int], None] = lambda done: None) -> Tensor:
        """The levels of `count` images.

        Raises:
            DataError: the payload is not what `encode` gave, or networks compute other digits here.
        """
        masked, splits, words = _unpacked(payload)
        batches, chains = self._batches(count, splits)
        if chains != len(words) or masked > self._ample:
            raise _damaged()
        try:
            stacks = [AnsStack(part) for part in words]
            parts = list(self._popped(stacks, batches, splits, masked, check))
            rest = stacks[0].beneath()
        except (ValueError, Diverged):
            raise _damaged() from None
        if not np.array_equal(rest, _random_words(len(rest))):
            raise _damaged()
        return torch.cat(parts[::-1])

    def _batches(self, count: int, splits: list[_Split]) -> tuple[list[int], int]:
        """How many images each step has, and how many chains there are in the end."""
        waiting = splits[::-1]
        batches: list[int] = []
        chains, done = 1, 0
        while done < count:
            batches.append(min(chains, count - done))
            done += batches[-1]
            if waiting and waiting[-1].step == len(batches):
                del waiting[-1]
                chains += self._more(chains)
        if waiting:
            raise _damaged()
        return batches, chains

    def _more(self, chains: int) -> int:
        """How many chains are begun where there are so many."""
        return min(chains, self._chains - chains)

    def _popped(
        self,
        stacks: list[AnsStack],
        batches: list[int],
        splits: list[_Split],
        masked: int,
        check: Callable[[int], None],
    ) -> Iterator[Tensor]:
        """The images of every batch, the last first; one stack is left."""
        waiting = list(splits)
        sizes = [1]  # chains before each split
        for _ in splits:
            sizes.append(sizes[-1] + self._more(sizes[-1]))
        done = 0
        for step in range(len(batches), 0, -1):
            if waiting and waiting[-1].step == step:
                _give_back(stacks, sizes[len(waiting) - 1], waiting.pop().words)
            active = stacks[: batches[step - 1]]
            yield self._coder.pop(active, self._shape)
            _mask(active, step - 1, masked)
            done += batches[step - 1]
            check(done)

    def _first_need(self, image: Tensor) -> int:
        """Words that an image's latents take where the stack has nothing but random ones."""
        stack = AnsStack.above(_random_words(self._ample))
        self._coder.push([stack], image)
        return self._ample - stack.low_water + 1


def _lend(stacks: list[AnsStack], donor: int, count: int) -> AnsStack:
    """A new stack above the lowest words of another, which goes on without them."""
    words = stacks[donor].words()
    stacks[donor] = AnsStack(words[count:])
    return AnsStack.above(words[:count])


def _give_back(stacks: list[AnsStack], before: int, count: int) -> None:
    """Undo `_lend` of all stacks from `before` on."""
    for donor, borrower in enumerate(stacks[before:]):
        words = borrower.beneath()
        if len(words) != count:
            raise _damaged()
        stacks[donor] = AnsStack(np.concatenate([words, stacks[donor].words()]))
    del stacks[before:]


def _mask(stacks: list[AnsStack], step: int, count: int) -> None:
    """Mask so many words of each stack, or undo it; before the first image there are none but random ones."""
    for chain, stack in enumerate(stacks) if step else ():
        stack.mask(_random_words(count, f"{step} {chain}"))


def _random_words(count: int, purpose: str = "") -> Words:
    """Random bits that anyone can make again, the first `count` words of an endless run; the first is the top one."""
    digest = hashlib.shake_128(f"random bits {purpose}".encode()).digest(_WORD_BYTES * count)
    return np.frombuffer(digest, "<u4").astype(np.uint32)[::-1].copy()


def _packed(masked: int, splits: list[_Split], words: list[Words]) -> bytes:
    head = _HEAD.pack(len(splits), len(words), masked) + b"".join(
        _SPLIT.pack(split.step, split.words) for split in splits
    )
    lengths = np.array([len(part) for part in words], "<u4").tobytes()
    return head + lengths + np.concatenate(words).astype("<u4").tobytes()


def _unpacked(payload: bytes) -> tuple[int, list[_Split], list[Words]]:
    try:
        count, chains, masked = _HEAD.unpack_from(payload)
        splits = [_Split(*_SPLIT.unpack_from(payload, _HEAD.size + number * _SPLIT.size)) for number in range(count)]
        start = _HEAD.size + count * _SPLIT.size
        lengths = np.frombuffer(payload, "<u4", chains, start).astype(np.int64)
        words = np.frombuffer(payload, "<u4", offset=start + lengths.nbytes // 2).astype(np.uint32)
    except (struct.error, ValueError):
        raise _damaged() from None
    if lengths.sum() != len(words):
        raise _damaged()
    return masked, splits, np.split(words, lengths.cumsum()[:-1])


def _damaged() -> DataError:
    return DataError("coded images must be as they were written, and coded by this model: these are not")
