"""A clip that is too short for the B-frames of the others is refused: joined as it is, it leaves a gap in the decode times."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc import Binaries, VideoEncoderConfig, concat_videos, encode_frames
from ffenc.errors import ConcatError
from tests import frame_numbers

pytestmark = pytest.mark.integration

LONG, SHORT, PAIR = range(20), range(100, 101), range(200, 202)
CASES = [(LONG, SHORT), (SHORT, LONG), (LONG, PAIR), (PAIR, LONG), (LONG, PAIR, LONG)]


@pytest.mark.parametrize("lengths", CASES)
def test_clips_too_short_for_b_frames_are_refused(
    tmp_path: Path, binaries: Binaries, lengths: tuple[range, ...]
) -> None:
    config = VideoEncoderConfig(vcodec="h264", g=10, crf=20, preset="fast", extra_options={"bf": 2})
    clips = []
    for number, frames in enumerate(lengths):
        clips.append(tmp_path / f"{number}.mp4")
        encode_frames(map(frame_numbers.draw, frames), clips[-1], fps=30, config=config, binaries=binaries)
    output = tmp_path / "joined.mp4"
    with pytest.raises(ConcatError, match="B-frames") as refused:
        concat_videos(clips, output, binaries=binaries)
    assert set(refused.value.disagreements) == {"B-frames"}
    assert not output.exists()
