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
_TAKEN = """
## Taken

Processor time, one thread, before and after in turn, on a busy machine.

- **Softplus through 64-bit numbers**, where the processor has AVX-512: torch 2.14 computes log1p (and expm1) of 32-bit
  numbers one by one there, 9.5 ns each beside 0.9 with AVX2, and softplus takes 10.4 instead of 2.1 ns. In 64 bits and
  back it takes 2.7 ns. A step takes 0.94 of the time for binary images, 0.98 for colour (medians of 8 pairs), the
  objectives equal to 3e-8.
- **Core metrics of a test set**: reconstructions from means are made without their rates and distortion, and the
  entropy of the test set is computed once a process: 0.91 instead of 1.24 s for 10,000 binary images of 28 × 28 and 16
  channels (softplus is part of it), rates and distortion equal to 1e-9.
- **A cell of a surface** on the digits, core metrics and its run: 204 instead of 273 to 287 ms (25 cells). Plain
  layers are copied without the heads that they are made of, PNG files are compressed in half of the time and not once
  more for the UI, a run's params, metrics and tags go in one request, and no store is opened for a classifier that no
  group asks for. Metrics equal to 2e-6.
- **Probes** of 10,000 points, latents of a model of binary MNIST: 5.63 instead of 7.32 s (samples of 256 dimensions),
  2.76 instead of 3.14 (posterior means of 256), 1.95 instead of 2.25 (samples of 20), all scores equal. Machines are
  evaluated by matrix products, and each pair of classes is fitted as a piece of its own, to the last bit as libsvm fits
  it: threads share the pieces, where the longest machine took one thread before.
- **Mixed-KSG** of 10,000 points: 3.20 instead of 5.87 s of 256 dimensions, 0.46 instead of 0.72 of 20. A distance of
  points of two classes is computed once for both. Counts equal.
  Then 1.45 instead of 2.85 s (posterior samples of another model, 256 dimensions) and 0.31 instead of 0.40: of pairs of
  two classes, dimensions are looked at from the widest, and where a quarter of them leaves one pair in twenty near, the
  rest for these alone. Estimates equal to the last bit.
- **The classifier that scores samples**: 0.60 instead of 1.56 s for 10,000 images of 28 × 28, twice as fast for
  reconstructions, decoding among them. It looks at what a processor's cache holds, numbers of a pixel side by side
  (channels_last). DenseNet-121 takes 1.6 s for 128 images of 32 × 32 instead of 3.7, ResNet-18 0.61 instead of 0.95.
  Scores equal to 3e-8.
- **Precision, recall, density and coverage**: 1.80 instead of 2.50 s for 10,000 and 10,000 images. Squared distances
  are compared, in memory that is asked for once. Scores equal. In 32 bits they would take 0.7 of that, and what lies
  near a threshold would have to be looked at again.
- **All metrics** of a model of binary MNIST, N = 10,000: 20.8 instead of 26.2 s, by the three above;
  12.1 s by the clock on two threads of a quiet machine.
- **The start of a training**, digits, to its first step: 3.02, 3.02, 2.87, 2.64 and 2.57 s instead of 3.78, 3.70, 3.69,
  3.39 and 3.21. Python looks for garbage less often: it did so a thousand times in what imports make, which is none.
- **A pruner in a block**, 200 models beside 100 finished runs: a question takes 0.2 instead of 8.0 ms (median) and 0.3
  instead of 39 (halving, at a rung; between rungs nothing). The study is kept from one question to the next, with the
  answers of one that is made anew.
"""
_TRIED = """
## Tried, and not taken

Processor time, one thread, before and after in turn in one process, on a busy machine.

- **channels_last** in a training step, batches of 256: 1.00 of the time for binary images and 16 channels, 0.98 for
  colour and 32 (medians of 12 pairs), the objective equal. Of the binary step, convolutions take 60 % (their backward
  alone 33 %), the softplus of scales and its backward 7 %, ReLU's backward 7 %, matrix products 5 %, and Adam (fused)
  0.3 % (before softplus went through 64-bit numbers).
- **Other sizes of batches** in a pass over a test set: 500 to 100 images at a time take the same time to 6 %, fewer
  take longer; `torch.inference_mode` instead of `no_grad`, and channels_last, take 0.98 to 1.00.
- **A step in parts** whose activations fit the processor's cache, batches of 256 as 2, 4 and 8: 1.10, 1.30 and 1.69 of
  the time for binary images, 1.01, 1.12 and 1.30 for colour. No page is faulted in anew during a step: memory that was
  freed is kept. Of the colour step, convolutions take 76 % (their backward alone 47 %), ReLU's backward 11 %, matrix
  products 4 %, Adam (fused) 1 %: what is left is the arithmetic of small convolutions.
- **scikit-learn-intelex** (2026.2) for the support vector machines, on latents of a model of binary MNIST, N = 10,000,
  took longer: 1.9 and 3.6 times as long (RBF and linear, posterior means of 256 dimensions), 1.9 and 2.3 times (of 20),
  1.2 times (RBF, samples of 20), where scikit-learn takes 0.8 to 2.4 s. One prediction of 2,000 was another one in two
  of these five cases, so that its scores are those of another evaluator. On samples of 256 dimensions, where a linear
  machine takes 19 s, it was not measured.
- **Kernel matrices by BLAS**, a pair of classes at a time, for the same: all predictions equal, and 1.2 to 1.4 times as
  long on posterior means of 256 dimensions; the linear machine of samples of 256 took 16.3 instead of 19.1 s. Its
  iterations are what takes long. On a model of three epochs 1.05 to 2 times as long, but 0.7 for RBF
  on samples of 256.
- **The first reading of many runs from a server**: of 600 runs of 26 params, 223 metrics and 17 tags, a server's search
  takes 4.8 s and its JSON 1.9, ours of the answer 0.1. It makes an object of every row, 160,000 here. Pages of 100 or
  250 runs take 0.97 of the time of pages of 1,000, no order as long, and MLflow's API has no search that returns a part
  of a run: what is left is more processes and cores of the server, which four requests at a time keep at work.
- **MLflow's part for language models** (`mlflow.genai`), which `import mlflow` imports and a training never uses: a
  loader that waits until somebody asks for it saved 0.2 of 4.5 s of a start. It would change how MLflow is imported
  in everybody's process. Of what is imported before the first step, torch is 41 %, MLflow 23 %, our own modules 7 %.
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
    return _TOP + "\n".join(lines) + "\n" + _TAKEN + _TRIED


def main() -> None:
    """Write the page."""
    PAGE.write_text(benchmarks_page(json.loads(RECORD.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
