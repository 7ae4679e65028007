"""Parse arguments and values, and explain usage errors."""
