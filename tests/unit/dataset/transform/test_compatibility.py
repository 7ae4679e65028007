"""The rules for merging documents of datasets."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.transform.compatibility import (
    ENCODER_KEYS,
    compare_infos,
    is_fixed_by_reencoding,
    merge_error,
    merged_info,
)
from tests.lerobot_data import LEROBOT

CAMERA = "observation.images.laptop"
ROOTS = [Path("first"), Path("second")]


def document(**block: Any) -> DatasetInfo:
    """The info.json of dataset A with keys of one camera's block changed; None takes one away."""
    values = json.loads((LEROBOT / "A/meta/info.json").read_text())
    info = values["features"][CAMERA]["info"]
    info.update(
        {f"video.{key}" if not key.startswith(("is_", "has_", "depth_")) else key: v for key, v in block.items()}
    )
    return DatasetInfo.from_json(values)


@pytest.mark.parametrize("key", ["codec", "pix_fmt", "height", "width", "fps", "channels", "depth_max", "own_key"])
def test_stream_properties_must_be_equal(key: str) -> None:
    name = "depth_unit" if key == "depth_max" else f"video.{key}"
    found = compare_infos([document(), document(**{"depth_unit" if key == "depth_max" else key: "other"})])
    assert list(found) == [f"{CAMERA}: {name}"]
    assert found[f"{CAMERA}: {name}"][1] == "other"
    assert is_fixed_by_reencoding(f"{CAMERA}: {name}") is (key in ("codec", "pix_fmt", "channels"))
    error = merge_error(found, ROOTS, remedy="do something")
    assert "other in second" in str(error)
    assert error.disagreements == found


@pytest.mark.parametrize("key", [name.removeprefix("video.") for name in ENCODER_KEYS] + ["video_backend"])
def test_encoder_settings_may_differ(key: str) -> None:
    assert compare_infos([document(), document(**{key: "other"})]) == {}


def test_merged_info_keeps_equal_settings_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        same = merged_info([document(g=5)] * 2, ROOTS).features[CAMERA].info
        assert same is not None
        assert same["video.g"] == 5
    assert caplog.records == []
    second = document(g=5, extra_options={"tune": 0}, video_backend="ffmpeg")
    merged = merged_info([document(g=2), second], ROOTS).features[CAMERA].info
    assert merged is not None
    assert (merged["video.g"], merged["video.extra_options"]) == (None, {})
    assert (merged["video.crf"], merged["video.video_backend"]) == (30, "pyav")
    (record,) = caplog.records
    assert f"{CAMERA}: video.g: 2 in first; 5 in second" in record.getMessage()
    assert "crf" not in record.getMessage()


def test_reencoded_camera_keeps_the_settings_of_the_first(caplog: pytest.LogCaptureFixture) -> None:
    merged = merged_info([document(g=2), document(g=5)], ROOTS, [CAMERA]).features[CAMERA].info
    assert merged is not None
    assert merged["video.g"] == 2
    assert caplog.records == []
