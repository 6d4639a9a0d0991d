"""The generated page of what was measured: docs/benchmarks.md of docs/benchmarks.json.

    python -m docs.make_benchmarks

writes it anew; `make bench` measures.
"""

__all__ = ["PAGE", "benchmarks_page", "main"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
RECORD = ROOT / "docs" / "benchmarks.json"

_TOP = """\
# Benchmarks

<!-- Made by `python -m docs.make_benchmarks`: measure anew (`make bench`), do not change this page. -->

`python -m tests.benchmarks.record` measures what people wait for, each in a process of its own on one thread, prints
it beside the last recorded numbers as ratios, and records it in `docs/benchmarks.json`; `--only NAME` measures one.
Processor time (user and system) is what to compare: wall-clock time was taken on a machine that did other things as
well. `make bench` does this, makes this page anew, and runs the other benchmarks.

"""
_TRIED = """
## Tried, and not taken

Processor time, one thread, before and after in turn in one process, on a busy machine.

- **channels_last** in a training step, batches of 256: 1.00 of the time for binary images and 16 channels, 0.98 for
  colour and 32 (medians of 12 pairs), the objective equal. Of the binary step, convolutions take 60 % (their backward
  alone 33 %), the softplus of scales and its backward 7 %, ReLU's backward 7 %, matrix products 5 %, and Adam (fused)
  0.3 %: small operations are no part of it that could be saved.
- **scikit-learn-intelex** (2026.2) for the support vector machines, on latents of a model of binary MNIST, N = 10,000,
  took longer: 1.9 and 3.6 times as long (RBF and linear, posterior means of 256 dimensions), 1.9 and 2.3 times (of 20),
  1.2 times (RBF, samples of 20), where scikit-learn takes 0.8 to 2.4 s. One prediction of 2,000 was another one in two
  of these five cases, so that its scores are those of another evaluator. On samples of 256 dimensions, where a linear
  machine takes 19 s, it was not measured.
- **Kernel matrices by BLAS**, a pair of classes at a time, for the same: all predictions equal, and 1.2 to 1.4 times as
  long on posterior means of 256 dimensions; the linear machine of samples of 256 took 16.3 instead of 19.1 s. Its
  iterations are what takes long. Pairs as tasks of their own would share them among cores.
"""


def benchmarks_page(record: Mapping[str, Any]) -> str:
    """The page, as Markdown."""
    machine, versions = record["machine"], record["versions"]
    named = ", ".join(f"{name} {text}" for name, text in versions.items())
    lines = [
        f"Measured on {record['date']}: {machine['processor']}, {machine['cores']} cores, {machine['system']};",
        f"{named}.",
        "",
        "| name | what | processor time | wall-clock time |",
        "|---|---|---|---|",
    ]
    for name, number in record["numbers"].items():
        unit = number["unit"]
        lines.append(f"| {name} | {number['what']} | {number['cpu']:g} {unit} | {number['wall']:g} {unit} |")
    return _TOP + "\n".join(lines) + "\n" + _TRIED


def main() -> None:
    """Write the page."""
    PAGE.write_text(benchmarks_page(json.loads(RECORD.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
