"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import (
    add_depth_flags,
    add_dry_run_flag,
    add_encoder_flags,
    add_executor_flag,
    add_flag,
    add_follow_links_flag,
    add_layout_flag,
    add_order_flag,
    add_output_flag,
    command,
)
from ffenc.cli.parsing.values import (
    episode_numbers,
    episode_texts,
    frame_size,
    names,
    names_or_none,
    positive,
    positive_number,
    seconds,
    share,
    whole_rate,
)
from ffenc.dataset.verify.finding_codes import LEVELS


@command("convert OUTPUT [INPUT ...] --task=TEXT [options]")
def convert(parser: ArgumentParser) -> None:
    """Make a LeRobot dataset from existing recordings.

    Each INPUT is one episode: a clip or a folder of images. For several cameras,
    give a pattern for each; the sorted matches of all patterns form the episodes:
      --cameras='{laptop: "runs/*/laptop.mp4", wrist: "runs/*/wrist"}'
    --tables takes a pattern for CSV or parquet files with one row per frame. The
    column observation.state:gripper.pos is one component of the vector
    observation.state; a column without a colon is a feature. All become float32.
    All frames are counted first. If the counts differ, nothing is written. No frame
    is dropped.
    """
    add_flag(parser, "output", Path, "folder of the new dataset; must not exist")
    add_flag(parser, "inputs", Path, "clips or folders, one per episode", nargs="*", metavar="INPUT")
    add_flag(parser, "--task", str, "description of the task, one sentence", required=True, metavar="TEXT")
    add_flag(parser, "--fps", whole_rate, "frames per second", default=30)
    add_flag(parser, "--camera", str, "camera name of the INPUTs", default="camera")
    add_flag(parser, "--cameras", dict, "a pattern for each camera, in quotes; see above")
    add_flag(parser, "--tables", str, "tables, one per episode; see above", metavar="PATTERN")
    add_flag(parser, "--repo_id", str, "name of the dataset (default: that of OUTPUT)")
    add_flag(parser, "--robot_type", str, "robot type for info.json")
    add_layout_flag(parser, "--info_layout", "--dataset.info_layout")
    add_order_flag(parser)
    add_flag(parser, "--audio", ("drop",), "required if a clip has audio, which is dropped")
    passthrough = "copy clips that have the wanted codec, pixel format and frames; no clip; or all, or refuse"
    add_flag(parser, "--passthrough", ("auto", "never", "require"), passthrough, default="auto")
    add_dry_run_flag(parser, "measure the inputs, show the episodes, and write nothing")
    add_encoder_flags(parser)


@command("preview [options] ROOT")
def preview(parser: ArgumentParser) -> None:
    """Write a contact sheet (PNG) for each episode of a LeRobot dataset.

    A sheet has a row per camera, and columns evenly spaced from the first frame to
    the last. Videos that cannot be read are omitted and listed. The exit status is
    then 1.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    output = "output folder (default: NAME-preview in the current directory)"
    add_flag(parser, "--output", Path, output, "-o", metavar="DIR")
    add_flag(
        parser, "--episodes", episode_numbers, "only these episodes: 0,3 or 0,3-5 (default: all)", metavar="NUMBERS"
    )
    add_flag(parser, "--columns", positive, "frames per row", default=6)
    add_flag(parser, "--width", positive, "width of a frame", default=240, metavar="PIXELS")
    add_flag(parser, "--overwrite", None, "replace images that exist")


@command("card [options] ROOT")
def card(parser: ArgumentParser) -> None:
    """Write the card of a LeRobot dataset, which the Hugging Face Hub shows.

    README.md has the metadata that LeRobot writes, features, cameras with their
    encoder settings, tasks, episodes and hours. contact-sheet.png beside it shows
    the first episode. If that cannot be drawn, the card is written without it.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    add_flag(parser, "--license", str, "license of the data: apache-2.0, cc-by-4.0, other, ... (default: left open)")
    add_flag(parser, "--repo_id", str, "name on the Hub, OWNER/NAME (default: a placeholder)")
    add_flag(parser, "--output", Path, "the card (default: README.md in ROOT)", "-o", metavar="FILE")
    add_flag(parser, "--sheet", bool, "write the contact sheet", default=True)
    add_flag(parser, "--overwrite", None, "replace an existing card and contact sheet")


