"""Quantize depth maps to 12-bit codes and back, exactly as LeRobot does (its ``datasets/depth_utils.py``).

Code 0 is ``depth_min`` and code 4095 is ``depth_max``.  The steps between them are equal, or logarithmic and finer near the
camera.  The video stores codes losslessly; only the quantization loses information:

* a depth between two codes is rounded to the nearer one;
* a depth below ``depth_min`` becomes ``depth_min``, and a depth above ``depth_max`` becomes ``depth_max``;
* invalid depth (0 or NaN) becomes ``depth_min``.

The calculation is float32 in the unit of the input, like LeRobot's, so that both round to the same codes.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ffenc.depth_range import DEPTH_MAX_M, DEPTH_MIN_M, SHIFT_M
from ffenc.errors import FrameError

DepthUnit: TypeAlias = Literal["mm", "m"]
"""``"mm"`` is uint16 millimetres, ``"m"`` is float32 metres."""

Codes: TypeAlias = npt.NDArray[np.uint16]
"""12-bit codes, 0 to `LARGEST_CODE`."""

LARGEST_CODE = 4095

_MM_PER_M = 1000.0
_LARGEST_MM = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthQuantizer:
    """Convert depth to codes and back with one set of parameters.

    A quantizer is cheap to create: its tables are computed on first use and shared between equal quantizers.  Thread-safe.

    ``dequantize`` followed by ``quantize`` returns the same codes under two conditions.  In millimetres, the depths of codes
    must be more than 1 mm apart and below 65.535 m (LeRobot's defaults: 1.155 mm at the near end).  In metres, float32 must
    be able to represent the steps.

    Attributes:
        depth_min: depth of code 0, in metres.
        depth_max: depth of code 4095, in metres.
        shift: added to a depth before the logarithm, in metres; a larger value makes the steps more equal.
        use_log: use logarithmic steps; False uses equal steps and ignores ``shift``.

    Raises:
        ValueError: a value is not finite, or not 0 <= depth_min < depth_max, or not depth_min + shift > 0.
    """

    depth_min: float = DEPTH_MIN_M
    depth_max: float = DEPTH_MAX_M
    shift: float = SHIFT_M
    use_log: bool = True

    def __post_init__(self) -> None:
        values = f"depth_min={self.depth_min}, depth_max={self.depth_max}, shift={self.shift}"
        if not all(map(math.isfinite, (self.depth_min, self.depth_max, self.shift))):
            raise ValueError(f"{values}: all three must be finite numbers of metres")
        if not 0 <= self.depth_min < self.depth_max:
            raise ValueError(f"{values}: expected 0 <= depth_min < depth_max")
        if self.use_log and self.depth_min + self.shift <= 0:
            raise ValueError(f"{values}: expected depth_min + shift > 0, because its logarithm is taken")
        for per_m in (1.0, _MM_PER_M):
            with np.errstate(over="ignore", invalid="ignore"):
                low, high = _ends(self, per_m)
                span = np.float32(high - low)
            if not (np.isfinite(span) and span > 0):
                raise ValueError(f"{values}: float32 cannot represent the steps between depth_min and depth_max")

    def __call__(self, depth: npt.NDArray[Any], out: Codes | None = None) -> Codes:
        """Call `quantize`."""
        return self.quantize(depth, out)

    def quantize(self, depth: npt.NDArray[Any], out: Codes | None = None) -> Codes:
        """Convert depth to codes.

        Args:
            depth: ``(H, W)`` or ``(H, W, 1)``; uint16 millimetres (fast, by table) or float32 metres.  NaN and values below
                ``depth_min`` become code 0, values above ``depth_max`` become 4095.
            out: ``(H, W)`` uint16 array for the result; None creates one.

        Returns:
            ``(H, W)`` codes, a frame of layout ``"gray12"``.

        Raises:
            FrameError: the shape or dtype is not supported.
        """
        plane = _plane(depth)
        if out is not None and (not isinstance(out, np.ndarray) or out.shape != plane.shape or out.dtype != np.uint16):
            raise _frame_error("out", f"{plane.shape} uint16", out)
        if plane.dtype == np.uint16:
            # The table has every uint16; "wrap" only saves numpy the bounds check.
            return np.take(_code_table(self), plane, out=out, mode="wrap")
        codes = _computed(self, plane, 1.0)
        if out is None:
            return codes.astype(np.uint16)
        np.copyto(out, codes, casting="unsafe")
        return out

    def dequantize(self, codes: npt.NDArray[Any], unit: DepthUnit = "mm") -> npt.NDArray[Any]:
        """Convert codes to depth.

        Args:
            codes: uint16 array of any shape, values up to 4095.
            unit: ``"mm"`` for uint16 millimetres (rounded, at most 65535), ``"m"`` for float32 metres.

        Returns:
            An array of the same shape with depths in ``[depth_min, depth_max]``.

        Raises:
            FrameError: the dtype is not uint16, or a value is above 4095.
            ValueError: the unit is unknown.
        """
        if unit not in ("mm", "m"):
            raise ValueError(f"unknown unit {unit!r}; expected 'mm' or 'm'")
        if not isinstance(codes, np.ndarray) or codes.dtype != np.uint16:
            raise _frame_error("codes", "uint16", codes)
        if codes.size and codes.max() > LARGEST_CODE:
            raise _frame_error("codes", f"uint16 of at most {LARGEST_CODE}", codes, f" with a value of {codes.max()}")
        return np.take(_depth_table(self, unit), codes, mode="wrap")


def quantize_depth(
    depth: npt.NDArray[Any],
    *,
    depth_min: float = DEPTH_MIN_M,
    depth_max: float = DEPTH_MAX_M,
    shift: float = SHIFT_M,
    use_log: bool = True,
) -> Codes:
    """Convert depth to 12-bit codes; see `DepthQuantizer` for the parameters.

    Args:
        depth: ``(H, W)`` or ``(H, W, 1)``, uint16 millimetres or float32 metres.  Invalid depth (0, NaN) becomes
            ``depth_min``.

    Returns:
        ``(H, W)`` uint16 codes, 0 to 4095.

    Raises:
        FrameError: the shape or dtype is not supported.
        ValueError: a parameter is invalid.
    """
    return DepthQuantizer(depth_min=depth_min, depth_max=depth_max, shift=shift, use_log=use_log).quantize(depth)


def dequantize_depth(
    codes: npt.NDArray[Any],
    *,
    depth_min: float = DEPTH_MIN_M,
    depth_max: float = DEPTH_MAX_M,
    shift: float = SHIFT_M,
    use_log: bool = True,
    unit: DepthUnit = "mm",
) -> npt.NDArray[Any]:
    """Convert 12-bit codes to depth; the parameters must be those of `quantize_depth`.

    Args:
        codes: uint16 array of any shape, values up to 4095.
        unit: ``"mm"`` for uint16 millimetres, ``"m"`` for float32 metres.

    Raises:
        FrameError: the dtype is not uint16, or a value is above 4095.
        ValueError: a parameter or the unit is invalid.
    """
    quantizer = DepthQuantizer(depth_min=depth_min, depth_max=depth_max, shift=shift, use_log=use_log)
    return quantizer.dequantize(codes, unit)


@functools.lru_cache(maxsize=32)
def _code_table(quantizer: DepthQuantizer) -> Codes:
    """Return a lookup table from uint16 millimetres to depth codes."""
    table = _computed(quantizer, np.arange(_LARGEST_MM + 1, dtype=np.float32), _MM_PER_M).astype(np.uint16)
    table.flags.writeable = False
    return table


@functools.lru_cache(maxsize=32)
def _depth_table(quantizer: DepthQuantizer, unit: DepthUnit) -> npt.NDArray[Any]:
    """Return a lookup table from depth codes to depth in a unit."""
    table: npt.NDArray[Any] = _depths_m(quantizer)
    if unit == "mm":
        table = np.clip(np.rint(table * np.float32(_MM_PER_M)), 0, _LARGEST_MM).astype(np.uint16)
    table.flags.writeable = False
    return table


def _ends(quantizer: DepthQuantizer, per_m: float) -> tuple[float, float]:
    """Return the ends of the scale: ``depth_min`` and ``depth_max``, or the logarithms of the shifted depths."""
    low, high = np.float32(quantizer.depth_min * per_m), np.float32(quantizer.depth_max * per_m)
    if not quantizer.use_log:
        return float(low), float(high)
    shift = np.float32(quantizer.shift * per_m)
    # float32 may round the sum to 0.
    return math.log(low + shift) if low + shift > 0 else -math.inf, math.log(high + shift)


def _computed(quantizer: DepthQuantizer, depth: npt.NDArray[np.float32], per_m: float) -> npt.NDArray[np.float32]:
    """Return codes as integral float32 numbers; ``per_m`` is the number of units of ``depth`` in a metre."""
    low, high = _ends(quantizer, per_m)
    # fmax replaces NaN.  Clipping before the logarithm gives the same codes as clipping after it, without negative numbers
    # or overflow.
    with np.errstate(invalid="ignore"):
        values: npt.NDArray[np.float32] = np.fmax(depth, np.float32(quantizer.depth_min * per_m))
    np.minimum(values, np.float32(quantizer.depth_max * per_m), out=values)
    if quantizer.use_log:
        values += np.float32(quantizer.shift * per_m)
        np.log(values, out=values)
    values -= np.float32(low)
    values /= np.float32(high - low)
    values *= np.float32(LARGEST_CODE)
    np.rint(values, out=values)
    # A signalling NaN is still a (quiet) NaN here.
    np.fmax(values, np.float32(0), out=values)
    np.minimum(values, np.float32(LARGEST_CODE), out=values)
    return values


def _depths_m(quantizer: DepthQuantizer) -> npt.NDArray[np.float32]:
    """Return the depth of every code in metres."""
    low, high, shift = float(quantizer.depth_min), float(quantizer.depth_max), float(quantizer.shift)
    if quantizer.use_log:
        low, high = math.log(low + shift), math.log(high + shift)
    # Only the product is float64, as in LeRobot: numpy promotes uint16 times float, and the result is stored as float32.
    depths = (np.arange(LARGEST_CODE + 1) * ((high - low) / LARGEST_CODE)).astype(np.float32)
    depths += np.float32(low)
    if quantizer.use_log:
        np.exp(depths, out=depths)
        depths -= np.float32(shift)
    return np.clip(depths, np.float32(quantizer.depth_min), np.float32(quantizer.depth_max), out=depths)


def _plane(depth: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not isinstance(depth, np.ndarray) or depth.dtype not in (np.uint16, np.float32):
        raise _frame_error("depth", "uint16 (millimetres) or float32 (metres)", depth)
    plane = depth[:, :, 0] if depth.ndim == 3 and depth.shape[2] == 1 else depth
    if plane.ndim != 2 or 0 in plane.shape:
        raise _frame_error("depth", "(H, W) or (H, W, 1)", depth)
    return plane


def _frame_error(name: str, expected: str, value: object, detail: str = "") -> FrameError:
    seen = f"{value.shape} {value.dtype.name}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
    return FrameError(f"{name}: expected {expected}, got {seen}{detail}", expected=expected, seen=seen + detail)
