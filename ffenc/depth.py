"""Depth maps as 12-bit codes, exactly as LeRobot computes them (its ``datasets/depth_utils.py``).

A code is the place of a depth between ``depth_min`` (0) and ``depth_max`` (4095), in logarithmic steps, which are finer
near the camera, or in equal ones.  Codes are what the video stores, without loss; what is lost is lost here:

* depths between two codes are rounded to the nearer one;
* what is nearer than ``depth_min`` becomes ``depth_min``, what is farther than ``depth_max`` becomes ``depth_max``;
* invalid depth has no code of its own.  The 0 of a sensor's hole and NaN become ``depth_min``.

The calculation is float32 in the unit of the input, as LeRobot's is, because a code decides between two roundings.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ffenc.errors import FrameError

DepthUnit: TypeAlias = Literal["mm", "m"]
"""``"mm"`` is uint16 millimetres, ``"m"`` is float32 metres."""

Codes: TypeAlias = npt.NDArray[np.uint16]
"""12-bit codes, 0 to `LARGEST_CODE`."""

LARGEST_CODE = 4095

DEPTH_MIN_M = 0.01
"""LeRobot's default depth of code 0, in metres."""
DEPTH_MAX_M = 10.0
"""LeRobot's default depth of code 4095, in metres."""
SHIFT_M = 3.5
"""LeRobot's default of what is added to a depth before its logarithm is taken, in metres."""

_MM_PER_M = 1000.0
_LARGEST_MM = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthQuantizer:
    """Depth to codes and back, with one set of parameters.

    Cheap to make: its tables are computed when they are first needed and shared by all quantizers with the same
    parameters.  Thread-safe.

    ``dequantize`` followed by ``quantize`` gives the same codes, with two limits.  In millimetres it needs codes whose
    depths are more than 1 mm apart (LeRobot's defaults: 1.155 mm at the near end) and no farther than 65.535 m:
    otherwise two codes share a millimetre.  In metres it needs parameters whose steps float32 can tell apart.

    Attributes:
        depth_min: depth of code 0, in metres.
        depth_max: depth of code 4095, in metres.
        shift: added to a depth before its logarithm is taken, in metres; the larger, the more equal the steps.
        use_log: logarithmic steps; False makes them equal, and ``shift`` counts for nothing.

    Raises:
        ValueError: not finite, not 0 <= depth_min < depth_max, or a logarithm of nothing (depth_min + shift <= 0).
    """

    depth_min: float = DEPTH_MIN_M
    depth_max: float = DEPTH_MAX_M
    shift: float = SHIFT_M
    use_log: bool = True

    def __post_init__(self) -> None:
        said = f"depth_min={self.depth_min}, depth_max={self.depth_max}, shift={self.shift}"
        if not all(map(math.isfinite, (self.depth_min, self.depth_max, self.shift))):
            raise ValueError(f"{said}: all three must be finite numbers of metres")
        if not 0 <= self.depth_min < self.depth_max:
            raise ValueError(f"{said}: it must be 0 <= depth_min < depth_max")
        if self.use_log and self.depth_min + self.shift <= 0:
            raise ValueError(f"{said}: depth_min + shift must be above 0, because its logarithm is taken")
        for per_m in (1.0, _MM_PER_M):
            with np.errstate(over="ignore", invalid="ignore"):
                low, high = _ends(self, per_m)
                span = np.float32(high - low)
            if not (np.isfinite(span) and span > 0):
                raise ValueError(f"{said}: no scale of float32 numbers lies between these")

    def __call__(self, depth: npt.NDArray[Any], out: Codes | None = None) -> Codes:
        """The same as `quantize`."""
        return self.quantize(depth, out)

    def quantize(self, depth: npt.NDArray[Any], out: Codes | None = None) -> Codes:
        """Depth to codes.

        Args:
            depth: ``(H, W)`` or ``(H, W, 1)``; uint16 millimetres, looked up in a table, or float32 metres, computed.
                0, NaN and everything nearer than ``depth_min`` become code 0, everything beyond ``depth_max`` 4095.
            out: ``(H, W)`` uint16 array to write into; None makes a new one.

        Returns:
            ``(H, W)`` codes, a frame of layout ``"gray12"``.

        Raises:
            FrameError: another shape or dtype.
        """
        plane = _plane(depth)
        if out is not None and (not isinstance(out, np.ndarray) or out.shape != plane.shape or out.dtype != np.uint16):
            raise _frame_error("out", f"{plane.shape} uint16", out)
        if plane.dtype == np.uint16:
            # Every uint16 is in the table, so "wrap" changes nothing but that numpy need not check.
            return np.take(_code_table(self), plane, out=out, mode="wrap")
        codes = _computed(self, plane, 1.0)
        if out is None:
            return codes.astype(np.uint16)
        np.copyto(out, codes, casting="unsafe")
        return out

    def dequantize(self, codes: npt.NDArray[Any], unit: DepthUnit = "mm") -> npt.NDArray[Any]:
        """Codes to depth.

        Args:
            codes: uint16 array of any shape, values up to 4095.
            unit: ``"mm"`` for uint16 millimetres (rounded; beyond 65.535 m they say 65535), ``"m"`` for float32 metres.

        Returns:
            An array of the same shape; every depth lies within ``[depth_min, depth_max]``.

        Raises:
            FrameError: another dtype, or a value above 4095, which is not a code.
            ValueError: another unit.
        """
        if unit not in ("mm", "m"):
            raise ValueError(f"unit {unit!r}: use 'mm' or 'm'")
        if not isinstance(codes, np.ndarray) or codes.dtype != np.uint16:
            raise _frame_error("codes", "uint16", codes)
        if codes.size and codes.max() > LARGEST_CODE:
            raise _frame_error("codes", f"uint16 of at most {LARGEST_CODE}", codes, f" with a {codes.max()} in it")
        return np.take(_depth_table(self, unit), codes, mode="wrap")


