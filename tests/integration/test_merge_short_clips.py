"""Clips that are too short for B-frames are merged with longer ones of the same settings, by stream copy."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ffenc import Binaries
from ffenc.dataset.transform.merge import merge_datasets
from ffenc.errors import MergeError
from ffenc.ffmpeg.capability_probe import probe_capabilities
from tests.datasets import encoded_with
from tests.numbered_datasets import LEFT, RIGHT, check, record

pytestmark = pytest.mark.integration

SHORT = [[20], [21]]
LONG = [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14]]


@pytest.mark.parametrize("order", [(SHORT, LONG), (LONG, SHORT), (LONG, SHORT, LONG)], ids=["SL", "LS", "LSL"])
def test_clips_without_b_frames_share_a_file_with_others(
    tmp_path: Path, binaries: Binaries, order: tuple[list[list[int]], ...]
) -> None:
    sources = [
        record(tmp_path / str(number), episodes, binaries, cameras=(LEFT, RIGHT))
        for number, episodes in enumerate(order)
    ]
    merged = merge_datasets(sources, tmp_path / "merged", binaries=binaries)
    assert merged.reencoded == ()
    check(merged.root, list(itertools.chain(*order)), binaries, level="packets")
    # FFmpeg 4 cannot write the decode times again, so the files stay separate.
    release = probe_capabilities(binaries.ffmpeg).version.release
    can_join = release is not None and release >= (5, 0)
    assert len(list(merged.root.glob(f"videos/{LEFT}/*/*.mp4"))) == (1 if can_join else len(order))
    assert len(list(merged.root.glob(f"videos/{RIGHT}/*/*.mp4"))) == 1


@pytest.mark.one_build
def test_other_settings_of_b_frames_are_refused(tmp_path: Path, binaries: Binaries) -> None:
    sources = [record(tmp_path / str(number), LONG, binaries, cameras=(LEFT, RIGHT)) for number in range(2)]
    encoded_with(sources[1], {"vcodec": "h264", "g": 6, "crf": 20, "extra_options": {"bf": 0}}, binaries)
    with pytest.raises(MergeError, match="B-frames"):
        merge_datasets(sources, tmp_path / "merged", binaries=binaries)
    assert not (tmp_path / "merged").exists()
