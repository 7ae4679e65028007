"""The capability probe and its cache, with an executable that replays recorded answers and notes each question."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shlex
import sys
from collections import Counter
from pathlib import Path

import pytest

from ffenc.errors import BinaryNotFoundError, CapabilityError, ProbeError, ProcessError, ProcessTimeoutError
from ffenc.ffmpeg import capability_probe
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.ffmpeg.listing import parse_encoder_help, parse_encoders, parse_pix_fmts, parse_version

RECORDED = Path(__file__).parents[2] / "recorded"
BUILDS = sorted(folder.name for folder in RECORDED.iterdir())
SVT_VERSION = r"SVT-AV1 Encoder Lib v(\S+)"
# What libsvtav1 writes to standard error: FFmpeg 5.1.9 of Debian, and 9.0.2.
SVT_1_4 = "Svt[info]: SVT [version]:\tSVT-AV1 Encoder Lib v1.4.1"
SVT_4_2 = "Svt[info]: SVT [version]:\tSVT-AV1 Encoder Lib v4.2.0-151-g5ed9ffbcb"


class FakeFFmpeg:
    """A shell script in the place of ffmpeg."""

    def __init__(self, folder: Path, build: str) -> None:
        self.path = folder / "ffmpeg"
        self.log = folder / "questions"
        self.recorded = RECORDED / build
        self.play(svt=SVT_1_4)

    def play(self, *, svt: str = SVT_1_4, before: str = "") -> None:
        """Replay the recorded build, after the shell command ``before``."""
        folder = shlex.quote(str(self.recorded))
        self.path.write_text(f"""#!/bin/sh
echo "$*" >> {shlex.quote(str(self.log))}
{before}
cd {folder}
case "$*" in
  *" -version") cat version.stdout.txt ;;
  *" -encoders") cat encoders.stdout.txt ;;
  *" -pix_fmts") cat pix_fmts.stdout.txt ;;
  *" -c:v libsvtav1 "*) echo {shlex.quote(svt)} >&2 ;;
  *" -c:v "*) echo "Unknown encoder" >&2; exit 8 ;;
  *" encoder="*) f="h_encoder_${{*##*encoder=}}.stdout.txt"
     if [ -f "$f" ]; then cat "$f"; else cat h_encoder_UNKNOWN.stdout.txt; fi ;;
