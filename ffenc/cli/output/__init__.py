"""Print results, progress and logs."""
