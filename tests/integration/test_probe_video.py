"""A media file measured by real builds: through ffprobe, and through ffmpeg alone, with the same answers.

The clips in ``data/media`` were made with FFmpeg 9.0.2 from ``testsrc2`` and ``sine``, because not every build can make
them: a display matrix (``-display_rotation 90``), a cover picture, a variable rate, 12-bit gray HEVC, AV1 with SVT-AV1,
a stream-copied trim (``-ss 0.15 -c copy``), a late start (``-itsoffset 1``).  The others are made by the build under
test.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path

import pytest

from ffenc.errors import BinaryNotFoundError, ProbeError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.ffprobe import probe_packets, probe_video, probe_video_and_packets
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo

pytestmark = pytest.mark.integration

MEDIA = Path(__file__).parents[1] / "data" / "media"


@dataclass(frozen=True)
class Recipe:
    """A clip for the build under test to make, where it has the encoder."""

    name: str
    encoder: str
    arguments: Sequence[str]
    rate: str = "30"
    frames: int = 12
    needs: str = ""


X264 = ("-pix_fmt", "yuv420p", "-bf")
FRAGMENTS = ("-movflags", "+frag_keyframe+delay_moov+default_base_moof")
LOSSLESS = ("-x265-params", "lossless=1:log-level=error")
RECIPES = [
    Recipe("h264.mp4", "libx264", (*X264, "0")),
    Recipe("h264-b.mp4", "libx264", (*X264, "3")),
    Recipe("h264-faststart.mp4", "libx264", (*X264, "3", "-movflags", "+faststart")),
    Recipe("h264-ntsc.mp4", "libx264", (*X264, "3"), rate="30000/1001"),
    Recipe("h264-24.mp4", "libx264", (*X264, "3"), rate="24"),
    Recipe("h264-slow.mp4", "libx264", (*X264, "0"), rate="1/3"),
    Recipe("h264-gop.mp4", "libx264", (*X264, "0", "-g", "2")),
    Recipe("h264-one.mp4", "libx264", (*X264, "0"), frames=1),
    Recipe("h264-fragments.mp4", "libx264", (*X264, "3", *FRAGMENTS)),
    Recipe("h264-late.mp4", "libx264", (*X264, "0", "-output_ts_offset", "1")),
    Recipe("h264-ntsc.mkv", "libx264", (*X264, "3"), rate="30000/1001"),
    Recipe("h264-film.mkv", "libx264", (*X264, "0"), rate="24000/1001"),
    Recipe("h264-audio.mp4", "libx264", (*X264, "3", "-c:a", "aac")),
    Recipe("hevc.mp4", "libx265", ("-x265-params", "log-level=error", "-tag:v", "hvc1", "-pix_fmt", "yuv420p")),
    Recipe("hevc-gray12.mp4", "libx265", (*LOSSLESS, "-pix_fmt", "gray12le"), needs="gray12le"),
    Recipe("av1-svt.mp4", "libsvtav1", ("-g", "2", "-pix_fmt", "yuv420p")),
    Recipe("av1-aom.mp4", "libaom-av1", ("-cpu-used", "8", "-strict", "experimental", "-pix_fmt", "yuv420p")),
    Recipe("vp9.mp4", "libvpx-vp9", ("-pix_fmt", "yuv420p")),
    Recipe("vp9.webm", "libvpx-vp9", ("-pix_fmt", "yuv420p")),
    Recipe("ffv1.mkv", "ffv1", ("-pix_fmt", "gray16le")),
    Recipe("mpeg4.mp4", "mpeg4", ("-bf", "2")),
    Recipe("mjpeg.mov", "mjpeg", ("-pix_fmt", "yuvj420p")),
]  # fmt: skip
STORED = sorted(path.name for path in MEDIA.glob("*.*") if path.name not in {"sound.mp4", "trimmed.mp4"})


@pytest.fixture(scope="module")
def alone() -> Binaries:
    """The ffmpeg under test without any ffprobe."""
    try:
        return find_binaries(ffprobe="none")
    except BinaryNotFoundError as err:
        if os.environ.get("FFENC_REQUIRE_FFMPEG"):
            raise
        pytest.skip(str(err))


@pytest.fixture(scope="module")
def both(alone: Binaries) -> Binaries:
    """The same ffmpeg and the ffprobe under test."""
    found = find_binaries()
    if found.ffprobe is None:
        chosen = os.environ.get("FFENC_FFPROBE") == "none"
        if os.environ.get("FFENC_REQUIRE_FFMPEG") and not chosen:
            pytest.fail(f"no ffprobe: {found.ffprobe_origin}")
        pytest.skip(f"no ffprobe: {found.ffprobe_origin}")
    return replace(alone, ffprobe=found.ffprobe)


@pytest.fixture(params=["ffprobe", "ffmpeg alone"])
def tools(request: pytest.FixtureRequest) -> Binaries:
    """Each of the two ways of measuring."""
    found: Binaries = request.getfixturevalue("both" if request.param == "ffprobe" else "alone")
    return found


@pytest.fixture(scope="module")
def clips(alone: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with every clip of `RECIPES` that this build can make."""
    folder = tmp_path_factory.mktemp("clips")
    for recipe in RECIPES:
        listing = run_tool([alone.ffmpeg, "-hide_banner", "-h", f"encoder={recipe.encoder}"]).stdout.decode()
        if f"Encoder {recipe.encoder} [" in listing and recipe.needs in listing:
            make(alone.ffmpeg, recipe, folder / recipe.name)
    return folder


