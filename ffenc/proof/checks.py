"""The checks of a proof: what every encoder, hardware or software, has to do on the machine where it is used.

A check encodes with the real command and looks at the file.  It returns what it found, or raises.  A setting that an
encoder lacks has to be refused.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.software import SOFTWARE
from ffenc.errors import FFencError
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames
from ffenc.proof.subject import SMALL, FaultError, Subject, UndecidedError, psnr_of, reason_of, scene_of, texture
from ffenc.streaming.drop_log import EpisodeRecording
from ffenc.streaming.encoder import StreamingVideoEncoder
from ffenc.video.concat import concat_videos
from ffenc.video.encode import encode_frames
from ffenc.video.reencode import reencode_video
from ffenc.video.trial import TrialScene, TrialTooSlowError, try_encoder

NTSC = Fraction(30000, 1001)

_FRAMES = 12
_LONG_GOP = 30
_LOST_AFTER, _LOST_FRAMES = 30, 60
_SOAK_SAMPLES = 20
_TELL_EVERY_S = 1.0
_PAUSE_S = 0.02

# The formats that matter for video of cameras, as far as an encoder takes them; FFmpeg lists dozens more.
_COMPARED_FORMATS = frozenset(
    ("yuv420p", "nv12", "yuv444p", "yuv420p10le", "p010le", "gray", "gray12le", "gray16le", "yuvj420p")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        name: name in tables and documents.
        proves: what it proves, for tables.
        run: returns what was found, or raises an `FFencError`.
        field: a failure counts only for jobs that use this setting; empty: for every job.
    """

    name: str
    proves: str
    run: Callable[[Subject], str]
    field: str = ""


def _frames(subject: Subject) -> str:
    """Frame k of the file is frame k that was sent, at exactly k/fps."""
    found = ""
    for form, fps in ((subject.job.frames, subject.job.fps), (SMALL, NTSC)):
        sent = scene_of(form, _FRAMES)
        encoded = subject.encode(sent, fps=fps)
        subject.check(encoded, len(sent))
        found = found or subject.compare(encoded.path, encoded.plan, sent)
    return f"{found}, timestamps exact at {subject.job.fps} and {NTSC} per second"


def _keyframes(subject: Subject) -> str:
    found = []
    for g, count in ((1, 4), (2, 7), (_LONG_GOP, 2 * _LONG_GOP + 1)):
        if subject.row.intra_only and g > 1:
            break
        if subject.refusal(g=g):
            found.append(f"g={g} is refused")
            continue
        # Nothing moves, so that no scene seems to change.
        encoded = subject.encode(texture(1) * count, g=g)
        keyframes = subject.measure(encoded.path)[1].keyframes
        if keyframes != tuple(range(0, count, g)):
            raise FaultError(f"with g={g} keyframes are at {_some(keyframes)}, not at every multiple of {g}")
        found.append(f"g={g}")
    return ", ".join(found)


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")


def _quality(subject: Subject) -> str:
    if refusal := subject.refusal(crf=28):
        return _lacks(
            subject, "crf", refusal, has=subject.row.quality is not None and not subject.row.quality.since_libavcodec
        )
    frames, sizes, qualities = texture(5), [], []
    for crf in (12, 28, 44):
        path = subject.encode(frames, crf=crf).path
        sizes.append(path.stat().st_size)
        shown = subject.decode(path, range(len(frames)))
        qualities += [] if shown is None else [psnr_of(frames, shown)]
    found = f"{', '.join(map(str, sizes))} bytes at crf 12, 28, 44"
    if not sizes[0] > sizes[1] > sizes[2]:
        raise FaultError(f"a higher crf does not make the file smaller: {found}")
    if not qualities:
        return f"{found}; not decoded: this FFmpeg has no decoder for {subject.row.codec}"
    in_db = ", ".join(f"{quality:.1f}" for quality in qualities)
    if not qualities[0] > qualities[1] > qualities[2]:
        raise FaultError(f"a higher crf does not lower the quality: {in_db} dB at crf 12, 28, 44")
    return f"{found}; {in_db} dB"


def _lacks(subject: Subject, name: str, refusal: str, *, has: bool) -> str:
    if has:
        raise FaultError(f"ffenc refuses {name} for {subject.row.name}, which should have it: {refusal}")
    return f"it has no {name}, which is refused"


