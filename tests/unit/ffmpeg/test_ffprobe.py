"""Measuring a media file: what is read from recorded outputs of real builds, and the rules behind it.

``data/ffprobe`` and ``data/banner`` hold what `ffprobe_command` and `ffmpeg_command` printed for ``data/media``, with
only the name of its directory replaced.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffenc.errors import ProbeError
from ffenc.ffmpeg.banner import Banner, describe_video, ffmpeg_command, parse_banner
from ffenc.ffmpeg.ffprobe import ffprobe_command, parse_packets, parse_video_stream
from ffenc.ffmpeg.framecrc import CopiedPackets, parse_framecrc
from ffenc.ffmpeg.media_input import MediaFile, complaints, media_file, refusal
from ffenc.ffmpeg.mp4.boxes import declared_frames
from ffenc.ffmpeg.stream_info import (
    AudioStreamInfo,
    Packet,
    PacketIndex,
    VideoStreamInfo,
    clock_s,
    component_count,
    frame_rate,
    sample_bits,
    whole_frames_duration_s,
)

TESTS = Path(__file__).parents[2]
MEDIA = TESTS / "data" / "media"
FFPROBE = sorted((TESTS / "data" / "ffprobe").glob("*.json"))
BANNERS = sorted((TESTS / "data" / "banner").glob("*.txt"))

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
PLAIN: dict[str, Any] = {
    "codec": "h264", "profile": "High", "codec_tag": "avc1", "pix_fmt": "yuv420p", "channels": 3,
    "width": 64, "height": 48, "fps": Fraction(30), "is_constant_rate": True, "time_base": Fraction(1, 15360),
    "start_s": Fraction(0), "duration_s": Fraction(12, 30), "has_b_frames": 2,
    "color_range": None, "color_space": None, "color_primaries": None, "color_transfer": None,
    "sample_aspect_ratio": Fraction(1), "rotation": 0, "container": MP4, "audio": None, "frames_declared": 12,
}  # fmt: skip
STEREO = AudioStreamInfo(
    codec="aac", channels=2, sample_rate=48000, bit_rate=127000, bit_depth=32, channel_layout="stereo"
)
AV1: dict[str, Any] = {
    "codec": "av1", "profile": "Main", "codec_tag": "av01", "color_range": "tv", "has_b_frames": 0
}  # fmt: skip
VP9: dict[str, Any] = {
    "codec": "vp9", "profile": "Profile 0", "codec_tag": None, "color_range": "tv", "has_b_frames": 0,
    "fps": Fraction(30000, 1001), "time_base": Fraction(1, 1000), "duration_s": Fraction(400, 1000),
    "container": "matroska,webm", "frames_declared": None,
}  # fmt: skip
COLOUR: dict[str, Any] = {
    "color_range": "tv", "color_space": "bt709", "color_primaries": "bt709", "color_transfer": "iec61966-2-1",
    "sample_aspect_ratio": Fraction(4, 3), "duration_s": Fraction(4, 30), "frames_declared": 4,
}  # fmt: skip
GRAY: dict[str, Any] = {
    "codec": "hevc", "profile": "Rext", "codec_tag": "hev1", "pix_fmt": "gray12le", "channels": 1, "color_range": "pc",
    "duration_s": Fraction(6, 30), "frames_declared": 6,
}  # fmt: skip
EXPECTED: dict[str, dict[str, Any]] = {
    "audio.mp4": {"audio": STEREO},
    "av1.mp4": AV1,
    "colour.mp4": COLOUR,
    "cover.mp4": {"audio": STEREO},
    "hevc_gray12.mp4": GRAY,
    "late.mp4": {"start_s": Fraction(1)},
    "rotated.mp4": {"rotation": 90},
    "trimmed.mp4": {"duration_s": Fraction(3840, 15360)},
    "vfr.mp4": {"fps": Fraction(20), "is_constant_rate": False, "duration_s": Fraction(24, 20), "frames_declared": 24},
    "vp9_ntsc.webm": VP9,
}


def clip_of(recording: Path) -> str:
    return recording.stem.split("-", 1)[1]


def media(clip: str) -> MediaFile:
    return media_file(MEDIA / clip)


def from_ffprobe(recording: Path) -> tuple[VideoStreamInfo, PacketIndex]:
    document, clip = json.loads(recording.read_bytes()), media(clip_of(recording))
    return parse_video_stream(document, media=clip), parse_packets(document, media=clip)


def read_banner(recording: Path) -> tuple[Banner, CopiedPackets | None]:
    stderr, stdout = recording.read_text().split("---- stdout ----\n")
    banner = parse_banner(stderr)
    assert banner is not None
    return banner, parse_framecrc(stdout)


def from_banner(recording: Path) -> VideoStreamInfo:
    banner, copied = read_banner(recording)
    stream = banner.first("Video")
    assert stream is not None
    assert copied is not None
    info = describe_video(banner, stream, copied, media=media(clip_of(recording)))
    assert info is not None
    return info


def differences(info: VideoStreamInfo, clip: str) -> dict[str, tuple[object, object]]:
    """Field: (seen, expected); the audio bit rate to the kbit/s that the banner prints."""
    if info.audio and info.audio.bit_rate:
        info = replace(info, audio=replace(info.audio, bit_rate=info.audio.bit_rate // 1000 * 1000))
    expected = PLAIN | EXPECTED[clip] | {"path": MEDIA / clip, "size_bytes": (MEDIA / clip).stat().st_size}
    seen = {name: getattr(info, name) for name in expected}
    return {name: (seen[name], value) for name, value in expected.items() if seen[name] != value}


@pytest.mark.parametrize("recording", [p for p in FFPROBE if clip_of(p) in EXPECTED], ids=lambda p: p.stem)
def test_recorded_ffprobe_document_is_parsed(recording: Path) -> None:
    info, _ = from_ffprobe(recording)
    assert differences(info, clip_of(recording)) == {}
    assert info.has_audio is (info.audio is not None)


@pytest.mark.parametrize("recording", [p for p in BANNERS if clip_of(p) in EXPECTED], ids=lambda p: p.stem)
def test_recorded_banner_and_framecrc_are_parsed(recording: Path) -> None:
    assert differences(from_banner(recording), clip_of(recording)) == {}


@pytest.mark.parametrize("clip", sorted({clip_of(p) for p in BANNERS} & set(EXPECTED)))
def test_both_ways_give_the_same_extradata_hash(clip: str) -> None:
    """FFmpeg 4.2 hides the first four bytes of AV1's configuration record, so its hash of them differs."""
    of_ffprobe = {from_ffprobe(p)[0].extradata_hash for p in FFPROBE if clip_of(p) == clip}
    builds = [p for p in BANNERS if clip_of(p) == clip and not (clip == "av1.mp4" and p.stem.startswith("4.2"))]
    assert {from_banner(p).extradata_hash for p in builds} == of_ffprobe
    assert len(of_ffprobe) == 1


