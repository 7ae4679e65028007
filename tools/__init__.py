"""Commands for developing ffenc."""
