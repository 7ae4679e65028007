"""``ffenc convert`` copies clips that conform, and encodes the others; frame k stays frame k either way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames, verify_dataset
from ffenc.cli.main import main
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.footage import numbered_frame, numbered_frames, numbers_of

pytest.importorskip("pyarrow")
from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.format.provenance import load_provenance
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.errors import FFencError, ProcessDiedError

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

CAMERA = "observation.images.camera"
H264 = ["--camera_encoder.vcodec=h264"]
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
LENGTH = 12

# How a clip is made from another one, and a part of the reason to encode it; None if it is copied.
CLIPS: dict[str, tuple[list[str], str | None]] = {
    "plain.mp4": (X264, None),
    "long-gop.mov": ([*X264, "-g", "250"], None),
    "b-frames.mp4": ([*X264, "-preset", "medium", "-g", "5", "-bf", "2"], None),
    "untouched.mp4": (["-c", "copy"], None),
    "other-clock.mp4": ([*X264, "-video_track_timescale", "90000"], None),
    "hevc.mp4": (["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p"], "its codec is hevc, and the settings ask for h264"),
    "444.mp4": ([*X264, "-pix_fmt", "yuv444p"], "its pixel format is yuv444p, and the settings ask for yuv420p"),
    "full-range.mp4": ([*X264, "-vf", "scale=out_range=pc", "-color_range", "pc"], "pixel format is yuvj420p"),
    "bt709.mp4": ([*X264, "-vf", "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"], "colour matrix bt709"),
    "pixels.mp4": ([*X264, "-vf", "setsar=2"], "its pixels are not square (2)"),
    "open-gop.mp4": ([*X264, "-preset", "medium", "-g", "5", "-bf", "2", "-x264-params", "open-gop=1:scenecut=0"], "it has open GOPs"),
    "refresh.mp4": ([*X264, "-preset", "medium", "-g", "8", "-x264-params", "intra-refresh=1:bframes=0"], "it has open GOPs"),
    "milliseconds.mp4": ([*X264, "-video_track_timescale", "1000"], "frame 1 is at 0.033000 s and not at 0.033333 s"),
    "matroska.mkv": (X264, "not a plain MP4 or MOV file with one track of H.264, HEVC, AV1 or VP9 (matroska)"),
    "fragments.mp4": ([*X264, "-movflags", "frag_keyframe+empty_moov"], "AV1 or VP9 (fragments or an edit list)"),
    "late.mp4": (["-c", "copy", "-output_ts_offset", "5"], "AV1 or VP9 (fragments or an edit list)"),
}  # fmt: skip


def save_clip(path: Path, binaries: Binaries, *, start: int = 0, count: int = LENGTH, **settings: Any) -> Path:
    config = VideoEncoderConfig(vcodec="h264", preset="ultrafast", **settings)
    encode_frames(numbered_frames(count, start=start), path, fps=30, config=config, binaries=binaries)
    return path


def remade(source: Path, target: Path, options: list[str], binaries: Binaries, *before: str) -> Path:
    argv = [str(binaries.ffmpeg), "-v", "error", "-y", *before, "-i", str(source), *options, str(target)]
    run_tool(argv, check=True)
    return target


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    """Return a folder with every clip; clip n shows the numbers from 10 n."""
    folder = tmp_path_factory.mktemp("clips")
    for place, (name, (options, _)) in enumerate(CLIPS.items()):
        source = save_clip(folder / f"source-{place}.mp4", binaries, start=10 * place)
        remade(source, folder / name, options, binaries)
    return folder


def convert(folder: Path, *words: str, status: int = 0, capsys: pytest.CaptureFixture[str]) -> Any:
    returned = main(["convert", str(folder / "out"), "--task=Lift", "--json", *map(str, words)])
    out, err = capsys.readouterr()
    assert returned == status, err
    return json.loads(out) if status == 0 else err


def numbers(root: Path, camera: str, binaries: Binaries) -> list[list[int]]:
    """Return the numbers that the frames of each episode show."""
    info = load_info(root)
    layout = DatasetLayout.of(root, info)
    found = []
    for row in load_episodes(root, info):
        span = row.videos[camera]
        reader = VideoReader(layout.video(camera, span.file), binaries=binaries)
        found.append(numbers_of(reader.read_range(span.from_frame, span.to_frame)))
    return found


def packets(path: Path, binaries: Binaries) -> list[list[str]]:
    """Return size and checksum of every packet."""
    argv = [str(binaries.ffmpeg), "-v", "error", "-i", str(path), "-map", "0:v", "-c", "copy", "-f", "framecrc", "-"]
    lines = run_tool(argv, check=True).stdout.decode().splitlines()
    return [line.split(",")[4:6] for line in lines if not line.startswith("#")]


def test_conforming_clips_are_copied_and_the_others_encoded(
    clips: Path, tmp_path: Path, binaries: Binaries, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(clips / name) for name in CLIPS]
    document = convert(tmp_path, *H264, *paths, capsys=capsys)
    for (name, (_, reason)), episode in zip(CLIPS.items(), document["episodes"], strict=True):
        assert episode["copied"] == ([CAMERA] if reason is None else []), (name, episode)
        assert (reason is None) == (not episode["reasons"]), (name, episode)
        assert reason is None or reason in "; ".join(episode["reasons"][CAMERA]), (name, episode)
    root = tmp_path / "out"
    expected = [list(range(10 * place, 10 * place + LENGTH)) for place in range(len(CLIPS))]
    assert numbers(root, CAMERA, binaries) == expected
    report = verify_dataset(root, "decode", binaries=binaries)
    assert report.ok, report.findings
    block = load_info(root).features[CAMERA].info or {}
    assert (block["video.codec"], block["video.pix_fmt"], block["video.width"]) == ("h264", "yuv420p", 128)
    unknown = [block[f"video.{key}"] for key in ("g", "crf", "preset", "fast_decode", "extra_options")]
    assert unknown == [None, None, None, None, {}]
    cameras = [load_provenance(root)[number]["cameras"][CAMERA] for number in range(len(CLIPS))]
    assert [each["encoder"] for each in cameras] == ["copy" if why is None else "libx264" for _, why in CLIPS.values()]
    assert [each["config"] is None for each in cameras] == [why is None for _, why in CLIPS.values()]


@pytest.mark.parametrize("name", ["untouched.mp4", "b-frames.mp4", "other-clock.mp4"])
def test_copied_packets_are_those_of_the_clip(
    name: str, clips: Path, tmp_path: Path, binaries: Binaries, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(tmp_path, *H264, "--passthrough=require", str(clips / name), capsys=capsys)
    (video,) = (tmp_path / "out/videos").rglob("*.mp4")
    assert packets(video, binaries) == packets(clips / name, binaries)


@pytest.mark.parametrize(
    ("before", "options", "reason"),
    [
        (["-display_rotation", "180"], ["-c", "copy"], "players rotate it by 180 degrees"),
        (["-ss", "0.1"], ["-c", "copy"], "an edit list hides 3 of its frames"),
        (["-f", "lavfi", "-i", "sine"], ["-map", "1:v", "-map", "0:a", "-c:v", "copy", "-shortest"], "(audio)"),
    ],
    ids=["turned", "trimmed", "sound"],
)
def test_clips_that_play_differently_are_encoded(
    before: list[str],
    options: list[str],
    reason: str,
    tmp_path: Path,
    binaries: Binaries,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = save_clip(tmp_path / "source.mp4", binaries, g=10)
    try:
        clip = remade(source, tmp_path / "clip.mp4", options, binaries, *before)
    except ProcessDiedError as err:
        if "display_rotation" in str(err):
            pytest.skip("this build cannot set a rotation")
        raise
    expected = numbers_of(VideoReader(clip, binaries=binaries))
    document = convert(tmp_path, *H264, "--audio=drop", str(clip), capsys=capsys)
    assert reason in "; ".join(document["episodes"][0]["reasons"][CAMERA])
    assert numbers(tmp_path / "out", CAMERA, binaries) == [expected]


def test_folder_of_images_is_encoded(tmp_path: Path, binaries: Binaries, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").mkdir()
    for number, frame in enumerate(numbered_frames(5)):
        Image.fromarray(frame).save(tmp_path / f"images/{number}.png")
    document = convert(tmp_path, *H264, str(tmp_path / "images"), capsys=capsys)
    assert document["episodes"][0]["reasons"] == {CAMERA: ["it is a folder of images"]}
    assert numbers(tmp_path / "out", CAMERA, binaries) == [[*range(5)]]


def test_cameras_are_chosen_one_by_one(tmp_path: Path, binaries: Binaries, capsys: pytest.CaptureFixture[str]) -> None:
    for run in range(2):
        (tmp_path / f"run-{run}").mkdir()
        save_clip(tmp_path / f"run-{run}/top.mp4", binaries, start=10 * run, count=5)
        save_clip(
            tmp_path / f"run-{run}/side.mp4",
            binaries,
            start=50 + 10 * run,
            count=5,
            pix_fmt="yuv444p" if run else "yuv420p",
        )
    cameras = f"--cameras={{top: '{tmp_path}/*/top.mp4', side: '{tmp_path}/*/side.mp4'}}"
    document = convert(tmp_path, *H264, "--camera_encoder.crf=20", cameras, capsys=capsys)
    top, side = "observation.images.top", "observation.images.side"
    assert [episode["copied"] for episode in document["episodes"]] == [[top, side], [top]]
    root = tmp_path / "out"
    assert numbers(root, top, binaries) == [[*range(5)], [*range(10, 15)]]
    assert numbers(root, side, binaries) == [[*range(50, 55)], [*range(60, 65)]]
    assert verify_dataset(root, "decode", binaries=binaries).ok
    # A later recording continues with the settings of the last encoded episode, or with the codec of the copies.
    with DatasetRecorder.resume(root, binaries=binaries) as recorder:
        for number in range(70, 75):
            frame = numbered_frame(number)
            recorder.add_frame({top: frame, side: frame, "task": "Lift"})
        recorder.save_episode(wait=True)
    assert numbers(root, top, binaries)[2] == numbers(root, side, binaries)[2] == [*range(70, 75)]
    recorded = load_provenance(root)[2]["cameras"]
    assert (recorded[side]["config"]["crf"], recorded[top]["encoder"]) == (20, "libx264")


@pytest.mark.parametrize(
    ("flags", "reasons"),
    [
        ([], "its codec is h264, and the settings ask for av1"),
        ([*H264, "--camera_encoder.g=4"], "its GOPs have up to 10 frames, and the settings ask for 4"),
        ([*H264, "--camera_encoder.pix_fmt=yuv444p"], "its pixel format is yuv420p, and the settings ask for yuv444p"),
    ],
)
def test_require_refuses_before_anything_is_written(
    flags: list[str], reasons: str, tmp_path: Path, binaries: Binaries, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = save_clip(tmp_path / "clip.mp4", binaries, g=10)
    for more in ([], ["--dry-run"]):
        printed = convert(tmp_path, *flags, "--passthrough=require", str(clip), *more, status=1, capsys=capsys)
        assert f"{clip}: {reasons}" in printed
        assert "--passthrough=auto" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_never_encodes_and_records_the_settings(
    tmp_path: Path, binaries: Binaries, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = save_clip(tmp_path / "clip.mp4", binaries)
    document = convert(tmp_path, *H264, "--camera_encoder.crf=33", "--passthrough=never", str(clip), capsys=capsys)
    assert (document["episodes"][0]["copied"], document["episodes"][0]["reasons"]) == ([], {})
    block = load_info(tmp_path / "out").features[CAMERA].info or {}
    assert (block["video.crf"], block["video.g"]) == (33, 2)
    assert packets(next((tmp_path / "out/videos").rglob("*.mp4")), binaries) != packets(clip, binaries)


def test_settings_without_effect_on_copies_are_named(
    tmp_path: Path, binaries: Binaries, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = save_clip(tmp_path / "clip.mp4", binaries)
    words = ["convert", str(tmp_path / "out"), "--task=x", *H264, "--camera_encoder.crf=33", str(clip)]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "copied" in out
    assert "1 clips are copied, so --camera_encoder.crf applies to the other inputs only" in " ".join(err.split())


@pytest.mark.parametrize("count", [LENGTH - 1, LENGTH + 1])
def test_recorder_refuses_a_copy_with_another_number_of_rows(count: int, tmp_path: Path, binaries: Binaries) -> None:
    clip = save_clip(tmp_path / "clip.mp4", binaries)
    features = {CAMERA: {"dtype": "video", "shape": (96, 128, 3), "names": ["height", "width", "channels"]}}
    recorder = DatasetRecorder.create(tmp_path / "set", "me/set", 30, features, binaries=binaries)
    recorder.copy_clips({CAMERA: VideoReader(clip, binaries=binaries)})
    for number in range(count):
        recorder.add_frame({CAMERA: np.full((96, 128, 3), number, np.uint8), "task": "x"})
    with pytest.raises(FFencError, match=f"{count} frames of .*clip.mp4 were given, but it has {LENGTH}"):
        recorder.save_episode(wait=True)
    assert recorder.num_episodes == 0
    recorder.finalize()