def make(ffmpeg: Path, recipe: Recipe, path: Path) -> None:
    sound = ("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=0.4") if "aac" in recipe.arguments else ()
    run_tool(
        [
            *(str(ffmpeg), "-v", "error", "-nostdin"),
            *("-f", "lavfi", "-i", f"testsrc2=size=128x96:rate={recipe.rate}", *sound),
            *("-frames:v", str(recipe.frames), "-c:v", recipe.encoder, *recipe.arguments, str(path)),
        ],
        timeout_s=120,
    )  # fmt: skip


def clip(clips: Path, name: str) -> Path:
    path = clips / name
    if not path.exists():
        pytest.skip(f"this build cannot make {name}")
    return path


def assert_same(through_ffprobe: VideoStreamInfo, through_ffmpeg: VideoStreamInfo) -> None:
    """In every field; but a hash may differ in text, and the banner knows a bit rate to whole kbit/s only."""
    of_ffprobe = {field.name: getattr(through_ffprobe, field.name) for field in fields(VideoStreamInfo)}
    of_ffmpeg = {field.name: getattr(through_ffmpeg, field.name) for field in fields(VideoStreamInfo)}
    hashes = (of_ffprobe.pop("extradata_hash"), of_ffmpeg.pop("extradata_hash"))
    assert [value is None or value.startswith("adler32:") for value in hashes] == [True, True]
    assert (hashes[0] is None) is (hashes[1] is None)
    audio = of_ffprobe["audio"]
    if audio is not None and audio.bit_rate is not None:
        of_ffprobe["audio"] = replace(audio, bit_rate=audio.bit_rate // 1000 * 1000)
    assert of_ffprobe == of_ffmpeg


@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES])
def test_both_ways_agree_on_a_clip_of_this_build(name: str, clips: Path, both: Binaries, alone: Binaries) -> None:
    path = clip(clips, name)
    info, packets = probe_video_and_packets(path, binaries=both)
    info_alone, packets_alone = probe_video_and_packets(path, binaries=alone)
    assert_same(info, info_alone)
    assert packets == packets_alone
    assert probe_video(path, binaries=both) == info
    assert probe_packets(path, binaries=alone) == packets


@pytest.mark.parametrize("name", STORED)
def test_both_ways_agree_on_a_stored_clip(name: str, both: Binaries, alone: Binaries) -> None:
    info, packets = probe_video_and_packets(MEDIA / name, binaries=both)
    info_alone, packets_alone = probe_video_and_packets(MEDIA / name, binaries=alone)
    assert_same(info, info_alone)
    assert packets == packets_alone


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_what_was_made_is_what_is_measured(recipe: Recipe, clips: Path, tools: Binaries) -> None:
    path = clip(clips, recipe.name)
    info, packets = probe_video_and_packets(path, binaries=tools)
    assert (info.width, info.height, info.fps) == (128, 96, Fraction(recipe.rate))
    assert info.is_constant_rate
    assert packets.errors == ""
    assert packets.hidden == 0
    assert packets.count == recipe.frames
    in_matroska = path.suffix in {".mkv", ".webm"}
    is_late = "late" in recipe.name
    if not in_matroska:
        late_frames = int(is_late) * 30
        assert packets.first_off_grid(info.fps) == (0 if is_late else None)
        assert [packets.pts_s(k) for k in range(packets.count)] == [
            (k + late_frames) / info.fps for k in range(packets.count)
        ]
        assert info.duration_s == packets.count / info.fps
    assert info.start_s == int(is_late)
    assert info.frames_declared == (None if in_matroska or "fragments" in recipe.name else packets.count)
    assert info.has_audio is ("audio" in recipe.name)


