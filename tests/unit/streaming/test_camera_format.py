"""CameraFormat accepts only frames of its format, and its errors name the camera."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.errors import FFencError, FrameError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import FrameFormat
from ffenc.streaming.camera import CameraFormat, DepthFormat
from ffenc.streaming.opening import CameraOpener, CameraPlan
from ffenc.video.run_context import RunContext

NOWHERE = Binaries(ffmpeg=Path("ffmpeg"), ffprobe=None, ffmpeg_origin="test", ffprobe_origin="test")


def opener(
    *names: str,
    depth: tuple[str, ...] = (),
    images: tuple[str, ...] = (),
    camera_encoder: object = None,
    depth_encoder: object = None,
) -> CameraOpener:
    plan = CameraPlan(
        fps=Fraction(30),
        camera_encoder=camera_encoder or VideoEncoderConfig(),  # type: ignore[arg-type]
        depth_encoder=depth_encoder or DepthEncoderConfig(),  # type: ignore[arg-type]
        queue_maxsize=3,
        context=RunContext(binaries=NOWHERE),
        streaming_encoding=True,
        fallback=None,
    )
    return CameraOpener(plan, Path("episode"), names or ("cam",), depth=depth, images=images)


RGB = CameraFormat(shape=(6, 8, 3), dtype=np.dtype("uint8"), frames=FrameFormat(width=8, height=6))
DEPTH = CameraFormat(shape=(6, 8), dtype=np.dtype("uint16"), frames=FrameFormat(width=8, height=6, layout="gray12"))

WRONG = {
    "transposed": (np.zeros((8, 6, 3), np.uint8), "Frame 17 is 6x8, the earlier ones are 8x6: it looks transposed"),
    "channels-first": (np.zeros((3, 6, 8), np.uint8), "Frame 17 looks like channels first"),
    "gray": (np.zeros((6, 8), np.uint8), "no channel axis, the earlier ones have 3 channels"),
    "rgba": (np.zeros((6, 8, 4), np.uint8), "4 channels, the earlier ones have 3 channels"),
    "float": (np.zeros((6, 8, 3), np.float32), "Scale floats first"),
    "int8": (np.zeros((6, 8, 3), np.int8), "Convert it to uint8 first"),
    "smaller": (np.zeros((6, 6, 3), np.uint8), "Frame 17 is 6x6, the earlier ones are 8x6"),
    "batch": (np.zeros((1, 6, 8, 3), np.uint8), "frame[0]"),
    "a list": ([[0, 0, 0]], "Pass a numpy array"),
    "nothing": (None, "Pass a numpy array"),
}


@pytest.mark.parametrize("name", WRONG)
def test_frame_of_another_format_is_refused(name: str) -> None:
    frame, hint = WRONG[name]
    with pytest.raises(FrameError, match="camera 'laptop'") as caught:
        RGB.check("laptop", frame, number=17)
    assert caught.value.expected == "(6, 8, 3) uint8"
    assert (str(frame.shape) if isinstance(frame, np.ndarray) else type(frame).__name__) in caught.value.seen
    assert hint in str(caught.value)
    assert "nothing of this time step was taken" in str(caught.value)


@pytest.mark.parametrize("name", sorted(WRONG.keys() - {"transposed", "smaller"}))  # those would be good first frames
def test_invalid_first_frame_is_refused_with_its_camera(name: str) -> None:
    frame, _ = WRONG[name]
    with pytest.raises(FrameError, match="camera 'laptop'"):
        opener("laptop").format_of("laptop", frame)


def test_valid_frame_is_returned_unchanged() -> None:
    frame = np.zeros((6, 8, 3), np.uint8)
    assert RGB.check("laptop", frame) is frame
    view = np.zeros((6, 16, 3), np.uint8)[:, ::2]
    assert RGB.check("laptop", view) is view


def test_depth_frame_may_have_a_channel_axis() -> None:
    frame = np.arange(48, dtype=np.uint16).reshape(6, 8)
    assert DEPTH.check("depth", frame) is frame
    assert np.array_equal(DEPTH.check("depth", frame[:, :, None]), frame)
    with pytest.raises(FrameError, match="camera 'depth'"):
        DEPTH.check("depth", frame[None])


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", ">u2"])
def test_the_unit_of_depth_cannot_change(dtype: str) -> None:
    with pytest.raises(FrameError, match=r"unit of depth .* cannot change") as caught:
        DEPTH.check("wrist", np.zeros((6, 8), dtype))
    assert "'wrist'" in str(caught.value)


def test_format_from_frame_or_declaration() -> None:
    first = np.zeros((6, 8, 3), np.uint8)
    assert opener().format_of("cam", first) == RGB
    assert opener().format_of("cam", FrameFormat(width=8, height=6)) == RGB


@pytest.mark.parametrize(
    ("first", "dtype"),
    [
        (np.zeros((6, 8), np.uint16), "uint16"),
        (np.zeros((6, 8, 1), np.float32), "float32"),
        (DepthFormat(width=8, height=6), "uint16"),
        (DepthFormat(width=8, height=6, in_metres=True), "float32"),
    ],
)
def test_depth_format_has_a_quantizer(first: object, dtype: str) -> None:
    form = opener(depth=("cam",)).format_of("cam", first)
    assert (form.shape, form.dtype, form.frames.layout) == ((6, 8), np.dtype(dtype), "gray12")
    assert form.quantizer == DepthEncoderConfig().quantizer


@pytest.mark.parametrize(
    "first",
    [
        np.zeros((6, 8), np.uint8),
        np.zeros((6, 8), np.float64),
        np.zeros((6, 8), ">u2"),
        np.zeros((6, 8, 3), np.uint16),
        np.zeros((1, 6, 8), np.uint16),
        np.zeros(48, np.uint16),
        FrameFormat(width=8, height=6, layout="gray16"),
        None,
    ],
    ids=str,
)
def test_frame_that_is_not_depth_is_refused(first: object) -> None:
    with pytest.raises(FrameError, match=r"depth camera 'cam' got .* uint16 millimetres or float32 metres"):
        opener(depth=("cam",)).format_of("cam", first)


@pytest.mark.parametrize("kind", ["lossless", "images"])
def test_metres_without_quantization_are_refused(kind: str) -> None:
    as_they_are = (
        opener(depth=("cam",), depth_encoder=DepthEncoderConfig.lossless16())
        if kind == "lossless"
        else opener(depth=("cam",), images=("cam",))
    )
    form = as_they_are.format_of("cam", np.zeros((6, 8), np.uint16))
    assert (form.frames.layout, form.quantizer) == ("gray16", None)
    with pytest.raises(FrameError, match="only whole millimetres"):
        as_they_are.format_of("cam", np.zeros((6, 8), np.float32))


def test_layout_that_images_cannot_store_is_refused() -> None:
    with pytest.raises(FrameError, match="camera 'cam': frames of layout 'rgba' cannot be stored as images"):
        opener(images=("cam",)).format_of("cam", FrameFormat(width=8, height=6, layout="rgba"))


def test_settings_by_camera() -> None:
    mine = VideoEncoderConfig(vcodec="h264")
    plan = opener("a", "b", camera_encoder={"a": mine})._plan
    assert plan.config_of("a", is_depth=False) is mine
    with pytest.raises(FFencError, match="camera_encoder has settings for a, but none for camera 'b'"):
        plan.config_of("b", is_depth=False)
    assert plan.config_of("b", is_depth=True) == DepthEncoderConfig()