def test_the_extradata_hash_is_named_and_can_be_absent() -> None:
    hashes = {clip_of(p): from_ffprobe(p)[0].extradata_hash for p in FFPROBE if clip_of(p) in EXPECTED}
    assert hashes.pop("vp9_ntsc.webm") is None
    assert all(value is not None and value.startswith("adler32:") for value in hashes.values())
    assert hashes["av1.mp4"] != hashes["colour.mp4"] != hashes["audio.mp4"]


@pytest.mark.parametrize("recording", [*FFPROBE, *BANNERS], ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_the_recordings_without_video_are_the_ones_of_sound(recording: Path) -> None:
    """Guards the two selections above: no recording is left out of them unseen."""
    assert (clip_of(recording) in EXPECTED) is (clip_of(recording) != "sound.mp4")


@pytest.mark.parametrize("recording", [p for p in FFPROBE if clip_of(p) == "sound.mp4"], ids=lambda p: p.stem)
def test_file_without_video_is_refused_with_its_streams(recording: Path) -> None:
    with pytest.raises(ProbeError, match=r"no video stream \(only audio;.*give a file with video") as caught:
        from_ffprobe(recording)
    assert caught.value.path == MEDIA / "sound.mp4"


def test_a_cover_picture_alone_is_not_a_video() -> None:
    document = json.loads((TESTS / "data" / "ffprobe" / "5.1.9-cover.mp4.json").read_bytes())
    document["streams"] = document["streams"][1:]
    with pytest.raises(ProbeError, match=r"only audio, video; a cover picture does not count"):
        parse_video_stream(document, media=media("cover.mp4"))


def test_leading_cover_picture_is_skipped() -> None:
    document = json.loads((TESTS / "data" / "ffprobe" / "8.1.2-cover.mp4.json").read_bytes())
    document["streams"].reverse()
    assert differences(parse_video_stream(document, media=media("cover.mp4")), "cover.mp4") == {}


@pytest.mark.parametrize("version", ["5.1.9", "8.1.2"])
def test_packets_of_audio_and_cover_are_not_counted(version: str) -> None:
    info, packets = from_ffprobe(TESTS / "data" / "ffprobe" / f"{version}-cover.mp4.json")
    assert packets.count == info.frames_declared == 12
    assert packets.keyframes == (0,)
    assert packets.first_off_grid(info.fps) is None
    assert packets.hidden == 0


@pytest.mark.parametrize("version", ["5.1.9", "8.1.2"])
def test_frames_that_an_edit_list_hides_are_counted_apart(version: str) -> None:
    """A stream-copied trim keeps the frames since the keyframe; decoders never show them."""
    info, packets = from_ffprobe(TESTS / "data" / "ffprobe" / f"{version}-trimmed.mp4.json")
    assert (packets.count, packets.hidden, info.frames_declared) == (7, 5, 12)
    assert packets.pts_s(0) == 0
    assert packets.keyframes == ()


def test_any_key_of_ffprobe_may_be_missing() -> None:
    """Each release prints other keys; a lost one may lose its value, or be told, but never breaks the reading."""
    recording = TESTS / "data" / "ffprobe" / "8.1.2-cover.mp4.json"
    whole = json.loads(recording.read_bytes())
    required = set()
    for key in set(whole["streams"][0]) | set(whole["streams"][1]):
        document = json.loads(recording.read_bytes())
        for stream in document["streams"]:
            stream.pop(key, None)
        try:
            parse_video_stream(document, media=media("cover.mp4"))
        except ProbeError:
            required.add(key)
    assert required == {"codec_type", "codec_name", "width", "height", "pix_fmt", "time_base"}
    whole.pop("format")
    assert parse_video_stream(whole, media=media("cover.mp4")).container == ""


@pytest.mark.parametrize(("tag", "rotation"), [("270", 90), ("90", 270), ("-90", 90), ("0", 0), ("upside", 0)])
def test_the_rotate_tag_of_old_builds_counts_clockwise(tag: str, rotation: int) -> None:
    document = json.loads((TESTS / "data" / "ffprobe" / "5.1.9-rotated.mp4.json").read_bytes())
    del document["streams"][0]["side_data_list"]
    document["streams"][0]["tags"]["rotate"] = tag
    assert parse_video_stream(document, media=media("rotated.mp4")).rotation == rotation


def test_side_data_takes_precedence_over_the_rotate_tag() -> None:
    document = json.loads((TESTS / "data" / "ffprobe" / "5.1.9-rotated.mp4.json").read_bytes())
    document["streams"][0]["tags"]["rotate"] = "180"
    assert parse_video_stream(document, media=media("rotated.mp4")).rotation == 90


# --- the text of the banner -------------------------------------------------------------------------------------------

BANNER = """\
[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] [error] some complaint
[info] Input #0, matroska,webm, from 'file:/clips/x.mkv':
[info]   Metadata:
[info]     title           : [info]   Stream #0:7: Video: av1, yuv420p, 2x2, 1 fps
[info]   Duration: 00:00:00.40, start: 0.000000, bitrate: 228 kb/s
[info]   Stream #0:0(eng): Video: {video}
[info]   Stream #0:1: Audio: {audio}
[info] Stream mapping:
[info]   Stream #0:0 -> #0:0 (copy)
[info] Output #0, framecrc, to 'pipe:':
[info]   Stream #0:0: Video: mpeg4, yuv444p, 8x8, 5 fps, 5 tbr
"""
FRAMECRC = "#tb 0: 1/30\n0, 0, 0, 1, 10, 0x00000000\n0, 1, 1, 1, 10, 0x00000000, F=0x0\n"


def described(video: str, audio: str = "aac (LC), 44100 Hz, mono, fltp") -> VideoStreamInfo:
    banner = parse_banner(BANNER.format(video=video, audio=audio))
    assert banner is not None
    copied = parse_framecrc(FRAMECRC)
    assert copied is not None
    info = describe_video(banner, banner.streams[0], copied, media=media("vp9_ntsc.webm"))
    assert info is not None
    return info


@pytest.mark.parametrize(
    ("notes", "colours"),
    [
        ("(tv, bt709)", ("tv", "bt709", "bt709", "bt709")),
        ("(pc, bt470bg/unknown/unknown)", ("pc", "bt470bg", None, None)),
        ("(tv, bt2020nc/bt2020/smpte2084, progressive)", ("tv", "bt2020nc", "bt2020", "smpte2084")),
        ("(progressive)", (None, None, None, None)),
        ("", (None, None, None, None)),
        ("(10 bpc, pc, gbr/unknown/unknown, top first)", ("pc", "gbr", None, None)),
        ("(tv, (null))", ("tv", None, None, None)),
        ("(tv, fcc)", ("tv", "fcc", "bt470m", "bt470m")),
    ],
)
def test_colours_of_the_banner(notes: str, colours: tuple[str | None, ...]) -> None:
    info = described(f"h264 (High), yuv420p{notes}, 64x48 [SAR 1:1 DAR 4:3], 30 fps, 30 tbr, 1k tbn")
    assert (info.color_range, info.color_space, info.color_primaries, info.color_transfer) == colours
    assert (info.width, info.height) == (64, 48)


@pytest.mark.parametrize(
    ("codec", "profile", "tag"),
    [
        ("h264 (High 4:4:4 Predictive) (avc1 / 0x31637661)", "High 4:4:4 Predictive", "avc1"),
        ("av1 (libdav1d) (Main) (av01 / 0x31307661)", "Main", "av01"),
        ("av1 (libdav1d) (av01 / 0x31307661)", None, "av01"),
        ("vp9 (Profile 0)", "Profile 0", None),
        ("ffv1", None, None),
        ("h264 (Constrained Baseline) ([27][0][0][0] / 0x001B)", "Constrained Baseline", "[27][0][0][0]"),
        ("ffv1 (FFV1 / 0x31564646)", None, "FFV1"),
    ],
)
def test_profile_and_tag_of_the_banner(codec: str, profile: str | None, tag: str | None) -> None:
    info = described(f"{codec}, yuv420p, 64x48, 30 fps, 30 tbr, 1k tbn (default)")
    assert (info.codec, info.profile, info.codec_tag) == (codec.split(maxsplit=1)[0], profile, tag)


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("64x48, 30 fps, 30 tbr", None),
        ("64x48 [SAR 4:3 DAR 16:9], 30 fps, 30 tbr", Fraction(4, 3)),
        ("64x48 [SAR 1:1 DAR 4:3], 144 kb/s, SAR 4:3 DAR 16:9, 30 fps, 30 tbr", Fraction(4, 3)),
    ],
)
def test_the_container_decides_the_aspect_ratio(text: str, ratio: Fraction | None) -> None:
    assert described(f"vp9, yuv420p, {text}").sample_aspect_ratio == ratio


