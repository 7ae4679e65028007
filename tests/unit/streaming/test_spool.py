"""A spool stores raw frames and is read up to its last complete frame, wherever it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ffenc.depth import DepthQuantizer
from ffenc.errors import InputError, OutputError, ProcessDiedError
from ffenc.streaming.spool import SpoolTarget, encode_spool, read_spool


class StubVideo:
    """As much of a `VideoTarget` as a spool needs."""

    fallbacks = ()
    encoder = "stub"
    frames_encoded = 0

    def __init__(self, *, fails_at: int | None = None, back_to: int | None = None) -> None:
        self.frames: list[npt.NDArray[Any]] = []
        self.aborted = False
        self._fails_at, self._back_to = fails_at, back_to

    def write(self, frame: npt.NDArray[Any]) -> None:
        if len(self.frames) == self._fails_at:
            raise ProcessDiedError("the stub died", argv=["stub"])
        self.frames.append(np.array(frame))

    def fall_back(self, error: Exception) -> int:
        if self._back_to is None:
            raise error
        self._fails_at = None
        del self.frames[self._back_to :]
        return self._back_to

    def finish(self) -> int:
        return len(self.frames)

    def abort(self) -> None:
        self.aborted = True


def spool(path: Path, frames: npt.NDArray[Any], video: StubVideo) -> SpoolTarget:
    target = SpoolTarget(path, video, shape=frames.shape[1:], dtype=frames.dtype, quantizer=None)  # type: ignore[arg-type]
    target.start()
    for frame in frames:
        target.write(frame)
    return target


FRAMES = {
    "rgb": np.random.default_rng(1).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8),
    "millimetres": np.random.default_rng(2).integers(0, 65536, (5, 4, 6), dtype=np.uint16),
    "metres": np.random.default_rng(3).normal(2, 1, (5, 4, 6)).astype(np.float32),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_are_encoded_unchanged_and_the_spool_is_removed(tmp_path: Path, kind: str) -> None:
    frames, video = FRAMES[kind], StubVideo()
    target = spool(tmp_path / "cam.mp4", frames, video)
    (hidden,) = tmp_path.iterdir()
    assert hidden.name.startswith(".cam.")
    assert hidden.name.endswith(".recording.npy")
    assert target.kept == hidden
    assert target.size_bytes() == frames.nbytes
    whole = read_spool(hidden)
    assert (whole.dtype, whole.shape) == (frames.dtype, frames.shape)
    assert target.finish() == 5  # type: ignore[comparison-overlap]
    assert np.array(video.frames).tobytes() == frames.tobytes()
    assert list(tmp_path.iterdir()) == []
    assert target.kept is None


def test_spool_is_read_up_to_its_last_complete_frame(tmp_path: Path) -> None:
    frames = FRAMES["millimetres"]
    target = spool(tmp_path / "cam.mp4", frames, StubVideo())
    target.fail()
    assert target.kept is not None
    data = target.kept.read_bytes()
    header = len(data) - frames.nbytes
    cut = tmp_path / "cut.npy"
    for size in range(header, len(data) + 1, 7):
        cut.write_bytes(data[:size])
        whole = (size - header) // frames[0].nbytes
        assert read_spool(cut).tobytes() == frames[:whole].tobytes()
        assert read_spool(cut).shape == (whole, 4, 6)
    for size in range(0, header, 5):
        cut.write_bytes(data[:size])
        with pytest.raises(InputError, match="is not a spool of frames"):
            read_spool(cut)


@pytest.mark.parametrize("data", [b"", b"PNG", bytes(500)])
def test_file_that_is_not_a_spool_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(InputError, match="is not a spool of frames"):
        read_spool(tmp_path / "a.npy")
    with pytest.raises(InputError, match="is not a spool of frames"):
        read_spool(tmp_path / "missing.npy")


def test_spool_without_a_frame_is_refused(tmp_path: Path) -> None:
    target = spool(tmp_path / "cam.mp4", FRAMES["rgb"][:0], StubVideo())
    with pytest.raises(InputError, match="has no complete frame"):
        target.finish()
    target.abort()
    with pytest.raises(OutputError, match="no frame was written"):
        SpoolTarget(tmp_path / "b.mp4", StubVideo(), shape=(4, 6), dtype=np.dtype("u1"), quantizer=None).finish()  # type: ignore[arg-type]


def test_frames_are_kept_after_an_error(tmp_path: Path) -> None:
    video = StubVideo(fails_at=2)
    target = spool(tmp_path / "cam.mp4", FRAMES["rgb"], video)
    with pytest.raises(ProcessDiedError):
        target.finish()
    target.fail()
    assert video.aborted
    assert target.kept is not None
    assert read_spool(target.kept).tobytes() == FRAMES["rgb"].tobytes()


def test_abort_removes_everything(tmp_path: Path) -> None:
    video = StubVideo()
    target = spool(tmp_path / "cam.mp4", FRAMES["rgb"], video)
    target.abort()
    target.abort()
    assert video.aborted
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError):  # by the camera's own thread, which has not noticed yet
        target.write(FRAMES["rgb"][0])


@pytest.mark.parametrize("back_to", [0, 1, 3])
def test_fallback_continues_at_the_end_of_the_file(tmp_path: Path, back_to: int) -> None:
    video = StubVideo(fails_at=3, back_to=back_to)
    target = spool(tmp_path / "cam.mp4", FRAMES["rgb"], video)
    assert target.finish() == 5  # type: ignore[comparison-overlap]
    assert np.array(video.frames).tobytes() == FRAMES["rgb"].tobytes()


def test_depth_is_quantized_when_the_spool_is_encoded(tmp_path: Path) -> None:
    frames, video, quantizer = FRAMES["metres"], StubVideo(), DepthQuantizer()
    target = spool(tmp_path / "cam.mp4", frames, video)
    target.fail()
    assert target.kept is not None
    assert encode_spool(target.kept, video, quantizer=quantizer) == 5  # type: ignore[arg-type, comparison-overlap]
    for code, frame in zip(video.frames, frames, strict=True):
        assert np.array_equal(code, quantizer.quantize(frame))
