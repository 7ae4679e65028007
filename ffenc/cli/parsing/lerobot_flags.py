"""Flags of ``lerobot-record`` that ffenc cannot honour, each with the sentence that says why."""

from __future__ import annotations

from collections.abc import Iterable

_NO_ROBOT = (
    "ffenc record records cameras and drives no robot. Where LeRobot is installed, `ffenc lerobot record` takes "
    "the same flags and drives it; otherwise leave this flag out, or call DatasetRecorder.add_frame from your own control loop"
)
_NO_UPLOAD = "ffenc uploads nothing; leave this flag out, and upload the finished folder with `hf upload`"
_NO_IMAGES = "no frame is written as an image before it is encoded, so there is nothing to set; leave this flag out"
_NO_SOUND = "ffenc makes no sounds; leave this flag out"
_TERMINAL = "what is recorded is shown in the terminal; leave this flag out"

_REASONS = {
    "--robot.": _NO_ROBOT,
    "--teleop.": _NO_ROBOT,
    "--policy.": _NO_ROBOT,
    "--dataset.push_to_hub": _NO_UPLOAD,
    "--dataset.private": _NO_UPLOAD,
    "--dataset.tags": _NO_UPLOAD,
    "--dataset.num_image_writer_": _NO_IMAGES,
    "--dataset.video_encoding_batch_size": "every episode is encoded by itself, while it is recorded; leave this flag out",
    "--dataset.vcodec": "the encoder has a group of flags: --dataset.camera_encoder.vcodec",
    "--dataset.no_stamp": "the name is taken as it is, no date is added; leave this flag out",
    "--play_sounds": _NO_SOUND,
    "--display_": _TERMINAL,
}
_OURS = ("--robot.cameras", "--display_data")


def refusals(flags: Iterable[str]) -> list[str]:
    """One sentence for every flag on a command line that is LeRobot's and not ours.

    Args:
        flags: with their dashes, without values.
    """
    said: dict[str, list[str]] = {}
    for flag in dict.fromkeys(flags):
        if flag in _OURS or flag.startswith("--robot.cameras."):
            continue
        reason = next((text for start, text in _REASONS.items() if flag.startswith(start)), None)
        if reason is not None:
            said.setdefault(reason, []).append(flag)
    return [f"{', '.join(names)}: {reason}" for reason, names in said.items()]
