"""The loop around a driver: runs under way, budgets, decisions, and progress."""