def quantize_depth(
    depth: npt.NDArray[Any],
    *,
    depth_min: float = DEPTH_MIN_M,
    depth_max: float = DEPTH_MAX_M,
    shift: float = SHIFT_M,
    use_log: bool = True,
) -> Codes:
    """Depth to 12-bit codes; see `DepthQuantizer` for the parameters, in metres, and what is lost.

    Args:
        depth: ``(H, W)`` or ``(H, W, 1)``, uint16 millimetres or float32 metres.  Invalid depth (0, NaN) becomes
            ``depth_min``.

    Returns:
        ``(H, W)`` uint16 codes, 0 to 4095.

    Raises:
        FrameError: another shape or dtype.
        ValueError: parameters that make no scale.
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
    """12-bit codes to depth; the parameters must be those of `quantize_depth`.

    Args:
        codes: uint16 array of any shape, values up to 4095.
        unit: ``"mm"`` for uint16 millimetres, ``"m"`` for float32 metres.

    Raises:
        FrameError: another dtype, or a value above 4095.
        ValueError: parameters that make no scale, or another unit.
    """
    quantizer = DepthQuantizer(depth_min=depth_min, depth_max=depth_max, shift=shift, use_log=use_log)
    return quantizer.dequantize(codes, unit)


@functools.lru_cache(maxsize=32)
def _code_table(quantizer: DepthQuantizer) -> Codes:
    """The code of every uint16 millimetre."""
    table = _computed(quantizer, np.arange(_LARGEST_MM + 1, dtype=np.float32), _MM_PER_M).astype(np.uint16)
    table.flags.writeable = False
    return table


@functools.lru_cache(maxsize=32)
def _depth_table(quantizer: DepthQuantizer, unit: DepthUnit) -> npt.NDArray[Any]:
    """The depth of every code."""
    table: npt.NDArray[Any] = _depths_m(quantizer)
    if unit == "mm":
        table = np.clip(np.rint(table * np.float32(_MM_PER_M)), 0, _LARGEST_MM).astype(np.uint16)
    table.flags.writeable = False
    return table


def _ends(quantizer: DepthQuantizer, per_m: float) -> tuple[float, float]:
    """What codes 0 and 4095 stand for on the scale of the codes: depths, or logarithms of shifted ones."""
    low, high = np.float32(quantizer.depth_min * per_m), np.float32(quantizer.depth_max * per_m)
    if not quantizer.use_log:
        return float(low), float(high)
    shift = np.float32(quantizer.shift * per_m)
    # float32 may round the sum to nothing.
    return math.log(low + shift) if low + shift > 0 else -math.inf, math.log(high + shift)


def _computed(quantizer: DepthQuantizer, depth: npt.NDArray[np.float32], per_m: float) -> npt.NDArray[np.float32]:
    """Codes as whole float32 numbers; ``per_m`` is how many units of ``depth`` make a metre."""
    low, high = _ends(quantizer, per_m)
    # fmax takes the number where the other is NaN.  To cut before the logarithm instead of after it gives the same
    # codes, and neither a negative number nor an overflow is ever met.
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
    # A signalling NaN has only become a quiet one so far.
    np.fmax(values, np.float32(0), out=values)
    np.minimum(values, np.float32(LARGEST_CODE), out=values)
    return values


def _depths_m(quantizer: DepthQuantizer) -> npt.NDArray[np.float32]:
    """The depth of every code in metres."""
    low, high, shift = float(quantizer.depth_min), float(quantizer.depth_max), float(quantizer.shift)
    if quantizer.use_log:
        low, high = math.log(low + shift), math.log(high + shift)
    # Only the product is float64: numpy multiplies uint16 by a Python float so, and LeRobot writes it into float32.
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