def _bit_rate(subject: Subject) -> str:
    if subject.refusal(extra_options={"no_such_option": 1}) is None:
        raise FaultError("an unknown option is not refused")
    rates = ("100k", "2M")
    settings: dict[str, Any] = {"crf": None} | ({} if subject.row.intra_only else {"g": _LONG_GOP})
    if subject.refusal(**settings, extra_options={"b": rates[0]}):
        return "it has no bit rate; unknown options are refused"
    frames = texture(_LONG_GOP)
    low, high = (subject.encode(frames, **settings, extra_options={"b": rate}).path.stat().st_size for rate in rates)
    if low >= high:
        raise FaultError(
            f"a higher bit rate does not make the file larger: {low} bytes at {rates[0]}, {high} at {rates[1]}"
        )
    return f"{low} bytes at {rates[0]}, {high} at {rates[1]}; unknown options are refused"


def _presets(subject: Subject) -> str:
    preset = subject.row.preset
    if preset is None:
        refusal = subject.refusal(preset="medium")
        if refusal is None:
            raise FaultError("a preset is not refused, although the encoder has none")
        return _lacks(subject, "preset", refusal, has=False)
    option = subject.capabilities.help(subject.row.name).options.get(preset.option)
    listed = tuple(choice.name for choice in option.choices) if option else ()
    frames, settings = texture(8), {} if subject.row.intra_only else {"g": 8}
    streams: dict[int | str, bytes] = {}
    refused: dict[int | str, str] = {}
    for value in preset.compared or preset.names or listed or (0, 1, 4, 7):
        try:
            streams[value] = subject.encode(frames, **settings, preset=value).content
        except FFencError as err:
            refused[value] = reason_of(err, subject.directory)
    if refused and (subject.is_software or len(streams) < 2):
        raise FaultError("; ".join(f"preset {value} fails: {reason}" for value, reason in refused.items()))
    first = next(iter(streams))
    if subject.encode(frames, **settings, preset=first).content != streams[first]:
        raise UndecidedError(f"two encodes with preset {first} differ, so the streams of presets cannot be compared")
    different = len(set(streams.values()))
    names = ", ".join(map(str, streams))
    if different == 1:
        raise FaultError(f"every preset gives the same stream: {names}")
    return f"{names} accepted, {different} different streams{_refused(refused)}"


def _refused(refused: dict[Any, str]) -> str:
    return "".join(f"; {value} is not taken here ({reason})" for value, reason in refused.items())


def _pixel_formats(subject: Subject) -> str:
    known = subject.pixel_formats or (subject.config().pix_fmt,)
    frames, refused, found = texture(2), {}, []
    for pix_fmt in (name for name in known if name in _COMPARED_FORMATS):
        if subject.refusal(pix_fmt=pix_fmt):  # alpha, for example
            continue
        try:
            encoded = subject.encode(frames, pix_fmt=pix_fmt)
        except FFencError as err:
            # FFmpeg lists formats that some GPUs do not take.  An error is acceptable there; a conversion would not be.
            if subject.is_software or pix_fmt == subject.config().pix_fmt:
                raise
            refused[pix_fmt] = reason_of(err, subject.directory)
            continue
        stream, _ = subject.measure(encoded.path)
        if stream.pix_fmt not in encoded.plan.encoder.expected.pix_fmts:
            raise FaultError(f"with pix_fmt={pix_fmt} the stream is {stream.pix_fmt}")
        if stream.codec != encoded.plan.encoder.codec:
            raise FaultError(f"with pix_fmt={pix_fmt} the codec is {stream.codec}, not {encoded.plan.encoder.codec}")
        found.append(pix_fmt)
    return f"{', '.join(found)}{_refused(refused)}"


def _threads(subject: Subject) -> str:
    if refusal := subject.refusal(encoder_threads=2):
        return _lacks(subject, "thread setting", refusal, has=subject.row.threads is not None)
    frames = texture(3)
    subject.check(subject.encode(frames, encoder_threads=2), len(frames))
    return "encoder_threads=2 works"


def _fast_decode(subject: Subject) -> str:
    fast, preset = subject.row.fast_decode, subject.row.preset
    if fast is None:
        refusal = subject.refusal(fast_decode=1)
        if refusal is None:
            raise FaultError("fast_decode is not refused, although the encoder has no such setting")
        return _lacks(subject, "fast_decode", refusal, has=False)
    library = subject.capabilities.library_versions.get(subject.row.name)
    form = FrameFormat(width=704, height=480) if fast.smallest_area.at(library) else SMALL
    settings: dict[str, Any] = {"g": _FRAMES, "preset": preset.compared[-1] if preset and preset.compared else None}
    streams = {
        level: subject.encode(texture(_FRAMES, form), **settings, fast_decode=level).content
        for level in (0, fast.highest.at(library))
    }
    if len(set(streams.values())) == 1:
        raise FaultError(f"fast_decode={max(streams)} does not change the stream")
    return f"fast_decode={max(streams)} changes the stream"


