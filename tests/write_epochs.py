"""A process that writes a run, as a training does: `python -m tests.write_epochs STATE_DIR EPOCHS SECONDS`."""

import sys
import time
from pathlib import Path

from hit.schema import Kind
from hit.tracking import RunWriter


def main() -> None:
    """Write a metric and an artifact, an epoch after the other."""
    state, epochs, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    with RunWriter.begin(kind=Kind.TRAIN, name=f"writer {state.name}", state_dir=state) as run:
        run.params({"channels": 16, "model": "ghvae"})
        for step in range(1, epochs + 1):
            run.check()
            run.metrics({"train/rate_1": float(step), "train/rate_2": -float(step)}, step=step)
            time.sleep(seconds)
        run.json_artifact("config.json", {"channels": 16})


if __name__ == "__main__":
    main()
