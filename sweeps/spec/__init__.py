"""What a sweep is asked for, as validated options."""
