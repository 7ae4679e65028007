"""Prove on this machine that encoders do what their settings say: a table of checks, and a document of the result."""
