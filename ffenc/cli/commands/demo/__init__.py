"""Record a small dataset from synthetic frames and show every step."""
