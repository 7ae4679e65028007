"""The settings of a resumed recording if ``meta/ffenc/episodes.jsonl`` is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffenc import Binaries, VideoEncoderConfig
from ffenc.dataset.format.provenance import provenance_path
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.recording.resume_settings import settle_encoders
from ffenc.errors import DatasetError

CAMERA = "observation.images.laptop"
BLOCK = {"video.codec": "h264", "video.pix_fmt": "yuv420p", "video.g": 2, "video.crf": 30}
INFO = DatasetInfo.create(
    30,
    {CAMERA: {"dtype": "video", "shape": (48, 64, 3), "names": ["height", "width", "channels"], "info": BLOCK}},
)
NOT_RUN = Binaries(ffmpeg=Path("/not/run"), ffprobe=None, ffmpeg_origin="test", ffprobe_origin="test")
VALID = {CAMERA: {"config": VideoEncoderConfig(vcodec="h264", crf=20).model_dump(mode="json")}}


def settings(root: Path) -> VideoEncoderConfig:
    return settle_encoders(root, INFO, None, None, allow_mixed=False, binaries=NOT_RUN)[CAMERA]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = provenance_path(tmp_path)
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize("earlier", [True, False], ids=["after a valid line", "alone"])
@pytest.mark.parametrize(
    ("cameras", "reason"),
    [
        ([], "cameras is not an object"),
        ({CAMERA: 3}, f"{CAMERA} is not an object"),
        ({CAMERA: {"config": "h264"}}, "config is not an object"),
        ({CAMERA: {"config": {"vcodec": 3}}}, "Input should be a valid string"),
    ],
)
def test_invalid_settings_are_replaced_with_a_warning(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture, cameras: object, reason: str, earlier: bool
) -> None:
    documents = [{"episode_index": 0, "cameras": VALID}] * earlier + [{"episode_index": 1, "cameras": cameras}]
    path.write_text("\n".join(map(json.dumps, documents)))
    assert settings(tmp_path).crf == (20 if earlier else 30)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    source = "an earlier episode" if earlier else "info.json"
    assert warning.startswith(
        f"{path} has invalid settings of {CAMERA} in 1 of {1 + earlier} lines, so those of {source} are used; episode 1: "
    )
    assert reason in warning


@pytest.mark.parametrize("cameras", [None, {}, {CAMERA: {}}, VALID])
def test_missing_or_valid_settings_cause_no_warning(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture, cameras: object
) -> None:
    path.write_text(json.dumps({"episode_index": 0, "cameras": cameras}))
    assert settings(tmp_path).crf == (20 if cameras is VALID else 30)
    assert caplog.records == []


def test_unreadable_file_is_refused(tmp_path: Path, path: Path) -> None:
    path.mkdir()
    with pytest.raises(DatasetError, match=rf"cannot read {path}: Is a directory; move it away"):
        settings(tmp_path)
