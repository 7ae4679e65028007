"""Frame rates as exact fractions. This module imports neither numpy nor pydantic."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from numbers import Rational, Real
from typing import Any, TypeAlias

FrameRate: TypeAlias = int | float | Fraction | Decimal | str
"""A frame rate such as ``30``, ``30.0``, ``Fraction(30000, 1001)`` or ``"30000/1001"``.

A decimal must be integral: 29.97 is 2997/100, and not the intended 30000/1001."""

MAX_FRAME_RATE = 1000
"""Largest supported frame rate; MP4 time bases beyond it are not exact in every FFmpeg build."""


def parse_frame_rate(fps: FrameRate) -> Fraction:
    """Return a frame rate as an exact fraction of frames per second.

    Args:
        fps: an integer, Fraction, text such as ``"30"`` or ``"30000/1001"``, or an integral decimal such as the ``15.0`` of
            OpenCV's ``CAP_PROP_FPS``.

    Raises:
        ValueError: it is not a number, a decimal that is not integral, not positive, or above `MAX_FRAME_RATE`.
    """
    rate = _possible_rate(fps)
    if rate.denominator > 1 and not _is_fraction(fps):
        raise ValueError(
            f"frame rate {fps!r} is not exact; use {str(_exact_rate(rate))!r} if that is the intended rate"
        )
    return rate


def whole_frame_rate(fps: FrameRate) -> int:
    """Return a frame rate that must be an integer, like those of datasets.

    Raises:
        ValueError: it is not an integer, or see `parse_frame_rate`.
    """
    rate = _possible_rate(fps)
    if rate.denominator > 1:
        raise ValueError(f"frame rate {fps!r} must be a whole number here, for example {max(1, round(rate))}")
    return int(rate)


def plain_frame_rate(fps: FrameRate) -> int | str:
    """Return a frame rate for a document: text unchanged, other values as an integer or as text.

    Raises:
        ValueError: see `parse_frame_rate`.
    """
    rate = parse_frame_rate(fps)
    if isinstance(fps, str):
        return fps
    return int(rate) if rate.denominator == 1 else str(rate)


def _possible_rate(fps: FrameRate) -> Fraction:
    rate = None if isinstance(fps, bool) else _rate_of(fps)
    if rate is None:
        raise ValueError(f"frame rate {fps!r} is not a number; use 30, Fraction(30000, 1001) or '30000/1001'")
    if not 0 < rate <= MAX_FRAME_RATE:
        raise ValueError(f"frame rate {fps!r} must be above 0 and at most {MAX_FRAME_RATE} frames per second")
    return rate


def _rate_of(fps: Any) -> Fraction | None:
    """Return the exact value of a number or text, or None if it is not a number."""
    try:
        if isinstance(fps, str) and (match := _RATE_TEXT.fullmatch(fps.strip())):
            return Fraction(match[1]) / int(match[2] or 1)
        if isinstance(fps, Rational):  # includes numpy's integers, which would overflow
            return Fraction(int(fps.numerator), int(fps.denominator))
        if isinstance(fps, Decimal):
            return Fraction(fps)
        return Fraction(float(fps)) if isinstance(fps, Real) else None
    except (ValueError, ZeroDivisionError, OverflowError):  # NaN, 1/0, infinity
        return None


def _is_fraction(fps: FrameRate) -> bool:
    return isinstance(fps, Rational) or (isinstance(fps, str) and re.search("[/:]", fps) is not None)


def _exact_rate(rate: Fraction) -> Fraction:
    """Return the exact rate that a rounded decimal approximates."""
    broadcast = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return broadcast if abs(broadcast - rate) < Fraction(1, 200) else rate.limit_denominator(1001)


_RATE_TEXT = re.compile(r"([+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[/:]([0-9]{1,18}))?")
