"""Test that every error is in the tree, carries its facts as attributes and can be pickled."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from ffenc import errors
from ffenc.errors import (
    BinaryNotFoundError,
    CameraEndedError,
    CameraError,
    CameraFormatError,
    CameraStalledError,
    CameraUnavailableError,
    CapabilityError,
    ConcatError,
    DatasetError,
    DatasetLockedError,
    DatasetMovedError,
    DependencyError,
    EncoderOptionError,
    EncoderUnavailableError,
    EpisodeError,
    ErrorGroup,
    FFencError,
    FrameError,
    FrameSizeError,
    InputError,
    LeRobotError,
    MergeError,
    NotOwnerError,
    NoVideoError,
    OutputError,
    OutputExistsError,
    PixelFormatError,
    PreviewError,
    ProbeError,
    ProcessDiedError,
    ProcessError,
    ProcessStartError,
    ProcessTimeoutError,
    QueueFullError,
    RecordingError,
    ThreadStartError,
    UnsafePathError,
    describe_returncode,
)

PROCESS = {"argv": ("ffmpeg", "-i", "a b"), "returncode": -9, "stderr_tail": "first\nlast", "frames_written": 7}
EXAMPLES = [
    FFencError("plain"),
    BinaryNotFoundError("ffmpeg", [("PATH", "nothing"), ("package", "not installed")], remedy="install it"),
    DependencyError("shadowed"),
    CapabilityError("cannot"),
    EncoderUnavailableError("no", requested="auto", refused=[("h264_nvenc", "no GPU")], alternatives=["libx264"]),
    PixelFormatError("no", pix_fmt="gray", accepted=["yuv420p", "nv12"]),
    EncoderOptionError("no", option="tune", value={"a": 1}, encoder="libx264", accepted="film", nearest="film"),
    FrameSizeError("odd", width=3, height=5),
    FrameError("no", expected="(4, 6, 3) uint8", seen="(6, 4) uint8"),
    InputError("no", path="in.mp4"),
    PreviewError("no", path="dataset", sheets=["sheet"], failures=["row"]),
    ConcatError("differ", path="a.mp4", disagreements={"width": [640, 320]}),
    CameraError("failed", source="/dev/video0", frames_read=7),
    CameraUnavailableError("no such device", source="/dev/video0"),
    CameraFormatError("another size", source="/dev/video0", asked="640x480", came="320x240"),
    CameraEndedError("unplugged", source="/dev/video0", frames_read=7),
    CameraStalledError("hangs", source="/dev/video0", frames_read=7),
    ProcessError("failed", **PROCESS),
    ProcessStartError("never started", argv=["ffmpeg"]),
    ProcessDiedError("died", **PROCESS),
    ProcessTimeoutError("hung", **PROCESS),
    OutputError("short", path="out.mp4", frames_expected=3, packets_counted=2),
    OutputExistsError("out.mp4"),
    ProbeError("no video", path="text.txt"),
    MergeError("unlike", path="set", disagreements={"fps": [30, 25]}),
    RecordingError("a camera failed", camera="laptop", frames=7, kept=Path(".laptop.recording.mp4")),
    QueueFullError("full", cameras=["laptop"], depth=30),
    UnsafePathError("no", text="../x"),
    DatasetError("not v3.0", path="set/meta/info.json"),
    DatasetLockedError("in use", path="set", holder={"pid": 7}),
    DatasetMovedError("moved", path="set", now="elsewhere", kept="elsewhere/meta/ffenc/recording/000003"),
    NotOwnerError("not yours", owner_pid=7),
    ThreadStartError("limit"),
    EpisodeError("short", episode_index=3, path="set", kept="set/meta/ffenc/episode-000003"),
    LeRobotError("unknown version"),
    NoVideoError("only audio", path="sound.m4a"),
    ErrorGroup("2 cameras failed", [FFencError("a"), FFencError("b")]),
]
TREE = {error.__name__: error for error in vars(errors).values() if isinstance(error, type)}
CLASSES = {name: cls for name, cls in TREE.items() if issubclass(cls, FFencError)}


def test_every_class_is_drawn_and_in_the_examples():
    assert {type(example).__name__ for example in EXAMPLES} == set(CLASSES)
    drawn = re.findall(r"^ +(?:[│├└─ ]*)(\w+(?:Error|Group))\b", errors.__doc__, re.MULTILINE)
    assert sorted(drawn) == sorted(CLASSES)


def test_drawn_tree_matches_the_base_classes():
    parents = {}
    levels = {}
    for line in errors.__doc__.splitlines():
        if match := re.match(r"^    ([│├└─ ]*)(\w+(?:Error|Group))\b(.*)", line):
            depth = len(match[1]) // 4
            levels[depth] = match[2]
            parents[match[2]] = (levels.get(depth - 1), re.search(r"also (\w+)", match[3]))
    for name, (parent, also) in parents.items():
        bases = [base.__name__ for base in CLASSES[name].__bases__]
        assert bases[0] == (parent or "Exception"), name
        assert bases[1:] == ([also[1]] if also else []), name


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_error_survives_pickling(error):
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert repr(vars(copied)) == repr(vars(error))


def test_attribute_set_later_survives_pickling():
    error = ProcessDiedError("died", argv=["ffmpeg"])
    error.frames_written = 12
    assert "frames written: 12" in str(pickle.loads(pickle.dumps(error)))


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_error_has_text_and_docstring(error):
    assert str(error).strip()
    assert type(error).__doc__


def test_process_error_lists_status_command_and_stderr():
    assert str(ProcessError("ffmpeg failed", **PROCESS)).splitlines() == [
        "ffmpeg failed (killed by SIGKILL)",
        "frames written: 7",
        "command: ffmpeg -i 'a b'",
        "last lines of standard error:",
        "  first",
        "  last",
    ]
    assert "standard error is empty" in str(ProcessStartError("no", argv=["ffmpeg"]))


@pytest.mark.parametrize(
    ("returncode", "text"),
    [(0, "exit status 0"), (234, "exit status 234"), (-9, "killed by SIGKILL"), (-250, "killed by signal 250")],
)
def test_describe_returncode_names_status_or_signal(returncode, text):
    assert describe_returncode(returncode) == text


def test_encoder_error_lists_candidates_and_alternatives():
    text = str(EXAMPLES[4])
    assert text.splitlines() == ["no", "  h264_nvenc: no GPU", "available instead: libx264"]


def test_missing_binary_error_lists_every_place():
    assert str(EXAMPLES[1]).splitlines()[1:] == ["  PATH: nothing", "  package: not installed", "install it"]


def test_output_exists_error_is_a_file_exists_error():
    error = OutputExistsError(Path("out.mp4"))
    assert isinstance(error, FileExistsError)
    assert error.path == Path("out.mp4")
    assert "overwrite=True" in str(error)


@pytest.mark.parametrize("kind", [PixelFormatError, EncoderOptionError, FrameSizeError, FrameError, InputError])
def test_error_about_a_value_is_a_value_error(kind):
    assert issubclass(kind, ValueError)