@command("verify [options] ROOT")
def verify(parser: ArgumentParser) -> None:
    """Check a LeRobot dataset, and write nothing.

    Level metadata reads its tables and needs no FFmpeg. Level packets also reads
    every packet header of the videos. Level decode also decodes every frame and
    compares the frames with the recorded statistics, which detects swapped videos.
    It also finds frozen, blank and equal cameras, states and actions that never
    change, and jumps of timestamps; the limits below are for this level.
    The exit status is 1 if there is an error or a warning. --codes lists all
    possible findings.
    """
    add_flag(parser, "root", Path, "directory of a dataset", nargs="?")
    add_flag(parser, "--level", str, ", ".join(LEVELS), default="packets", metavar="LEVEL")
    add_flag(
        parser,
        "--frozen_s",
        positive_number,
        "report frames, states and actions that do not change for this time, and equal cameras (default: 1)",
    )
    add_flag(
        parser, "--blank_s", positive_number, "report blank frames that last this long in an episode (default: 0.1)"
    )
    add_flag(
        parser,
        "--jump_steps",
        positive_number,
        "report a timestamp that advances by more than this number of usual steps (default: 3)",
    )
    add_flag(parser, "--codes", None, "list the codes of all findings and exit")


@command("repair [options] ROOT")
def repair(parser: ArgumentParser) -> None:
    """Repair metadata of a LeRobot dataset that follows from its other files.

    This means positions of episodes in data and videos, counters, splits, the order
    of tasks, statistics, info blocks, leftover files. Videos and data files are not
    changed. Ambiguous faults are reported and not repaired. Each file is replaced
    atomically, under the dataset's lock. The exit status is 1 if faults remain.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    add_follow_links_flag(parser)
    add_dry_run_flag(parser, "list the repairs and change nothing")


@command("merge [options] ROOT ROOT [ROOT ...] --output=OUTPUT")
def merge(parser: ArgumentParser) -> None:
    """Merge LeRobot datasets into a new one, in the given order.

    Videos are concatenated by stream copy, so no frame is re-encoded. Every file is
    checked for this before anything is written. The output appears complete or not
    at all. The sources are not changed.
    """
    add_flag(parser, "sources", Path, "directories of datasets", nargs="+", metavar="ROOT")
    add_output_flag(parser)
    mismatch = "for videos that do not fit into one stream: refuse, or re-encode them like those of the first dataset"
    add_flag(parser, "--on_mismatch", ("raise", "reencode"), mismatch, default="raise")
    add_flag(parser, "--concatenate_videos", bool, "concatenate video files", default=True)
    add_flag(parser, "--concatenate_data", bool, "concatenate data files", default=True)
    add_flag(parser, "--repo_id", str, "name of the new dataset; only logged")
    add_follow_links_flag(parser)
    add_dry_run_flag(parser, "check everything and write nothing")


@command("delete-episodes [options] ROOT --episodes=NUMBERS --output=OUTPUT")
def delete_episodes(parser: ArgumentParser) -> None:
    """Copy a LeRobot dataset without some of its episodes.

    Videos are cut at keyframes by stream copy. The remaining episodes are
    renumbered. The source is not changed.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    add_flag(parser, "--episodes", episode_numbers, "episodes to delete: 1,4 or 0,3-5", required=True)
    add_output_flag(parser)
    add_follow_links_flag(parser)


