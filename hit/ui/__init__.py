"""What people see of runs in the MLflow UI: names, notes, and views of an experiment."""
