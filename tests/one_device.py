"""A device beside the CPU that any machine has: tensors that refuse to be computed together with those of the CPU."""

__all__ = ["DEVICE", "BesideCpu"]

from types import TracebackType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

#: What its tensors say that they are on.
DEVICE = torch.device("meta")

_MOVES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}
#: These take places from the CPU on a GPU, too.
_INDEXING = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default}


class _There(torch.Tensor):
    """Numbers on the device, which are on the CPU in truth."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "_There":
        there = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        there.held = held
        return there

    def tolist(self) -> Any:
        return self.held.tolist()

    def new_tensor(self, numbers: Any, **options: Any) -> torch.Tensor:  # type: ignore[override]
        return _tensor(numbers, **{"dtype": self.dtype, "device": DEVICE, **options})

    def numpy(self, *, force: bool = False) -> Any:
        raise AssertionError("a tensor of the device must be moved to the CPU before numpy sees it")

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(function, args, kwargs or {})


class BesideCpu(TorchDispatchMode):
    """While it is entered, what is made on or moved to `DEVICE` is there, and mixing it with others is an error.

    A GPU refuses the same: tensors of both together, but for single numbers, and `numpy` of its own. Generators of the
    device are the CPU's: `torch.Generator` is another class meanwhile. Parameters whose `data` are set keep their old
    numbers: nothing is to be trained there for its numbers' sake.
    """

    def __enter__(self) -> "BesideCpu":
        self._generator, self._tensor = torch.Generator, torch.tensor
        torch.Generator, torch.tensor = _Generator, _tensor  # type: ignore[misc,assignment]
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        torch.Generator, torch.tensor = self._generator, self._tensor  # type: ignore[misc]

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(function, args, kwargs or {})


class _Generator(torch.Generator):
    def __new__(cls, device: Any = "cpu") -> "_Generator":
        return super().__new__(cls, "cpu" if torch.device(device) == DEVICE else device)


def _tensor(numbers: Any, *, device: Any = None, _made: Any = torch.tensor, **options: Any) -> torch.Tensor:
    """`torch.tensor`, which asks nobody where it is made."""
    made: torch.Tensor = _made(numbers, **options)
    return made if device is None else made.to(device)


def _computed(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    there = [one for one in tensors if isinstance(one, _There)]
    here = [one for one in tensors if not isinstance(one, _There) and one.dim()]
    if there and here and function not in _MOVES | _INDEXING:
        raise AssertionError(f"{function} must have tensors of one device, got those of the CPU beside others")
    own_args, own_kwargs = tree_map(_held, (args, kwargs))
    device = own_kwargs.get("device")
    if device == DEVICE:
        own_kwargs["device"] = torch.device("cpu")
    found = function(*own_args, **own_kwargs)
    if function in _MOVES and device is not None and found is own_args[0]:
        found = found.clone()
    is_there = bool(there) if device is None else device == DEVICE
    if function is torch.ops.aten.copy_.default:
        return args[0]
    if not is_there:
        return found
    wrapped = tree_map(lambda one: _There(one) if isinstance(one, torch.Tensor) else one, found)
    return return_and_correct_aliasing(function, args, kwargs, wrapped)


def _held(one: Any) -> Any:
    return one.held if isinstance(one, _There) else one
