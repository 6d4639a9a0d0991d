"""Which run, and which region of rate space, serves an application best."""
