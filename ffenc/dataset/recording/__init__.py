"""A dataset that is being recorded: rows, episodes, commits, and recovery after a crash."""
