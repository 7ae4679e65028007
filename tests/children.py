"""Run a function of a test module in a Python process of its own, for what only a process can be limited to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable


def run_python(function: Callable[..., None], *arguments: str, timeout_s: float) -> str:
    """Call a module's function with texts, and return what it prints.

    Raises:
        AssertionError: it failed.
        subprocess.TimeoutExpired: it did not end.
    """
    call = f"import sys; from {function.__module__} import {function.__name__} as f; f(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", call, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