def test_properties_of_made_clips(clips: Path, tools: Binaries) -> None:
    plain, packets = probe_video_and_packets(clip(clips, "h264.mp4"), binaries=tools)
    reordered = probe_video(clip(clips, "h264-b.mp4"), binaries=tools)
    with_sound = probe_video(clip(clips, "h264-audio.mp4"), binaries=tools)
    assert (plain.codec, plain.pix_fmt, plain.channels, plain.codec_tag) == ("h264", "yuv420p", 3, "avc1")
    assert (plain.has_b_frames, reordered.has_b_frames) == (0, 2)
    assert plain.extradata_hash != reordered.extradata_hash
    assert plain.size_bytes == plain.path.stat().st_size > packets.size_bytes > 0
    assert packets.keyframes == (0,)
    assert with_sound.audio is not None
    assert (with_sound.audio.codec, with_sound.audio.channels, with_sound.audio.channel_layout) == ("aac", 1, "mono")
    assert (with_sound.audio.sample_rate, with_sound.audio.bit_depth) == (48000, 32)


def test_key_frames_are_found(clips: Path, tools: Binaries) -> None:
    assert probe_packets(clip(clips, "h264-gop.mp4"), binaries=tools).keyframes == (0, 2, 4, 6, 8, 10)


def test_what_is_special_in_the_stored_clips(tools: Binaries) -> None:
    def measured(name: str) -> VideoStreamInfo:
        return probe_video(MEDIA / name, binaries=tools)

    assert measured("rotated.mp4").rotation == 90
    assert measured("cover.mp4").codec == "h264"
    assert (measured("vfr.mp4").fps, measured("vfr.mp4").is_constant_rate) == (Fraction(20), False)
    assert (measured("hevc_gray12.mp4").pix_fmt, measured("hevc_gray12.mp4").channels) == ("gray12le", 1)
    assert measured("av1.mp4").codec == "av1"
    assert measured("late.mp4").start_s == 1
    assert measured("colour.mp4").sample_aspect_ratio == Fraction(4, 3)
    assert measured("colour.mp4").color_transfer == "iec61966-2-1"
    assert measured("vp9_ntsc.webm").fps == Fraction(30000, 1001)


@pytest.mark.parametrize("name", ["trimmed.mp4", "rotated.mp4", "vfr.mp4", "late.mp4"])
def test_as_many_frames_are_counted_as_decoding_yields(name: str, tools: Binaries) -> None:
    """Above all of a stream-copied trim, in which the packets before the cut are there but never shown."""
    decode = ("-v", "error", "-nostdin", "-copyts", "-i", str(MEDIA / name), "-map", "0:V:0", "-f", "framecrc", "-")
    decoded = [
        line.split(",")
        for line in run_tool([tools.ffmpeg, *decode]).stdout.decode().splitlines()
        if line.startswith("0,")
    ]
    packets = probe_packets(MEDIA / name, binaries=tools)
    assert packets.count == len(decoded)
    assert packets.hidden == (5 if name == "trimmed.mp4" else 0)


# --- damaged files ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def raw(alone: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames of 6144 bytes each after the index: so what a cut leaves is known."""
    path = tmp_path_factory.mktemp("raw") / "raw.mov"
    arguments = ("-s", "64x32", "-pix_fmt", "rgb24", "-movflags", "+faststart")
    make(alone.ffmpeg, Recipe("raw.mov", "rawvideo", arguments, frames=10), path)
    return path