def _forced_keyframes(subject: Subject) -> str:
    """Re-encode a clip with keyframes where none would be, as for episodes that begin within a file."""
    rows = (row for row in SOFTWARE if row.intra_only and row.name in subject.capabilities.encoders)
    source = next(rows, None)
    if source is None:
        raise UndecidedError("this FFmpeg has no encoder for the clip that is re-encoded")
    clip, forced = subject.new_path("mp4"), (5, 11)
    config = VideoEncoderConfig(vcodec=source.name, pix_fmt=source.pixel_formats[0])
    encode_frames(texture(16), clip, fps=subject.job.fps, config=config, binaries=subject.context.binaries)
    output = subject.new_path()
    result = reencode_video(
        clip,
        output,
        config=subject.config(**({} if subject.row.intra_only else {"g": _LONG_GOP})),
        key_frames=forced,
        binaries=subject.context.binaries,
    )
    _, packets = subject.measure(output)
    missing = sorted(set(forced) - set(packets.cut_points))
    if missing and result.encoder.expected.follows_forced:
        raise FaultError(
            f"keyframes were forced at {_some(forced)}, but the file has them at {_some(packets.keyframes)}"
        )
    return "the encoder ignores them, as ffenc knows" if missing else f"keyframes at {_some(packets.keyframes)}"


def _join(subject: Subject) -> str:
    form = subject.job.frames
    sent = scene_of(form, 2 * _FRAMES)
    half = len(sent) // 2
    runs = [subject.encode(part) for part in (sent[:half], sent[half:])]
    output = subject.new_path()
    concat_videos([run.path for run in runs], output, binaries=subject.context.binaries)
    near = [number for number in (0, half - 1, half, half + 1, len(sent) - 1) if number < len(sent)]
    found = subject.compare(output, runs[0].plan, sent, near)
    return f"{half} and {len(sent) - half} frames joined, {found}"


def _sessions(subject: Subject) -> str:
    cameras = subject.job.cameras
    try:
        proof = try_encoder(
            subject.config(),
            RawFrames(frames=subject.job.frames, fps=subject.job.fps),
            subject.context,
            capabilities=subject.capabilities,
            device_node=subject.device_node,
            cameras=cameras,
        )
    except TrialTooSlowError as err:
        raise UndecidedError(str(err)) from err
    return f"{cameras} at the same time: {proof}"


def _lost_session(subject: Subject) -> str:
    """Kill the encoder in the middle of a recording; software has to continue without losing a frame."""
    if subject.decode(subject.encode(texture(2)).path, [0]) is None:
        raise UndecidedError(f"this FFmpeg cannot decode {subject.row.codec}, so parts cannot be compared")
    scene = TrialScene(subject.job.frames)
    with _recorder(subject, fallback=subject.config() if subject.is_software else None) as encoder:
        encoder.start_episode({"camera": subject.job.frames}, subject.new_path("episode"))
        for number in range(_LOST_FRAMES):
            if number == _LOST_AFTER:
                os.kill(_running(encoder, subject), signal.SIGKILL)
            encoder.feed_frames({"camera": scene.frame(number)})
        recording = encoder.finish_episode().wait()
    camera = recording.cameras["camera"]
    if len(camera.fallbacks) != 1:
        raise FaultError("the loss of the encoder was not noticed")
    if recording.frames != _LOST_FRAMES:
        raise FaultError(f"{_LOST_FRAMES} frames were sent, but the file has {recording.frames}")
    sent = [scene.frame(number) for number in range(_LOST_FRAMES)]
    at = camera.fallbacks[0].frame
    near = sorted({0, max(0, at - 1), at, at + 1, _LOST_AFTER, _LOST_FRAMES - 1})
    found = subject.compare(camera.path, subject.plan(subject.job.frames), sent, near)
    return f"software continued at frame {at}, all {recording.frames} frames are in the file, {found}"


def _running(encoder: StreamingVideoEncoder, subject: Subject) -> int:
    """Return the process of the encoder after it has taken every frame so far."""
    deadline = time.monotonic() + subject.context.stall_timeout_s
    while time.monotonic() < deadline:
        camera = encoder.status().cameras["camera"]
        if camera.encoder_pid is not None and not camera.queue_depth:
            return camera.encoder_pid
        time.sleep(_PAUSE_S)
    raise FaultError(f"it did not take {_LOST_AFTER} frames within {subject.context.stall_timeout_s:.0f} s")


