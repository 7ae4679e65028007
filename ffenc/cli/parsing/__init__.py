"""Read arguments and values, and explain what cannot be read."""
