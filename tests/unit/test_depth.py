"""Depth codes equal those of LeRobot, and invalid input is refused.

``tests/data/depth/lerobot-0.6.1.npz`` holds what LeRobot 0.6.1 gave (numpy 2.2, x86-64): for five sets of parameters the
code of every uint16 millimetre and of 2048 float32 metres, and the depth of every code.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc.depth import DepthQuantizer, dequantize_depth, quantize_depth
from ffenc.errors import FrameError

RECORDED = np.load(Path(__file__).parents[1] / "data/depth/lerobot-0.6.1.npz")
SCALES = ["default", "linear", "near", "far", "short"]
CODES = np.arange(4096, dtype=np.uint16).reshape(64, 64)

# float32 logarithms are not the same on every processor; where they are those of the recording, so is every bit.
SAME_LOG = zlib.crc32(np.log(np.arange(1, 80001, dtype=np.float32)).tobytes()) == RECORDED["log_crc"]
SAME_EXP = zlib.crc32(np.exp(np.linspace(-2, 5, 80000, dtype=np.float32)).tobytes()) == RECORDED["exp_crc"]


def parameters(scale: str) -> dict[str, Any]:
    depth_min, depth_max, shift, use_log = map(float, RECORDED[f"{scale}_params"])
    return {"depth_min": depth_min, "depth_max": depth_max, "shift": shift, "use_log": bool(use_log)}


def exact_code(metres: np.ndarray, *, depth_min: float, depth_max: float, shift: float, use_log: bool) -> np.ndarray:
    """The code before rounding, in float64."""
    scale = (lambda depth: np.log(depth + shift)) if use_log else (lambda depth: depth)
    depth = np.clip(metres.astype(np.float64), depth_min, depth_max)
    return 4095 * (scale(depth) - scale(depth_min)) / (scale(depth_max) - scale(depth_min))


def agree(codes: np.ndarray, recorded: np.ndarray, exact: np.ndarray) -> bool:
    if SAME_LOG:
        return np.array_equal(codes, recorded)
    is_tie = np.abs(exact % 1 - 0.5) < 0.01
    return bool((np.abs(codes.astype(int) - recorded) <= is_tie).all())


@pytest.mark.parametrize("scale", SCALES)
def test_code_of_every_millimetre_equals_lerobots(scale):
    millimetres = np.arange(65536, dtype=np.uint16)
    first = np.cumsum(RECORDED[f"{scale}_mm_to_next"], dtype=np.int64)
    recorded = np.searchsorted(first, millimetres, side="right") - 1
    codes = quantize_depth(millimetres.reshape(256, 256), **parameters(scale)).ravel()
    assert codes.dtype == np.uint16
    assert agree(codes, recorded, exact_code(millimetres / 1000, **parameters(scale)))


@pytest.mark.parametrize("scale", SCALES)
def test_codes_of_metres_equal_lerobots(scale):
    metres = RECORDED["metres"].reshape(64, 32)
    codes = quantize_depth(metres, **parameters(scale))
    assert agree(codes, RECORDED[f"{scale}_codes"].reshape(64, 32), exact_code(metres, **parameters(scale)))


@pytest.mark.parametrize("scale", SCALES)
def test_depth_of_every_code_equals_lerobots(scale):
    recorded_mm = np.cumsum(RECORDED[f"{scale}_mm_steps"], dtype=np.int64)
    mm = dequantize_depth(CODES, **parameters(scale), unit="mm")
    m = dequantize_depth(CODES, **parameters(scale), unit="m")
    assert (mm.dtype, m.dtype, mm.shape, m.shape) == (np.uint16, np.float32, CODES.shape, CODES.shape)
    if SAME_EXP:
        assert np.array_equal(mm.ravel(), recorded_mm)
        assert np.array_equal(m.ravel()[::32], RECORDED[f"{scale}_m"])
    else:
        assert np.abs(mm.ravel() - recorded_mm).max() <= 1
        np.testing.assert_allclose(m.ravel()[::32], RECORDED[f"{scale}_m"], rtol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_codes_round_trip_through_metres(scale):
    quantizer = DepthQuantizer(**parameters(scale))
    assert np.array_equal(quantizer(quantizer.dequantize(CODES, "m")), CODES)


@pytest.mark.parametrize("scale", SCALES)
def test_codes_round_trip_through_distinct_millimetres(scale):
    quantizer = DepthQuantizer(**parameters(scale))
    mm = quantizer.dequantize(CODES)
    metres = quantizer.dequantize(CODES, "m").ravel().astype(float)
    apart = bool((np.diff(metres) > 0.001).all())
    assert apart == (scale in ("default", "linear", "far"))
    assert np.array_equal(quantizer(mm), CODES) == apart
    if not apart:
        assert np.unique(mm).size < 4096
        # Even then nothing drifts: what was rounded to a millimetre once stays.
        assert np.array_equal(quantizer.dequantize(quantizer(mm)), mm)


def test_invalid_and_far_depth_is_clipped():
    signalling = np.array(0x7FA00000, np.uint32).view(np.float32)
    metres = np.array([[0, -0.0, -1, -np.inf, np.nan, signalling, 0.01, 10, 11, 3e38, np.inf]], np.float32)
    for use_log in (True, False):
        assert quantize_depth(metres, use_log=use_log).tolist() == [[0] * 7 + [4095] * 4]
        millimetres = np.array([[0, 9, 10, 10_000, 10_001, 65535]], np.uint16)
        assert quantize_depth(millimetres, use_log=use_log).tolist() == [[0, 0, 0, 4095, 4095, 4095]]
    assert dequantize_depth(np.array([0, 4095], np.uint16)).tolist() == [10, 10_000]


def test_depth_beyond_uint16_millimetres_is_exact_in_metres():
    codes = np.array([4095], np.uint16)
    assert dequantize_depth(codes, depth_max=100.0).tolist() == [65535]
    assert dequantize_depth(codes, depth_max=100.0, unit="m").tolist() == [100]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_strided_input_channel_axis_and_output_array(dtype):
    wide = (np.random.default_rng(0).uniform(0, 12, (6, 8)) * (1000 if dtype == np.uint16 else 1)).astype(dtype)
    before = wide.copy()
    codes = quantize_depth(wide)
    assert np.array_equal(quantize_depth(wide[:, :, None]), codes)
    assert np.array_equal(quantize_depth(wide[::-1, ::2]), codes[::-1, ::2])
    assert np.array_equal(quantize_depth(np.asfortranarray(wide)), codes)
    out = np.full((6, 8), 9999, np.uint16)
    assert DepthQuantizer()(wide, out) is out
    assert np.array_equal(out, codes)
    assert np.array_equal(wide, before)


def test_result_is_writable():
    quantizer = DepthQuantizer()
    for make in (lambda: quantizer(np.array([[500]], np.uint16)), lambda: quantizer.dequantize(CODES[:1])):
        first = make().copy()
        make()[:] = 1
        assert np.array_equal(make(), first)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 6), np.float64),
        np.zeros((4, 6), np.int32),
        np.zeros((4, 6), np.uint8),
        np.zeros((4, 6), np.float16),
        np.zeros((4, 6), ">u2"),
        np.zeros((4, 6, 3), np.uint16),
        np.zeros((1, 4, 6), np.uint16),
        np.zeros((4,), np.uint16),
        np.zeros((0, 6), np.uint16),
        [[1, 2]],
    ],
    ids=lambda wrong: f"{np.shape(wrong)} {getattr(wrong, 'dtype', 'list')}",
)
def test_invalid_depth_array_is_refused(wrong):
    with pytest.raises(FrameError, match="depth: expected"):
        quantize_depth(wrong)


@pytest.mark.parametrize(
    "out", [np.zeros((4, 5), np.uint16), np.zeros((4, 6), np.int16), np.zeros((4, 6, 1), np.uint16)]
)
def test_output_array_of_wrong_shape_or_dtype_is_refused(out):
    for dtype in (np.uint16, np.float32):
        with pytest.raises(FrameError, match="out: expected"):
            DepthQuantizer()(np.zeros((4, 6), dtype), out)


@pytest.mark.parametrize("wrong", [np.zeros((4, 6), np.float32), np.full((4, 6), 4096, np.uint16), [1, 2]], ids=str)
def test_invalid_code_array_is_refused(wrong):
    with pytest.raises(FrameError, match="codes: expected"):
        dequantize_depth(wrong)


def test_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="expected 'mm' or 'm'"):
        dequantize_depth(CODES, unit="cm")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"depth_min": -0.1}, "0 <= depth_min < depth_max"),
        ({"depth_min": 10.0}, "0 <= depth_min < depth_max"),
        ({"depth_max": float("inf")}, "finite"),
        ({"shift": float("nan")}, "finite"),
        ({"shift": -0.01}, r"depth_min \+ shift > 0"),
        ({"shift": 1e9}, "float32 cannot represent"),
        ({"depth_max": 1e37}, "float32 cannot represent"),
        ({"depth_min": 1.0, "depth_max": 1.0 + 1e-12, "use_log": False}, "float32 cannot represent"),
    ],
)
def test_invalid_parameters_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        DepthQuantizer(**wrong)


def test_equal_steps_ignore_the_shift():
    assert DepthQuantizer(shift=-5.0, use_log=False)(np.array([[10_000]], np.uint16)).tolist() == [[4095]]