@command("trim [options] ROOT --episodes='{NUMBER: [FIRST, STOP], ...}'")
def trim(parser: ArgumentParser) -> None:
    """Keep a range of frames of some episodes of a LeRobot dataset.

    The result is a new dataset, or replaces the old one if --output is not given.
    Videos are cut by stream copy. Only frames outside of complete GOPs are
    re-encoded, with the stored settings. --idle finds ends of episodes in which
    nothing moves, and prints them. With --yes, they are trimmed.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    kept = "frames to keep of each episode, up to but not including STOP: '{3: [12, 240], 5: [0, 90]}'"
    add_flag(parser, "--episodes", dict, kept)
    add_flag(parser, "--idle", None, "find idle ends of all episodes")
    still = "what has to stay still: state, action, another feature, or frames"
    add_flag(parser, "--idle_from", str, still, "--idle-from", default="state", metavar="NAME")
    threshold = "largest idle movement, as a share of the range of each value"
    add_flag(parser, "--threshold", share, threshold, default=0.02, metavar="SHARE")
    shortest = "shortest idle end to trim, in seconds"
    add_flag(parser, "--min_idle_s", seconds, shortest, "--min-idle-s", default=0.5, metavar="S")
    add_flag(parser, "--yes", None, "trim the idle ends that were found")
    add_output_flag(parser, in_place="the dataset is changed in place")
    add_follow_links_flag(parser)
    add_dry_run_flag(parser, "show what would be done and write nothing")


@command("split [options] ROOT --splits='{NAME: SHARE, ...}' --output=OUTPUT")
def split(parser: ArgumentParser) -> None:
    """Split a LeRobot dataset into several, each in its own directory below OUTPUT.

    Videos are cut at keyframes by stream copy. The source is not changed.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    splits = "share of each split, '{train: 0.8, val: 0.2}', or its episodes, '{train: [0, 1], val: [2]}'"
    add_flag(parser, "--splits", dict, splits, required=True)
    add_output_flag(parser)
    add_follow_links_flag(parser)


@command("reencode-dataset [options] ROOT [--output=OUTPUT]")
def reencode_dataset(parser: ArgumentParser) -> None:
    """Re-encode the videos of a LeRobot dataset into a new dataset, or in place.

    All videos are replaced in one step at the end. Every new file is read back and
    must have the same frames; info.json describes the new streams. Depth must stay
    bit-exact, unless --keep_depth=false.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    add_output_flag(parser, in_place="the videos are replaced in place")
    add_settings(parser)
    work = "directory for finished files, so that a stopped run can continue"
    add_flag(parser, "--work", Path, work, metavar="DIR")
    add_executor_flag(parser)
    add_dry_run_flag(parser, "check the settings, list the jobs, and write nothing")


@command("images-to-video [options] ROOT [--output=OUTPUT]")
def images_to_video(parser: ArgumentParser) -> None:
    """Turn the image features of a LeRobot dataset into video.

    The result is a new dataset, or replaces the old one if --output is not given.
    All features are replaced in one step at the end. Each episode starts at a
    keyframe. Depth images of 16-bit millimetres become depth video.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    add_output_flag(parser, in_place="the dataset is changed in place")
    add_flag(parser, "--cameras", names, "only these features (default: all)")
    add_layout_flag(parser, "--info_layout", "--dataset.info_layout")
    add_follow_links_flag(parser)
    add_encoder_flags(parser)
    add_depth_flags(parser)


@command("upgrade [options] ROOT [--output=OUTPUT]")
def upgrade(parser: ArgumentParser) -> None:
    """Convert a LeRobot dataset of format 2.1 to 3.0.

    The result is a new dataset, or replaces the old one if --output is not given.
    The videos of episodes are joined by stream copy, so no frame is re-encoded.
    Files that do not agree are refused, with the file and the line. All files are
    replaced in one step at the end.
    """
    add_flag(parser, "root", Path, "directory of a dataset of format 2.1")
    add_output_flag(parser, in_place="the dataset is changed in place")
    add_flag(parser, "--data_files_size_in_mb", positive, "size at which a new data file starts", default=100)
    add_flag(parser, "--video_files_size_in_mb", positive, "size at which a new video starts", default=200)
    add_follow_links_flag(parser)
    add_dry_run_flag(parser, "check every row and video, and write nothing")


