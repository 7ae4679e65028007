"""Flags of ``lerobot-record`` that ffenc does not have, and why."""

from __future__ import annotations

from collections.abc import Iterable

_NO_ROBOT = (
    "ffenc records cameras and does not control robots; omit this flag. Where LeRobot is installed, `ffenc lerobot record` takes "
    "the same flags and controls the robot. To record states and actions otherwise, call DatasetRecorder.add_frame from your own "
    "control loop"
)
_NO_UPLOAD = "ffenc does not upload; omit this flag, and upload the finished folder with `hf upload`"
_NO_IMAGES = "frames are not written as images before they are encoded; omit this flag"
_NO_SOUND = "ffenc does not play sounds; omit this flag"
_TERMINAL = "the state of the recording is shown in the terminal; omit this flag"

_REASONS = {
    "--robot.": _NO_ROBOT,
    "--teleop.": _NO_ROBOT,
    "--policy.": _NO_ROBOT,
    "--dataset.push_to_hub": _NO_UPLOAD,
    "--dataset.private": _NO_UPLOAD,
    "--dataset.tags": _NO_UPLOAD,
    "--dataset.num_image_writer_": _NO_IMAGES,
    "--dataset.video_encoding_batch_size": "each episode is encoded during its recording; omit this flag",
    "--dataset.vcodec": "the encoder has a group of flags: --dataset.camera_encoder.vcodec",
    "--dataset.no_stamp": "no date is added to the name; omit this flag",
    "--play_sounds": _NO_SOUND,
    "--display_": _TERMINAL,
}
_OURS = ("--robot.cameras", "--display_data")


def refusals(flags: Iterable[str]) -> list[str]:
    """Return a sentence for each flag that only LeRobot has.

    Args:
        flags: flags with their dashes, without values.
    """
    flags_of: dict[str, list[str]] = {}
    for flag in dict.fromkeys(flags):
        if flag in _OURS or flag.startswith("--robot.cameras."):
            continue
        reason = next((text for start, text in _REASONS.items() if flag.startswith(start)), None)
        if reason is not None:
            flags_of.setdefault(reason, []).append(flag)
    return [f"{', '.join(names)}: {reason}" for reason, names in flags_of.items()]
