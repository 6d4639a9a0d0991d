"""Random numbers as functions of what they are for, so that nothing has to be kept to go on where one stopped."""

__all__ = ["generator"]

import hashlib

import torch


def generator(purpose: str, seed: int, epoch: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on all of its arguments and on nothing else.

    torch's CPU generator takes 32 bits of a seed and drops the rest, so the arguments are hashed, not packed.

    Args:
        purpose: names the stream: batches and noise of one epoch must not be the same numbers.
        seed: of the run.
        epoch: counted from 0.
        device: where the numbers are drawn.
    """
    digest = hashlib.sha256(f"{purpose} {seed} {epoch}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:4], "big"))