def _recorder(subject: Subject, *, fallback: VideoEncoderConfig | None = None, **options: Any) -> StreamingVideoEncoder:
    return StreamingVideoEncoder(
        subject.job.fps,
        camera_encoder=subject.config(),
        fallback=fallback,
        binaries=subject.context.binaries,
        stall_timeout_s=subject.context.stall_timeout_s,
        **options,
    )


def _soak(subject: Subject) -> str:
    """Record in real time: some drivers fail only after minutes."""
    job, fps = subject.job, float(subject.job.fps)
    scene, steps = TrialScene(job.frames), max(1, round(job.soak_s * fps))
    names = [f"camera-{number}" for number in range(job.cameras)]
    directory = subject.new_path("episode")
    with _recorder(subject, policy="drop") as encoder:
        encoder.start_episode(dict.fromkeys(names, job.frames), directory)
        started = told_s = time.monotonic()
        for step in range(steps):
            time.sleep(max(0.0, started + step / fps - time.monotonic()))
            encoder.feed_frames(dict.fromkeys(names, scene.frame(step)))
            if time.monotonic() - told_s > _TELL_EVERY_S:
                told_s = time.monotonic()
                subject.tell(f"soak, {told_s - started:.0f} of {job.soak_s:.0f} s")
        recording = encoder.finish_episode().wait()
    return _judged_soak(subject, recording, scene, steps)


def _judged_soak(subject: Subject, recording: EpisodeRecording, scene: TrialScene, steps: int) -> str:
    lost = next((fallback for camera in recording.cameras.values() for fallback in camera.fallbacks), None)
    if lost is not None:
        seconds = lost.frame / float(subject.job.fps)
        raise FaultError(f"the encoder failed after {seconds:.1f} s: {lost.reason}")
    if drops := recording.drop_log.drops:
        raise FaultError(
            f"{len(drops)} of {steps} frames were dropped, because the encoder did not keep up; the first after "
            f"{drops[0].step / float(subject.job.fps):.1f} s"
        )
    every = max(1, math.ceil(steps / _SOAK_SAMPLES))
    numbers = sorted({*range(0, steps, every), steps - 1})
    plan = subject.plan(subject.job.frames)
    # The frames around each one that is compared are needed too, and 30 minutes of frames do not fit into memory.
    sent = _Lazy(scene, steps)
    found = ""
    for camera in recording.cameras.values():
        found = subject.compare(camera.path, plan, sent, numbers)
        camera.path.unlink()
    return f"{steps} frames of {subject.job.cameras} cameras in {subject.job.soak_s:g} s, none dropped, {found}"


class _Lazy(Sequence[Any]):
    """The frames of a scene, each made when it is needed."""

    def __init__(self, scene: TrialScene, count: int) -> None:
        self._scene, self._count = scene, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        return self._scene.frame(number)


CHECKS: tuple[Check, ...] = (
    Check(
        name="frames",
        proves="frame k of the file is frame k that was sent, at exactly k/fps, at the rate of the job and at 30000/1001",
        run=_frames,
    ),
    Check(name="keyframes", proves="g = 1, 2 and 30 put keyframes at 0, g, 2g and nowhere else", run=_keyframes),
    Check(name="crf", proves="a higher crf gives smaller files of lower quality", run=_quality),
    Check(
        name="bit rate",
        proves="a higher bit rate gives larger files; unknown options are refused",
        run=_bit_rate,
        field="extra_options",
    ),
    Check(name="presets", proves="presets are accepted, and their streams differ", run=_presets, field="preset"),
    Check(
        name="pixel formats",
        proves="each format is in the stream as requested, or an error; none is converted silently",
        run=_pixel_formats,
        field="pix_fmt",
    ),
    Check(name="threads", proves="encoder_threads works or is refused", run=_threads, field="encoder_threads"),
    Check(
        name="fast_decode", proves="fast_decode changes the stream or is refused", run=_fast_decode, field="fast_decode"
    ),
    Check(name="forced keyframes", proves="keyframes are where a re-encode forces them", run=_forced_keyframes),
    Check(name="join", proves="files of two runs join by stream copy and decode to the same frames", run=_join),
    Check(name="sessions", proves="as many encodes as cameras work at the same time", run=_sessions, field="cameras"),
    Check(
        name="lost session",
        proves="if the encoder is killed in the middle, software continues and no frame is lost",
        run=_lost_session,
    ),
    Check(name="soak", proves="encoding in real time for the given time drops nothing", run=_soak),
)
"""Every check, in the order in which they run; ``soak`` runs only if it was asked for."""


def checks_for(soak_s: float) -> tuple[Check, ...]:
    """Return the checks of a proof with or without a soak."""
    return tuple(check for check in CHECKS if check.run is not _soak or soak_s > 0)
