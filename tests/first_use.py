"""The first use of a store: `python -m tests.first_use CLIENT URI`, by MLflow's own client, or by ours with a run."""

import sys

from mlflow import MlflowClient

from hit.connection import connect, experiment_id
from hit.connection.idempotent_creation import create_run

if __name__ == "__main__":
    client, uri = sys.argv[1:]
    if client == "mlflow":
        MlflowClient(uri).search_experiments()
    else:
        ours = connect(uri)
        create_run(ours, experiment_id(ours, "crowd"), name="one of many", tags={})
