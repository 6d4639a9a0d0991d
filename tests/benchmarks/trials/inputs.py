"""Odd texts at every option of every command, and files with flipped, cut and foreign bytes."""

__all__ = ["files", "inputs"]

import contextlib
import importlib
import io
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from hit.errors import StoreError, UserError
from hit.processes.stop import StopRequest
from tests.benchmarks.trials.tally import Tally

#: Modules of commands.
_COMMANDS = (
    "hit.train",
    "hit.evaluate",
    "hit.classify",
    "hit.surface",
    "hit.import_runs",
    "sweeps.__main__",
    "sweeps.main",
    "analysis.__main__",
)
_WORDS = (
    "", " ", "0", "-1", "1", "2", "1.5", "-0", "1e-300", "1e300", "1e21", "nan", "inf", "-inf", "None", "null",
    "true", "0x10", "1_000", "½", "²", "١", "β", "\x00", "\n", "a\nb", "'", '"', "%", "%s", "{}", "{x}", "$HOME",
    "`id`", "../..", "~", "~nosuchuser/x", "/", "/nowhere/x", "/dev/null", "/dev/null/x", "x" * 300, "x" * 5000, "1,2",
    "1,,2", ",", "1:2", ":", "0.1:10:4", "0.1:10:1000000000", "1e-300:1e300:3", "10:0.1:4", "0.1:10:4:linear",
    "0.1:10:0", "rate_1=5:40", "rate_9=1:2", "rate=:60", "rate_1=40:5", "test/psnr>=18", "test/nosuch>=1",
    "test/psnr", "test/rate=min", "psnr", "beta_1 < 1", "metrics.beta_1 < 1", "params.x = 'y", "a=b=c", "median",
    "median:x", "threshold:1:2", "percentile:101", "corners", "1:1", "3000000000", "9" * 400, "digits", "mnist",
    "cifar10", "vae", "ghvae", "gvae", "mol", "conv", "cuda:99", "meta", "cpu", "core", "all", "core,core",
    "generation", "pareto:test/psnr", "learning_rate=1e-4:1e-2", "channels=8|16", "🤖" * 50,
)  # fmt: skip


def inputs(folder: Path, count: int, rng: random.Random) -> Tally:
    """Give `count` odd sets of options to the commands, up to where they would ask the store.

    Anything but a mistake told in one line, or a set of options that is taken, is a problem.
    """
    tally = Tally("odd options")
    reached = StoreError("the store was reached")
    with (
        mock.patch("hit.connection.connect", side_effect=reached),
        mock.patch("hit.store.store.connect", side_effect=reached),
        mock.patch("hit.recovery.recovery.connect", side_effect=reached),
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, {"HIT_STATE_DIR": str(folder / "state"), "HIT_THREADS": "1"}),
    ):
        taken = 0
        for _ in range(count):
            name = rng.choice(_COMMANDS)
            module = importlib.import_module(name)
            options = list(module.parser().defaults())
            argv = []
            for option in rng.sample(options, rng.randint(1, 3)):
                argv += [f"--{_misspelt(option, rng)}", _odd(rng)]
            tally.tried[name.removesuffix(".__main__")] += 1
            said = io.StringIO()
            try:
                with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                    module.main(argv, StopRequest())
                tally.check(False, f"{name} {argv}: did not come to the store")
            except UserError as error:
                taken += error is reached or str(error) == str(reached)
                line = str(error)
                tally.check(0 < len(line) < 1000, f"{name} {argv!r:.300}: a message of {len(line)} characters")
            except SystemExit as error:
                tally.check(error.code == 0, f"{name} {argv!r:.300}: {error!r}")
            except Exception as error:
                tally.check(False, f"{name} {argv!r:.300}: {type(error).__name__}: {error!s:.200}")
    tally.notes.append(f"{taken} of them were taken, the others refused in one line")
    return tally


