"""The paper's statements, each a query over the runs with a verdict."""
