"""Many cameras at once: a queue, a thread and an encoder for each, and time steps that stay together."""
