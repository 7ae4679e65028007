"""Hardware encoders that were run; written by ``tools/hardware_table.py`` from ``docs/hardware/*.json``."""

from __future__ import annotations

RUN: frozenset[str] = frozenset()
"""Encoders with a proof from a machine that has the hardware; passed or failed."""
