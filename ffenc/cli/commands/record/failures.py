"""Explain what ended a recording: what failed, what was kept and where, and the next command."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

from ffenc.cli.commands.record.cameras import FEATURE_PREFIX
from ffenc.cli.commands.record.report import continue_command, saved_text
from ffenc.cli.commands.record.session import SessionResult
from ffenc.cli.output.results import count_text, frames_text
from ffenc.dataset.format.documents import load_info
from ffenc.errors import (
    CameraError,
    DatasetError,
    ErrorGroup,
    FFencError,
    ProcessError,
    RecordingError,
    describe_returncode,
    is_disk_full,
)

_LINES_SHOWN = 4


def camera_failure(failure: CameraError, result: SessionResult, root: Path, repo_id: str) -> CameraError:
    """Return the error of a camera with what was saved, and how to continue."""
    first, *rest = str(failure).splitlines()
    lines = [f"{first}; {saved_text(result, root)}", *rest]
    if result.episodes:
        lines.append(f"next: {continue_command(root, repo_id)}")
    return CameraError("\n".join(lines), source=failure.source, frames_read=failure.frames_read)


def encoder_failure(error: RecordingError | ErrorGroup, root: Path) -> FFencError:
    """Return the error of one or several encoders, without their commands, and with what was kept."""
    errors = [each for each in getattr(error, "exceptions", [error]) if isinstance(each, RecordingError)]
    if not errors:
        return error
    lines = [_reason(each) for each in errors]
    episode = next((_episode_directory(each.kept, root) for each in errors if each.kept is not None), None)
    if episode is not None:
        lines.append(f"kept: the frames of this episode that were encoded, in {episode}")
    lines.append(f"saved: {_saved(root)}")
    if episode is not None:
        room = "make room on the disk, then run " if is_disk_full(error) else ""
        lines.append(f"next: {room}{shlex.join(['ffenc', 'salvage', str(root)])}")
    return RecordingError("\n".join(lines), camera=errors[0].camera, frames=errors[0].frames, kept=errors[0].kept)


def _reason(error: RecordingError) -> str:
    what = f"the encoder of camera {error.camera.removeprefix(FEATURE_PREFIX)} failed after {frames_text(error.frames)}"
    cause = error.__cause__
    if not isinstance(cause, ProcessError):
        return f"{what}: {cause or error.message}"
    if is_disk_full(cause):
        return f"{what}: the disk is full"
    if cause.returncode is not None and cause.returncode < 0:
        limit = ", because a file reached the limit of this shell (ulimit -f)"
        why = f"ffmpeg was {describe_returncode(cause.returncode)}"
        why += limit if -cause.returncode == getattr(signal, "SIGXFSZ", None) else ""
    else:
        why = cause.message
    printed = cause.stderr_tail.splitlines()[-_LINES_SHOWN:]
    return "\n".join([f"{what}: {why}", *(["ffmpeg printed:", *(f"  {line}" for line in printed)] if printed else [])])


def _episode_directory(kept: Path, root: Path) -> Path:
    """Return the directory of the episode to which a recording belongs."""
    own = root.resolve() / "meta" / "ffenc"
    if not kept.is_relative_to(own):
        return kept
    return root.joinpath("meta", "ffenc", *kept.relative_to(own).parts[:2])


def _saved(root: Path) -> str:
    try:
        info = load_info(root)
    except DatasetError:
        return "no episode yet"
    return f"{count_text(info.total_episodes, 'episode')} in {root}" if info.total_episodes else "no episode yet"