@command("modify-tasks [options] ROOT [--output=OUTPUT]")
def modify_tasks(parser: ArgumentParser) -> None:
    """Change the tasks of a LeRobot dataset, and keep its videos.

    --episode_tasks has precedence over --replace, and --replace over --task. Tasks
    that no frame has are removed. The others are in alphabetical order.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    add_flag(parser, "--task", str, "the task of every episode", metavar="TEXT")
    by_episode = """tasks of some episodes: '{0: "Pick the cube", 2: "Place it"}'"""
    add_flag(parser, "--episode_tasks", episode_texts, by_episode, "--episode-tasks", metavar="DICT")
    add_flag(parser, "--replace", dict, """new tasks by old task: '{"Pick cube": "Pick the cube"}'""")
    _add_rewrite_flags(parser)


@command("add-features [options] ROOT --from=TABLE [--output=OUTPUT]")
def add_features(parser: ArgumentParser) -> None:
    """Add columns of a parquet file to a LeRobot dataset, and keep its videos.

    The file has one row for each frame, in any order. The column index, or the
    columns episode_index and frame_index, name the frame. Frames without a row, rows
    without a frame, wrong types and NaN are refused with the row numbers.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    add_flag(parser, "--from", Path, "the parquet file", required=True, metavar="TABLE")
    features = "the columns to add, and what they must be: '{force: {dtype: float32, shape: [2], names: [x, y]}}'; {} "
    add_flag(parser, "--features", dict, features + "accepts any type (default: all columns)")
    _add_rewrite_flags(parser)


@command("remove-features [options] ROOT --features=NAMES [--output=OUTPUT]")
def remove_features(parser: ArgumentParser) -> None:
    """Remove features of a LeRobot dataset, also cameras with their videos."""
    add_flag(parser, "root", Path, "directory of a dataset")
    add_flag(parser, "--features", names, "the features to remove", required=True)
    _add_rewrite_flags(parser)


@command("rename-features [options] ROOT --names='{OLD: NEW, ...}' [--output=OUTPUT]")
def rename_features(parser: ArgumentParser) -> None:
    """Rename features of a LeRobot dataset, also cameras with their videos.

    Files of other programs, such as meta/modality.json, are not changed. A warning
    names those that contain an old name.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    add_flag(parser, "--names", dict, "the new name of each feature: '{state: observation.state}'", required=True)
    _add_rewrite_flags(parser)


@command("recompute-stats [options] ROOT [--output=OUTPUT]")
def recompute_stats(parser: ArgumentParser) -> None:
    """Compute the statistics of a LeRobot dataset again, as LeRobot defines them.

    This means the statistics of each episode and those in meta/stats.json.
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    text = "only these features; cameras are decoded (default: all numbers, without timestamp, index and the like)"
    add_flag(parser, "--features", names, text)
    relative = "write statistics of actions relative to the state at the start of their chunk"
    add_flag(parser, "--relative_action", None, relative, "--relative-action")
    joints = "joints whose actions stay absolute, by parts of their names, or none (default: gripper)"
    add_flag(parser, "--relative_exclude_joints", names_or_none, joints, default=("gripper",), metavar="NAMES")
    add_flag(parser, "--chunk_size", positive, "actions in a chunk", default=50)
    _add_rewrite_flags(parser)


def _add_rewrite_flags(parser: ArgumentParser) -> None:
    add_output_flag(parser, in_place="the dataset is changed in place")
    add_follow_links_flag(parser)
    add_dry_run_flag(parser, "check everything, show the changes, and write nothing")


def add_settings(parser: ArgumentParser) -> None:
    """Add the flags for the settings of new videos."""
    add_flag(parser, "--cameras", names, "only these features (default: all)")
    add_flag(parser, "--resize", frame_size, "scale all frames; depth uses the nearest pixel")
    add_flag(parser, "--fps", positive, "lower frame rate that divides the current one; rows are dropped too")
    add_flag(parser, "--keep_depth", bool, "require bit-exact depth", default=True)
    add_follow_links_flag(parser)
    add_encoder_flags(parser)
    add_depth_flags(parser)
