"""The device by its name, and what is set with it."""

from collections.abc import Iterator

import pytest
import torch

from hit.errors import ConfigError
from hit.processes.devices import select_device


@pytest.fixture
def tf32() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.mark.usefixtures("tf32")
def test_float32_is_float32_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    assert select_device("cpu") == torch.device("cpu")
    assert torch.backends.cudnn.allow_tf32, "another's setting is left alone where it means nothing"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert select_device("auto") == torch.device("cuda")
    assert not torch.backends.cudnn.allow_tf32


def test_one_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="device must be auto, cpu or a CUDA device at hand, got 'cuda:9'"):
        select_device("cuda:9")