def files(folder: Path, count: int, rng: random.Random) -> Tally:
    """Read `count` files with flipped, cut and foreign bytes: each is read, or refused in one line."""
    tally = Tally("hostile files")
    readers = list(_readers(folder))
    for number in range(count):
        name, whole, read = readers[number % len(readers)]
        tally.tried[name] += 1
        try:
            read(_spoilt(whole, rng))
        except UserError as error:
            tally.check(len(str(error)) < 1000, f"{name}: a message of {len(str(error))} characters")
        except Exception as error:
            tally.check(False, f"{name}: {type(error).__name__}: {error!s:.200}")
    return tally


def _readers(folder: Path) -> Iterator[tuple[str, bytes, Callable[[bytes], Any]]]:
    """Name of a kind of file, a whole one, and what reads the bytes of one."""
    from hit import data
    from hit.config import TrainConfig
    from hit.models import build_model
    from hit.research_code import translate_config
    from hit.training.checkpoints import load_weights, save_weights

    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(folder / "whole.npz", images=images, labels=np.arange(40) % 2)

    def read_npz(content: bytes) -> None:
        (folder / "spoilt.npz").write_bytes(content)
        data.load(str(folder / "spoilt.npz"))

    yield "npz", (folder / "whole.npz").read_bytes(), read_npz
    config = TrainConfig(channels=4, z_dims=(5,))
    model = build_model(config, (1, 28, 28))
    save_weights(folder / "whole.safetensors", model, "identity")

    saved = {key: value.clone() for key, value in model.state_dict().items()}

    def read_weights(content: bytes) -> None:
        (folder / "spoilt.safetensors").write_bytes(content)
        load_weights(folder / "spoilt.safetensors", model, "identity")
        if not all(value.equal(saved[key]) for key, value in model.state_dict().items()):
            model.load_state_dict(saved)
            raise ValueError("damaged weights load as if they were whole")

    yield "weights", (folder / "whole.safetensors").read_bytes(), read_weights
    research = {
        "dataset": "BinaryMNIST", "vae_type": "HVAE", "qz_family": "DiagonalGaussian", "px_y_family_ll": "Bernoulli",
        "beta_y": 1.0, "beta_z": 1.0, "conv_channels": 4, "z_dims": [5], "sigma": 0.03, "num_epochs": 1,
        "batch_size": 64, "learning_rate": 1e-3, "use_conv_z": False, "linear_y_with_dims": 0, "no_warmup": True,
    }  # fmt: skip

    def read_config(content: bytes) -> None:
        try:
            values = json.loads(content)
        except (ValueError, RecursionError):
            return
        if isinstance(values, dict):
            translate_config(values)

    yield "research config", json.dumps(research).encode(), read_config


def _spoilt(whole: bytes, rng: random.Random) -> bytes:
    content = bytearray(whole)
    kind = rng.randrange(5)
    if kind == 0:
        return bytes(content[: rng.randrange(len(content))])
    if kind == 1:
        for _ in range(rng.randint(1, 20)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        start = rng.randrange(len(content))
        content[start : start + rng.randint(1, 64)] = rng.randbytes(rng.randint(0, 64))
    elif kind == 3:
        return rng.randbytes(rng.randint(0, 400))
    else:  # values of JSON changed into others
        text = whole.decode("latin-1")
        for old in rng.sample(["1.0", "4", "[5]", "5", '"HVAE"', "false", "0.03", '"identity"', "shape"], 2):
            text = text.replace(old, rng.choice(["null", "1.5", "[]", "{}", '"x"', "-1", "1e999", "[" * 50]), 1)
        return text.encode("latin-1")
    return bytes(content)


def _odd(rng: random.Random) -> str:
    kind = rng.randrange(4)
    if kind < 3:
        return rng.choice(_WORDS)
    return "".join(rng.choice("0123456789.,:;=-+e<>/ |@abcβ\t") for _ in range(rng.randint(1, 12)))


def _misspelt(option: str, rng: random.Random) -> str:
    return option if rng.random() > 0.05 else option[:-1] + rng.choice("xyz_-1")