@pytest.mark.parametrize(
    ("text", "audio"),
    [
        ("opus, 48000 Hz, 5.1(side), fltp", AudioStreamInfo(codec="opus", channels=6, sample_rate=48000,
                                                            bit_depth=32, channel_layout="5.1(side)")),
        ("pcm_s24le, 44100 Hz, stereo, s32 (24 bit), 2116 kb/s (default)",
         AudioStreamInfo(codec="pcm_s24le", channels=2, sample_rate=44100, bit_rate=2116000, bit_depth=32,
                         channel_layout="stereo")),
        ("pcm_s16le ([1][0][0][0] / 0x0001), 8000 Hz, 3 channels, s16, 384 kb/s",
         AudioStreamInfo(codec="pcm_s16le", channels=3, sample_rate=8000, bit_rate=384000, bit_depth=16)),
        ("ac3, 48000 Hz, 7.1.4", AudioStreamInfo(codec="ac3", channels=12, sample_rate=48000, channel_layout="7.1.4")),
        ("none", AudioStreamInfo(codec="none", channels=0, sample_rate=0)),
    ],
    ids=lambda value: value.split(",")[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_audio_of_the_banner(text: str, audio: AudioStreamInfo) -> None:
    assert described("vp9, yuv420p, 64x48, 30 fps, 30 tbr", text).audio == audio


@pytest.mark.parametrize(
    "warning",
    [
        "[warning] Guessed Channel Layout for Input Stream #0.1 : stereo",
        "[aist#0:1/pcm_s24le @ 0x1] [warning] Guessed Channel Layout: stereo",
    ],
    ids=["4.2-5.1", "7.0-9.0"],
)
def test_a_channel_layout_that_ffmpeg_guessed_is_none(warning: str) -> None:
    banner = parse_banner(f"{warning}\n{BANNER.format(video='vp9', audio='pcm_s24le, 8000 Hz, stereo, s32')}")
    assert banner is not None
    assert [stream.layout_is_guessed for stream in banner.streams] == [False, True]


def test_only_the_lines_of_the_input_are_streams() -> None:
    """Neither the output below, nor a tag's value that looks like one."""
    banner = parse_banner(BANNER.format(video="vp9", audio="aac"))
    assert banner is not None
    assert [(stream.index, stream.kind, stream.text) for stream in banner.streams] == [
        (0, "Video", "vp9"),
        (1, "Audio", "aac"),
    ]
    assert banner.container == "matroska,webm"


def test_no_banner_when_the_input_was_not_opened() -> None:
    assert parse_banner("[error] file:/clips/x.mp4: Invalid data found when processing input\n") is None


@pytest.mark.parametrize("video", ["h264, none, 64x48, 30 fps, 30 tbr", "h264, yuv420p, 30 fps, 30 tbr",
                                   "h264, yuv420p, 64x48"], ids=["pixel format", "size", "rate"])  # fmt: skip
def test_incomplete_banner_has_no_description(video: str) -> None:
    banner = parse_banner(BANNER.format(video=video, audio="aac"))
    copied = parse_framecrc(FRAMECRC)
    assert banner is not None
    assert copied is not None
    assert describe_video(banner, banner.streams[0], copied, media=media("audio.mp4")) is None


# --- framecrc ---------------------------------------------------------------------------------------------------------


def framecrc(pts: list[int], *, tb: str = "1/15360", delay: int = 0, duration: int = 512) -> CopiedPackets:
    """Packets in decode order, their DTS being the sorted times less ``delay``."""
    lines = [f"0,{dts - delay:>10},{p:>10},{duration:>8},  10, 0x0" for dts, p in zip(sorted(pts), pts, strict=True)]
    copied = parse_framecrc("\n".join([f"#tb 0: {tb}", *lines]))
    assert copied is not None
    return copied


@given(st.binary(min_size=1, max_size=3000))
def test_the_hash_is_the_standard_adler32(extradata: bytes) -> None:
    zero_based = zlib.adler32(extradata, 0)
    copied = parse_framecrc(f"#extradata 0: {len(extradata):8d}, 0x{zero_based:08x}\n#tb 0: 1/1\n")
    assert copied is not None
    assert copied.extradata_hash == f"adler32:{zlib.adler32(extradata):08x}"


def test_flags_of_framecrc_say_key_hidden_and_nothing() -> None:
    flags = ["", ", F=0x0", ", F=0x1", ", F=0x4", ", F=0x5", ", S=1,        8, 0x0", ", F=0x0, S=1, 8, 0x0"]
    lines = [f"0, {i}, {i}, 1, 10, 0x00000000{flag}" for i, flag in enumerate(flags)]
    copied = parse_framecrc("\n".join(["#tb 0: 1/30", *lines]))
    assert copied is not None
    assert [p.is_key for p in copied.packets] == [True, False, True, False, True, True, False]
    assert [p.is_hidden for p in copied.packets] == [False, False, False, True, True, False, False]
    assert [pts for pts, _ in copied.shown] == [0, 1, 2, 5, 6]


def test_unset_times_of_framecrc_are_none() -> None:
    copied = parse_framecrc("#tb 0: 1/30\n0, 0, -9223372036854775808, 1, 10, 0x0\n")
    assert copied is not None
    assert copied.packets[0].pts is None
    assert copied.shown == ()
    assert copied.span_s() is None


def test_no_time_base_means_ffmpeg_copied_nothing() -> None:
    assert parse_framecrc("") is None


@pytest.mark.parametrize(
    ("pts", "tb", "printed", "exact"),
    [
        ([0, 512, 1024], "1/15360", "30", Fraction(30)),
        ([0, 1001, 2002], "1/30000", "29.97", Fraction(30000, 1001)),
        ([0, 400, 800], "1/11988", "29.97", Fraction(2997, 100)),
        ([0, 33, 67, 100], "1/1000", "29.97", Fraction(30000, 1001)),
        ([0, 33, 67, 100], "1/1000", "30", Fraction(30)),
        ([0, 42, 83, 125], "1/1000", "23.98", Fraction(24000, 1001)),
        ([0, 17, 33, 50], "1/1000", "59.94", Fraction(60000, 1001)),
        ([0, 33], "1/1000", "30", Fraction(30)),
        ([0], "1/15360", "30", Fraction(30)),
        ([0, 80, 160], "1/1000", "12.50", Fraction(25, 2)),
        ([0, 3, 6], "1/1", "0.33", Fraction(1, 3)),
        ([], "1/15360", "12.34", Fraction(617, 50)),
    ],
)
def test_the_exact_rate_behind_two_decimals(pts: list[int], tb: str, printed: str, exact: Fraction) -> None:
    assert framecrc(pts, tb=tb).exact_rate(Fraction(printed)) == exact


@pytest.mark.parametrize(
    ("pts", "tb", "delay", "depth"),
    [
        ([0, 512, 1024], "1/15360", 0, 0),
        ([0, 1024, 512, 2048, 1536], "1/15360", 512, 1),
        ([0, 1536, 512, 1024], "1/15360", 1024, 2),
        ([0, 133, 67, 33, 100], "1/1000", 67, 2),
        ([0, 134, 67, 33, 100], "1/1000", 66, 2),
        ([0], "1/15360", 1024, 2),
        ([], "1/15360", 0, 0),
    ],
)
def test_reorder_depth_from_the_first_packet(pts: list[int], tb: str, delay: int, depth: int) -> None:
    assert framecrc(pts, tb=tb, delay=delay).reorder_depth() == depth


def test_a_last_packet_without_duration_lasts_as_long_as_the_one_before() -> None:
    """FFmpeg 4.2 gives none to the last packet of a fragmented MP4."""
    assert framecrc([0, 512, 1024], duration=0).span_s() == Fraction(1536, 15360)


# --- rules ------------------------------------------------------------------------------------------------------------

F = Fraction


@pytest.mark.parametrize(
    ("average", "nominal", "frames", "duration_s", "rate"),
    [
        (F(30), F(30), 20, F(2, 3), (F(30), True)),
        (F(30000, 1001), F(30000, 1001), None, None, (F(30000, 1001), True)),
        (F(20), F(30), 40, F(2), (F(20), False)),
        (F(20), F(30), None, None, (F(20), False)),
        (F(20000, 667), F(30), 20, F(667, 1000), (F(30), True)),
        (F(2990, 100), F(30), 299, F(10), (F(299, 10), False)),
        (None, F(30), 1, None, (F(30), False)),
        (F(30), None, 1, None, (F(30), False)),
        (None, None, 1, None, None),
    ],
    ids=["cfr", "ntsc", "vfr", "vfr-mkv", "edit-list noise", "one frame lost", "no avg", "no nominal", "none"],
)
def test_frame_rate_rule(
    average: Fraction | None, nominal: Fraction | None, frames: int | None, duration_s: Fraction | None, rate: object
) -> None:
    assert frame_rate(average, nominal, frames=frames, duration_s=duration_s) == rate


@pytest.mark.parametrize(
    ("declared", "constant", "frames", "duration"),
    [
        (F(10230, 15360), True, 20, F(2, 3)),
        (F(10230, 15360), False, 20, F(10230, 15360)),
        (F(4864, 15360), True, 20, F(4864, 15360)),
        (F(2, 3), True, None, F(2, 3)),
        (None, True, 20, None),
    ],
    ids=["rounded", "variable", "trimmed", "no count", "no duration"],
)
def test_rounded_duration_becomes_a_whole_number_of_frames(
    declared: Fraction | None, constant: bool, frames: int | None, duration: Fraction | None
) -> None:
    assert whole_frames_duration_s(declared, fps=F(30), is_constant_rate=constant, frames=frames) == duration


@pytest.mark.parametrize(
    "listing", sorted((TESTS / "recorded").glob("*/pix_fmts.stdout.txt")), ids=lambda p: p.parent.name
)
def test_component_count_agrees_with_every_software_format_listed(listing: Path) -> None:
    lines = listing.read_text().partition("-----\n")[2].splitlines()
    listed = {name: int(count) for flags, name, count, *_ in map(str.split, lines) if "H" not in flags}
    assert len(listed) > 150
    assert {name: component_count(name) for name in listed} == listed


@pytest.mark.parametrize(("sample_fmt", "bits"), [("fltp", 32), ("s16", 16), ("u8p", 8), ("dbl", 64), ("", None)])
def test_sample_bits(sample_fmt: str, bits: int | None) -> None:
    assert sample_bits(sample_fmt) == bits


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:00.667000000", F(667, 1000)), ("01:02:03.5", F(7447, 2)), ("", None), ("1:2", None), ("a:b:c", None)],
)
def test_clock_s(text: str, seconds: Fraction | None) -> None:
    assert clock_s(text) == seconds


def index(pts: list[int], time_base: Fraction) -> PacketIndex:
    packets = [Packet(p, 10, i == 0, False) for i, p in enumerate(pts)]
    return PacketIndex.from_packets(packets, path=Path("x.mp4"), time_base=time_base)


def test_frames_are_in_presentation_order() -> None:
    packets = [Packet(1024, 7, True, False), Packet(0, 5, False, False), Packet(512, 3, True, False)]
    index = PacketIndex.from_packets(packets, path=Path("x.mp4"), time_base=F(1, 15360), errors="oh")
    assert index.pts == (0, 512, 1024)
    assert index.keyframes == (1, 2)
    assert (index.count, index.size_bytes, index.errors) == (3, 15, "oh")
    assert index.pts_s(1) == F(1, 30)


@pytest.mark.parametrize(
    ("pts", "time_base", "fps", "first"),
    [
        ([0, 512, 1024], F(1, 15360), F(30), None),
        ([0, 512, 1025, 1536], F(1, 15360), F(30), 2),
        ([512, 1024], F(1, 15360), F(30), 0),
        ([0, 512, 512], F(1, 15360), F(30), 2),
        ([0, 1001, 2002], F(1, 30000), F(30000, 1001), None),
        ([0, 1001, 2002], F(1, 30000), F(2997, 100), 1),
        ([0, 33, 67], F(1, 1000), F(30), 1),
        ([0, 333, 667, 1000], F(1, 1000), F(1), 1),
        ([], F(1, 1000), F(1), None),
    ],
)
def test_first_off_grid(pts: list[int], time_base: Fraction, fps: Fraction, first: int | None) -> None:
    assert index(pts, time_base).first_off_grid(fps) == first


def test_a_frame_without_time_is_refused_unless_it_is_hidden() -> None:
    packets = [Packet(None, 10, True, True), Packet(None, 10, True, False)]
    with pytest.raises(ProbeError, match=r"(?s)x\.avi: video packet 1 has no presentation time.*ffmpeg -i x\.avi"):
        PacketIndex.from_packets(packets, path=Path("x.avi"), time_base=F(1, 30))


# --- opening a file ---------------------------------------------------------------------------------------------------


def test_path_is_checked_before_a_process_starts(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe")
    for path, why in {
        tmp_path / "none.mp4": "none.mp4 cannot be measured: No such file or directory",
        tmp_path: "is a directory; name a media file in it",
        tmp_path / "empty.mp4": "is empty; make the file again",
        tmp_path / "pipe": "is not a regular file",
    }.items():
        with pytest.raises(ProbeError, match=why) as caught:
            media_file(path)
        assert caught.value.path == path


def test_a_relative_path_becomes_absolute_and_keeps_its_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"12345678")
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    monkeypatch.chdir(tmp_path)
    assert media_file("link.mp4") == MediaFile(path=tmp_path / "link.mp4", size_bytes=8)


@pytest.mark.parametrize("command", [ffmpeg_command, lambda tool, path: ffprobe_command(tool, path, packets=True)],
                         ids=["ffmpeg", "ffprobe"])  # fmt: skip
def test_an_input_is_a_local_file_of_a_container_and_nothing_else(command: Any) -> None:
    argv = command(Path("/bin/tool"), Path("/-i %d: x.mp4"))
    assert argv[argv.index("-i") + 1] == "file:/-i %d: x.mp4"
    assert argv[argv.index("-protocol_whitelist") + 1] == "file"
    allowed = argv[argv.index("-format_whitelist") + 1].split(",")
    assert {"mov", "matroska"} <= set(allowed)
    assert not {"concat", "hls", "image2", "lavfi", "tty", "dash", "sdp"} & set(allowed)
    assert argv.index("-format_whitelist") < argv.index("-i")


@pytest.mark.parametrize(
    ("head", "stderr", "why"),
    [
        (b"\0\0\0\x20ftypisom", "[mov @ 0x7f] [error] moov atom not found", "has no index .* Use a complete copy"),
        (b"hello, world", "[mov @ 0x7f] [error] moov atom not found", "is not a media file .* it is a text file"),
        (b"ffconcat version 1.0", "[concat @ 0x7f] [error] Format not on whitelist 'mov'", "it is a playlist"),
        (b"\xfe", "[x @ 0x7f] [error] Format not on whitelist 'mov'", "may name other files"),
        (b"\xfe", "[mov @ 0x7f] [error] moov atom not found", "is not a media file, despite its name"),
        (b"\0\0\0\x20ftypisom", "[error] Permission denied", "FFmpeg says: Permission denied"),
        (b"\xfe", "", "FFmpeg says: nothing"),
    ],
)
def test_a_refusal_says_which_and_what_to_do(tmp_path: Path, head: bytes, stderr: str, why: str) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(head)
    error = refusal(media_file(path), stderr)
    with pytest.raises(ProbeError, match=why):
        raise error
    assert error.path == path


def test_complaints_are_errors_and_corrupt_packets_without_addresses() -> None:
    stderr = (
        "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55e] [warning] stream 0, timescale not set\n"
        "[in#0/mov @ 0x1] [warning] Packet corrupt (stream = 0, dts = 4096), dropping it.\n"
        "[info] Input #0, mov, from 'error.mp4':\n"
        "[h264 @ 0x2] [error] Invalid NAL unit size (1 > 0).\n"
        "[h264 @ 0x3] [error] Invalid NAL unit size (1 > 0).\n"
        "not tagged error\n"
        "[fatal] Error opening input files: End of file\n"
    )
    assert complaints(stderr).splitlines() == [
        "Packet corrupt (stream = 0, dts = 4096), dropping it.",
        "Invalid NAL unit size (1 > 0).",
        "Error opening input files: End of file",
    ]


def test_complaints_are_bounded() -> None:
    said = complaints("".join(f"[error] no {i}\n" for i in range(1000))).splitlines()
    assert said[:2] == ["no 0", "no 1"]
    assert said[-1] == "... and 980 more"


# --- the header of an MP4 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clip", "frames"),
    [
        ("audio.mp4", 12),
        ("cover.mp4", 12),
        ("vfr.mp4", 24),
        ("hevc_gray12.mp4", 6),
        ("sound.mp4", None),
        ("vp9_ntsc.webm", None),
    ],
)
def test_frames_that_an_mp4_header_declares(clip: str, frames: int | None) -> None:
    assert declared_frames(MEDIA / clip) == frames