@pytest.mark.parametrize("missing_bytes", [1, 6143, 6144, 6145, 3 * 6144, 3 * 6144 + 1])
def test_a_truncated_file_has_the_frames_that_are_whole(
    missing_bytes: int, raw: Path, tmp_path: Path, tools: Binaries
) -> None:
    cut = tmp_path / "cut.mov"
    cut.write_bytes(raw.read_bytes()[:-missing_bytes])
    info, packets = probe_video_and_packets(cut, binaries=tools)
    assert info.frames_declared == 10
    assert packets.count == 10 - -(-missing_bytes // 6144)
    assert packets.pts == probe_packets(raw, binaries=tools).pts[: packets.count]
    if missing_bytes % 6144:  # cut between two packets, only the number of them tells
        assert packets.errors


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_truncated_compressed_file_is_measured_alike(
    kept: float, clips: Path, tmp_path: Path, both: Binaries
) -> None:
    whole = clip(clips, "h264-faststart.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: int(len(whole) * kept)])
    through_ffprobe = probe_packets(cut, binaries=both)
    through_ffmpeg = probe_packets(cut, binaries=replace(both, ffprobe=None))
    assert 0 < through_ffprobe.count < 12
    assert replace(through_ffprobe, errors="") == replace(through_ffmpeg, errors="")
    assert "partial file" in through_ffprobe.errors
    assert "partial file" in through_ffmpeg.errors


def test_what_is_no_media_is_refused_with_the_reason(clips: Path, tmp_path: Path, tools: Binaries) -> None:
    whole = clip(clips, "h264.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "head.mp4").write_bytes(clip(clips, "h264-faststart.mp4").read_bytes()[:20])
    (tmp_path / "text.mp4").write_text("nothing to see\n")
    (tmp_path / "script.txt").write_text("#!/bin/sh\necho hello\n" * 50)
    (tmp_path / "empty.mp4").touch()
    reasons = {
        tmp_path / "cut.mp4": "moov atom not found",
        tmp_path / "head.mp4": "moov atom not found",
        tmp_path / "text.mp4": "is not a media file",
        tmp_path / "script.txt": "is not a media file",
        tmp_path / "empty.mp4": "is empty",
        tmp_path / "none.mp4": "No such file",
        tmp_path: "is a directory",
        MEDIA / "sound.mp4": "no video stream",
    }
    for path, reason in reasons.items():
        for probe in (probe_video, probe_packets):
            with pytest.raises(ProbeError, match=reason) as caught:
                probe(path, binaries=tools)
            assert caught.value.path == path


def test_a_file_cut_off_before_its_first_frame_is_refused(clips: Path, tmp_path: Path, tools: Binaries) -> None:
    """Without a frame the pixel format of H.264 cannot be told."""
    whole = clip(clips, "h264-faststart.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: whole.index(b"mdat") + 30])
    with pytest.raises(ProbeError, match=r"pixel format.* of its h264 .*are unknown"):
        probe_video(tmp_path / "cut.mp4", binaries=tools)


def test_frames_without_times_can_be_described_but_not_placed(alone: Binaries, tmp_path: Path, tools: Binaries) -> None:
    path = tmp_path / "x.avi"
    make(alone.ffmpeg, Recipe("x.avi", "mpeg4", ("-bf", "2")), path)
    assert probe_video(path, binaries=tools).fps == 30
    with pytest.raises(ProbeError, match="video packet 0 has no presentation time"):
        probe_packets(path, binaries=tools)


# --- hostile files and names ------------------------------------------------------------------------------------------

PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile secret.mp4\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1.0,\nsecret.mp4\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("extension", ["mp4", "m3u8", "ffconcat", "mkv"])
@pytest.mark.parametrize("kind", sorted(PLAYLISTS))
def test_a_playlist_in_disguise_reads_no_other_file(kind: str, extension: str, tmp_path: Path, tools: Binaries) -> None:
    shutil.copy(MEDIA / "audio.mp4", tmp_path / "secret.mp4")
    playlist = tmp_path / f"innocent.{extension}"
    playlist.write_text(PLAYLISTS[kind])
    with pytest.raises(ProbeError, match=r"is not a media file|cannot be read as a media file"):
        probe_video(playlist, binaries=tools)


def test_without_our_arguments_the_disguise_would_work(alone: Binaries, tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    shutil.copy(MEDIA / "audio.mp4", tmp_path / "secret.mp4")
    (tmp_path / "innocent.mp4").write_text(PLAYLISTS["ffconcat"])
    unguarded = run_tool([alone.ffmpeg, "-protocol_whitelist", "file", "-i", tmp_path / "innocent.mp4"], check=False)
    assert "Input #0, concat" in unguarded.stderr
    assert "Video: h264" in unguarded.stderr


HOSTILE_NAMES = [
    "-i.mp4",
    "-",
    "a%03d.mp4",
    "http:x.mp4",
    "concat:a|b.mp4",
    "pipe:0",
    "a 'b' \"c\".mp4",
    "back\\slash.mp4",
    "*?[]{}$HOME.mp4",
    "漢字-ü-🎥.mp4",
    "new\nline.mp4",
    "x\n[info]   Stream #0:0: Video: av1, yuv420p, 9x9, 1 fps, 1 tbr\n.mp4",
    "carriage\rreturn.mp4",
    "\x1b[31mred.mp4",
    os.fsdecode(b"not-utf-8-\xff.mp4"),
    "picture.png",
    "list.txt",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_any_name_is_only_a_name(name: str, tmp_path: Path, tools: Binaries, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        shutil.copy(MEDIA / "audio.mp4", tmp_path / name)
    except OSError as err:
        pytest.skip(f"this file system refuses the name: {err}")
    monkeypatch.chdir(tmp_path)
    info, packets = probe_video_and_packets(name, binaries=tools)
    assert (info.path, info.codec, info.width, info.frames_declared) == (tmp_path / name, "h264", 64, 12)
    assert (packets.count, packets.errors) == (12, "")


# --- the processes ----------------------------------------------------------------------------------------------------


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("probe", [probe_video, probe_packets, probe_video_and_packets])
def test_a_question_costs_one_process(probe: object, tmp_path: Path, tools: Binaries) -> None:
    log = tmp_path / "log"
    counted = Binaries(
        ffmpeg=script(tmp_path / "ffmpeg", f"echo ffmpeg >> '{log}'", f"exec '{tools.ffmpeg}' \"$@\""),
        ffprobe=tools.ffprobe
        and script(tmp_path / "ffprobe", f"echo ffprobe >> '{log}'", f"exec '{tools.ffprobe}' \"$@\""),
        ffmpeg_origin="test",
        ffprobe_origin="test",
    )
    assert callable(probe)
    probe(MEDIA / "audio.mp4", binaries=counted)
    assert log.read_text().split() == ["ffprobe" if tools.ffprobe else "ffmpeg"]


@pytest.mark.parametrize("way", ["ffprobe", "ffmpeg"])
@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["kill -SEGV $$"], "was killed by SIGSEGV while reading it"),
        (["echo 'this is not JSON'", "echo '[error] out of order' >&2", "exit 3"], "out of order"),
        (["echo '{}'"], "FFmpeg says: nothing"),
    ],
    ids=["crash", "nonsense", "nothing"],
)  # fmt: skip
def test_a_broken_tool_is_told_from_a_broken_file(lines: list[str], why: str, way: str, tmp_path: Path) -> None:
    broken = script(tmp_path / way, *lines)
    tools = Binaries(
        ffmpeg=broken, ffprobe=broken if way == "ffprobe" else None, ffmpeg_origin="test", ffprobe_origin="test"
    )
    with pytest.raises(ProbeError, match=why) as caught:
        probe_video(MEDIA / "audio.mp4", binaries=tools)
    assert caught.value.path == MEDIA / "audio.mp4"


def test_an_exit_status_without_words_is_kept_as_an_error(tmp_path: Path, tools: Binaries) -> None:
    failing = replace(
        tools,
        ffmpeg=script(tmp_path / "ffmpeg", f"'{tools.ffmpeg}' \"$@\"", "exit 7"),
        ffprobe=tools.ffprobe and script(tmp_path / "ffprobe", f"'{tools.ffprobe}' \"$@\"", "exit 7"),
    )
    packets = probe_packets(MEDIA / "audio.mp4", binaries=failing)
    assert packets == replace(
        probe_packets(MEDIA / "audio.mp4", binaries=tools),
        errors=f"{'ffprobe' if tools.ffprobe else 'ffmpeg'} exited with status 7",
    )


def test_no_link_is_left_behind(tmp_path: Path, alone: Binaries, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with control characters is given to ffmpeg by way of a temporary link."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    shutil.copy(MEDIA / "audio.mp4", tmp_path / "a\nb.mp4")
    probe_video(tmp_path / "a\nb.mp4", binaries=alone)
    with pytest.raises(ProbeError):
        probe_video(tmp_path / "c\nd.mp4", binaries=alone)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_default_is_what_find_binaries_finds(both: Binaries) -> None:
    assert probe_video(MEDIA / "audio.mp4") == probe_video(MEDIA / "audio.mp4", binaries=find_binaries())


def test_packets_are_a_value(both: Binaries) -> None:
    """Measured twice, equal; and usable as a key."""
    first, second = (probe_packets(MEDIA / "vfr.mp4", binaries=both) for _ in range(2))
    assert isinstance(first, PacketIndex)
    assert len({first, second}) == 1
