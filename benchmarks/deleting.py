"""Section ``delete``: delete one of 50 episodes of 30 s by copying the others, which LeRobot re-encodes."""

from __future__ import annotations

import shutil

import peers
from footage import frames_of
from made_datasets import CAMERA, write_tables
from measure import Report, cost_of, interleaved, spread
from settings import Settings

from ffenc import VideoEncoderConfig, concat_videos, delete_episodes, encode_frames, reencode_video, video_info
from ffenc.dataset.format.episode_columns import VideoSpan
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.schema import DatasetInfo

EPISODES, SECONDS = 50, 30
SIZE = (640, 480)
SECONDS_TARGET, SHARE_TARGET = 1.0, 1 / 50
OURS = "ffenc: delete-episodes"


def run(report: Report, settings: Settings) -> None:
    """Measure the worst case, all episodes in one file: LeRobot re-encodes it."""
    episodes, seconds = (10, 5) if settings.quick else (EPISODES, SECONDS)
    length = seconds * peers.FPS
    clip = settings.scratch / "episode.mp4"
    config = VideoEncoderConfig(preset=12)
    encode_frames(
        frames_of(settings.clip, length, *SIZE), clip, fps=peers.FPS, config=config, binaries=settings.binaries
    )
    root, output = settings.scratch / "dataset", settings.scratch / "kept"
    video = DatasetLayout(root=root).video(CAMERA, FileId())
    video.parent.mkdir(parents=True)
    joined = concat_videos([clip] * episodes, video, binaries=settings.binaries)
    features = {
        "action": {"dtype": "float32", "shape": (6,), "names": None},
        CAMERA: {"dtype": "video", "shape": (SIZE[1], SIZE[0], 3), "info": video_info(joined.stream, config)},
    }
    info = DatasetInfo.create(peers.FPS, features)
    spans = [VideoSpan(file=FileId(), from_frame=first, to_frame=first + length) for first in joined.offsets]
    write_tables(root, info, spans)

    def ours() -> None:
        shutil.rmtree(output, ignore_errors=True)
        assert not delete_episodes(root, [episodes // 2], output, binaries=settings.binaries).reencoded

    runs = interleaved({OURS: ours}, settings.repeats)[OURS]
    sample = settings.scratch / "sample.mp4"
    once = cost_of(lambda: reencode_video(clip, sample, config=config, overwrite=True, binaries=settings.binaries))
    whole_s = once.wall_s * (episodes - 1)
    report.table(
        f"one of {episodes} episodes of {seconds} s left out, {joined.size_bytes / 1e6:.0f} MB",
        ["method", "wall s"],
        [
            [OURS, spread([each.wall_s for each in runs])],
            [f"the kept {episodes - 1} encoded anew (one was, times {episodes - 1})", f"{whole_s:.1f}"],
        ],
    )
    walls = [each.wall_s for each in runs]
    report.figure("delete", "wall", walls, unit="s", at_most=SECONDS_TARGET)
    report.figure("delete", "wall / encoding anew", [wall / whole_s for wall in walls], at_most=SHARE_TARGET)