def box(kind: bytes, *contents: bytes) -> bytes:
    data = b"".join(contents)
    return struct.pack(">I4s", len(data) + 8, kind) + data


def movie(*runs: int) -> bytes:
    table = box(b"stts", bytes(4), struct.pack(">I", len(runs)), *(struct.pack(">II", run, 512) for run in runs))
    media_box = box(b"mdia", box(b"hdlr", bytes(8), b"vide"), box(b"minf", box(b"stbl", table)))
    return box(b"moov", box(b"mvhd", bytes(100)), box(b"trak", media_box))


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (box(b"ftyp", b"isom") + movie(3, 4), 7),
        (box(b"ftyp", b"isom") + movie(), None),
        (struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234" + movie(5), 5),
        (struct.pack(">I4s", 0, b"moov") + movie(5)[8:], 5),
        (struct.pack(">I4s", 0, b"mdat") + movie(5), None),
        (struct.pack(">I4s", 4, b"free") + movie(5), None),
        (movie(5)[:-20], None),
        (b"", None),
    ],
    ids=["runs", "fragmented", "64-bit size", "open-ended index", "open-ended data", "impossible size", "cut", "empty"],
)
def test_boxes_of_every_size_are_walked(tmp_path: Path, data: bytes, frames: int | None) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(data)
    assert declared_frames(path) == frames


@given(data=st.data())
def test_a_damaged_header_never_breaks_the_walk(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = bytearray((MEDIA / "vfr.mp4").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.mp4"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    frames = declared_frames(path)
    assert frames is None or frames > 0