esac
""")
        self.path.chmod(0o755)

    def questions(self) -> Counter[str]:
        """What was asked since the last call, without what every question begins with."""
        asked = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return Counter(question.removeprefix("-hide_banner -nostdin ") for question in asked)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of our own, which does not exist yet."""
    monkeypatch.setenv("FFENC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fake(tmp_path):
    return FakeFFmpeg(tmp_path, "9.0.2")


def forget(monkeypatch):
    """What a new process would not know."""
    monkeypatch.setattr(capability_probe, "_memo", {})


LISTINGS = Counter(["-version", "-encoders", "-pix_fmts"])


@pytest.mark.parametrize("build", BUILDS)
def test_answers_of_seven_builds(build, tmp_path):
    fake = FakeFFmpeg(tmp_path, build)
    found = probe_capabilities(fake.path, encoders=["libx264", "h264_v4l2m2m"])
    read = {name: (fake.recorded / f"{name}.stdout.txt").read_text() for name in ("version", "encoders", "pix_fmts")}
    assert found.ffmpeg == fake.path
    assert found.version == parse_version(read["version"])
    assert found.pixel_formats == parse_pix_fmts(read["pix_fmts"])
    everything = parse_encoders(read["encoders"])
    assert found.encoders == {n: listing for n, listing in everything.items() if listing.media_type == "video"}
    assert 90 < len(found.encoders) < len(everything)
    text = (fake.recorded / "h_encoder_libx264.stdout.txt").read_text()
    assert found.help("libx264") == parse_encoder_help(text, "libx264")
    assert list(found.helps) == ["libx264", "h264_v4l2m2m"]


def test_only_what_is_needed_is_asked(fake):
    probe_capabilities(fake.path)
    assert fake.questions() == LISTINGS
    probe_capabilities(fake.path, encoders=["libx264", "libx265", "libx264"])
    assert fake.questions() == Counter(["-h encoder=libx264", "-h encoder=libx265"])
    probe_capabilities(fake.path, encoders=["libx265"])
    assert fake.questions() == Counter()


def test_encoder_that_this_build_does_not_have_is_absent(fake):
    found = probe_capabilities(fake.path, encoders=["libx264", "doesnotexist", "h264"])
    assert list(found.helps) == ["libx264"]
    with pytest.raises(CapabilityError, match=r"n9\.0\.2.* has no video encoder doesnotexist"):
        found.help("doesnotexist")
    with pytest.raises(CapabilityError, match=r"libx265 are not known: name it in probe_capabilities"):
        found.help("libx265")


@pytest.mark.parametrize(
    ("printed", "version"),
    [(SVT_1_4, (1, 4, 1)), (SVT_4_2, (4, 2, 0)), ("SVT-AV1 Encoder Lib v3.1", (3, 1)), ("Encoder Lib v3.1", None)],
    ids=["1.4.1", "git", "two numbers", "not printed"],
)
def test_library_version_is_what_the_encoder_writes_to_standard_error(fake, printed, version):
    fake.play(svt=printed)
    found = probe_capabilities(fake.path, library_versions={"libsvtav1": SVT_VERSION})
    assert found.library_versions.get("libsvtav1") == version
    assert fake.questions().total() == 4
    assert found == probe_capabilities(fake.path, library_versions={"libsvtav1": SVT_VERSION})
    assert fake.questions().total() == 0


def test_library_version_of_an_encoder_that_fails_is_absent_and_asked_again_in_the_next_process(
    fake, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG, logger="ffenc")
    for _ in range(2):
        found = probe_capabilities(fake.path, library_versions={"h264_vaapi": r"v(\S+)", "libsvtav1": SVT_VERSION})
        assert found.library_versions == {"libsvtav1": (1, 4, 1)}
        assert "the version of the library behind h264_vaapi is unknown" in caplog.text
        (question,) = [asked for asked in fake.questions() if "h264_vaapi" in asked]
        assert "-frames:v 1" in question
        forget(monkeypatch)


def test_another_pattern_needs_no_other_encode(fake):
    probe_capabilities(fake.path, library_versions={"libsvtav1": SVT_VERSION})
    fake.questions()
    found = probe_capabilities(fake.path, library_versions={"libsvtav1": r"Lib v\d\.(\S+)"})
    assert found.library_versions == {"libsvtav1": (4, 1)}
    assert fake.questions() == Counter()


# The cache


def test_second_process_asks_nothing(fake, monkeypatch, cache):
    first = probe_capabilities(fake.path, encoders=["libx264"], library_versions={"libsvtav1": SVT_VERSION})
    fake.questions()
    forget(monkeypatch)
    second = probe_capabilities(fake.path, encoders=["libx264"], library_versions={"libsvtav1": SVT_VERSION})
    assert fake.questions() == Counter()
    assert second == first
    assert second is not first
    assert len(list(cache.iterdir())) == 1


def test_second_process_adds_to_what_the_first_kept(fake, monkeypatch, cache):
    probe_capabilities(fake.path, encoders=["libx264"])
    for encoder in ("libx265", "libx264"):
        forget(monkeypatch)
        fake.questions()
        probe_capabilities(fake.path, encoders=[encoder])
        assert fake.questions() == Counter(["-h encoder=libx265"] if encoder == "libx265" else [])
    assert len(list(cache.iterdir())) == 1


def test_in_one_process_the_value_is_the_same_object(fake, cache):
    first = probe_capabilities(fake.path, encoders=["libx264"])
    next(cache.iterdir()).unlink()
    assert probe_capabilities(fake.path, encoders=["libx264"]) is first


@pytest.mark.parametrize("change", ["modification time", "size", "linker"])
def test_changed_executable_or_library_is_asked_again(change, fake, monkeypatch, tmp_path):
    linker = tmp_path / "ld.so.cache"
    linker.write_text("")
    monkeypatch.setattr(capability_probe, "_LINKER_CACHE", linker)
    old = probe_capabilities(fake.path)
    fake.questions()
    times = fake.path.stat()
    if change == "modification time":
        os.utime(fake.path, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000_000))
    elif change == "size":
        fake.recorded = RECORDED / "4.4"
        fake.play(before="# longer")
        os.utime(fake.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    else:
        os.utime(linker, ns=(0, 0))
    new = probe_capabilities(fake.path)
    assert fake.questions() == LISTINGS
    assert new.version.text == ("n4.4" if change == "size" else old.version.text)


def test_link_and_target_share_their_answers_but_keep_their_paths(fake, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(fake.path)
    probe_capabilities(fake.path)
    fake.questions()
    assert probe_capabilities(link).ffmpeg == link
    assert probe_capabilities(fake.path).ffmpeg == fake.path
    assert fake.questions() == Counter()


def test_two_executables_have_two_files(tmp_path, cache):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = FakeFFmpeg(tmp_path / "a", "9.0.2"), FakeFFmpeg(tmp_path / "b", "4.4")
    assert probe_capabilities(first.path).version != probe_capabilities(second.path).version
    assert len(list(cache.iterdir())) == 2


def test_without_cache_nothing_is_read_or_written(fake, cache):
    probe_capabilities(fake.path, use_cache=False)
    assert not cache.exists()
    probe_capabilities(fake.path)
    fake.questions()
    probe_capabilities(fake.path, use_cache=False)
    assert fake.questions() == LISTINGS


def shortened(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_texts(texts: object):
    def change(content: bytes) -> bytes:
        return json.dumps({"identity": json.loads(content)["identity"], "texts": texts}).encode()

    return change


DAMAGES = {
    "torn": shortened,
    "empty": lambda _: b"",
    "not UTF-8": lambda _: b"\xff\xfe",
    "not an object": lambda _: b"[1, 2]",
    "foreign object": lambda _: b'{"identity": 1}',
    "no texts": with_texts(None),
    "texts that are no text": with_texts({"-version": 5}),
    "nonsense": with_texts({"-version": "nonsense", "-encoders": "nonsense", "-pix_fmts": "nonsense"}),
    "half of a listing": with_texts({"-encoders": "Encoders:\n V..... = Video\n"}),
    "older format": lambda content: content.replace(b'"identity":[1,', b'"identity":[0,'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_cache_file_is_ignored_and_rewritten(damage, fake, monkeypatch, cache):
    whole = probe_capabilities(fake.path, encoders=["libx264"])
    (file,) = cache.iterdir()
    content = file.read_bytes()
    assert damage(content) != content
    file.write_bytes(damage(content))
    forget(monkeypatch)
    fake.questions()
    assert probe_capabilities(fake.path, encoders=["libx264"]) == whole
    assert fake.questions()["-encoders"] == 1
    assert [path.name for path in cache.iterdir()] == [file.name]
    assert json.loads(file.read_bytes()) == json.loads(content)


def test_folder_that_cannot_be_made_costs_only_time(fake, monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.DEBUG, logger="ffenc")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FFENC_CACHE_DIR", str(tmp_path / "file" / "cache"))
    first = probe_capabilities(fake.path)
    assert "is not cached" in caplog.text
    forget(monkeypatch)
    assert probe_capabilities(fake.path) == first
    assert fake.questions() == LISTINGS + LISTINGS


def test_write_that_fails_leaves_no_file_behind(fake, cache, caplog):
    caplog.set_level(logging.DEBUG, logger="ffenc")
    probe_capabilities(fake.path)
    (file,) = cache.iterdir()
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    probe_capabilities(fake.path, encoders=["libx264"])
    assert "is not cached" in caplog.text
    assert list(cache.iterdir()) == [file]


def test_folder_of_the_user_is_used_by_default(fake, monkeypatch, tmp_path):
    monkeypatch.delenv("FFENC_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "caches"))
    probe_capabilities(fake.path)
    (file,) = (path for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert file.parent.name == "ffenc"


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take no such name")
def test_name_of_the_executable_need_not_be_utf8(fake, tmp_path, monkeypatch):
    ffmpeg = fake.path.rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    probe_capabilities(ffmpeg)
    forget(monkeypatch)
    fake.questions()
    assert probe_capabilities(ffmpeg).version.release == (9, 0)
    assert fake.questions() == Counter()


# Executables that are no FFmpeg


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("echo 'ffmpeg: error while loading shared libraries: libavdevice.so.59' >&2; exit 127", "libavdevice.so.59"),
        ("exit 0", "it begins with 'nothing'"),
        ("echo 'GNU coreutils 9.1'", "GNU coreutils 9.1"),
        ("head -c 1000 /dev/urandom", "has no"),
        ("echo 'Encoders:'; kill -KILL $$", "killed by SIGKILL"),
    ],
    ids=["missing library", "silent", "another program", "noise", "killed half way"],
)
def test_executable_that_is_not_ffmpeg_is_an_error_with_its_output(script, seen, fake, cache):
    fake.play(before=script + "; exit")
    with pytest.raises((ProbeError, ProcessError)) as caught:
        probe_capabilities(fake.path)
    assert str(fake.path) in str(caught.value)
    assert seen in str(caught.value)
    assert not cache.exists()


def test_executable_that_hangs_is_given_up(fake, cache):
    fake.play(before="exec sleep 60")
    with pytest.raises(ProcessTimeoutError):
        probe_capabilities(fake.path, timeout_s=0.2)
    assert not cache.exists()


def test_file_of_another_machine_is_an_error(tmp_path):
    wrong = tmp_path / "ffmpeg"
    wrong.write_bytes(b"\x7fELF" + bytes(60))
    wrong.chmod(0o755)
    with pytest.raises(ProcessError, match="could not"):
        probe_capabilities(wrong)


def test_no_executable_is_an_error(tmp_path):
    with pytest.raises(BinaryNotFoundError):
        probe_capabilities(tmp_path / "ffmpeg")


def test_exit_status_of_a_listing_is_ignored(fake):
    script = fake.path.read_text()
    fake.path.write_text(script + "exit 3\n")
    assert probe_capabilities(fake.path, encoders=["libx264"]).help("libx264").options["crf"].type == "float"


def test_value_crosses_process_borders(fake):
    found = probe_capabilities(fake.path, encoders=["libx264"])
    assert pickle.loads(pickle.dumps(found)) == found
