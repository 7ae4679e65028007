"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import (
    add_config_flags,
    add_encoder_flags,
    add_follow_links_flag,
    add_layout_flag,
    add_order_flag,
    add_output_flag,
    command_parser,
)
from ffenc.cli.parsing.values import episode_numbers, executor_name, names, picture_size, positive, whole_rate
from ffenc.config import DepthEncoderConfig
from ffenc.dataset.verify.finding_codes import LEVELS

DEPTH_GROUPS = ("depth_encoder",)

_CONVERT = """\
Make a LeRobot dataset from existing recordings. Each INPUT is one episode: a
clip or a folder of images. For several cameras, give a pattern for each; the
sorted matches of all patterns form the episodes:
  --cameras='{laptop: "runs/*/laptop.mp4", wrist: "runs/*/wrist"}'
--tables takes a pattern for CSV or parquet files with one row per frame. The
column observation.state:gripper.pos is one component of the vector
observation.state; a column without a colon is a feature. All become float32.
All frames are counted first. If the counts differ, nothing is written. No frame
is dropped."""


def convert() -> ArgumentParser:
    """Make the parser of ``ffenc convert``."""
    parser = command_parser("convert OUTPUT [INPUT ...] --task=TEXT [options]", _CONVERT)
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="folder of the new dataset; must not exist")
    parser.add_argument("inputs", type=Path, nargs="*", metavar="INPUT", help="clips or folders, one per episode")
    parser.add_argument("--task", type=str, required=True, metavar="TEXT", help="description of the task, one sentence")
    parser.add_argument("--fps", type=whole_rate, default=30, metavar="N", help="frames per second (default: 30)")
    parser.add_argument(
        "--camera", type=str, default="camera", metavar="NAME", help="camera name of the INPUTs (default: camera)"
    )
    parser.add_argument("--cameras", type=dict, metavar="DICT", help="a pattern for each camera, in quotes; see above")
    parser.add_argument("--tables", type=str, metavar="PATTERN", help="tables, one per episode; see above")
    parser.add_argument("--repo_id", type=str, metavar="NAME", help="name of the dataset (default: that of OUTPUT)")
    parser.add_argument("--robot_type", type=str, metavar="NAME", help="robot type for info.json")
    add_layout_flag(parser, "info_layout", "dataset.info_layout")
    add_order_flag(parser)
    parser.add_argument("--audio", choices=("drop",), help="required if a clip has audio, which is dropped")
    parser.add_argument(
        "--dry_run", "--dry-run", action="store_true", help="measure the inputs, show the episodes, and write nothing"
    )
    add_encoder_flags(parser)
    return parser


_PREVIEW = """\
Write a contact sheet (PNG) for each episode of a LeRobot dataset: a row per
camera, and columns evenly spaced from the first frame to the last.

Videos that cannot be read are omitted and listed. The exit status is then 1."""


def preview() -> ArgumentParser:
    """Make the parser of ``ffenc preview``."""
    parser = command_parser("preview [options] ROOT", _PREVIEW)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--output",
        "-o",
        type=Path,
        metavar="DIR",
        help="output folder (default: NAME-preview in the current directory)",
    )
    parser.add_argument("--episodes", type=names, metavar="NUMBERS", help="only these episodes: 0,3 (default: all)")
    parser.add_argument("--columns", type=positive, default=6, metavar="N", help="frames per row (default: 6)")
    parser.add_argument("--width", type=positive, default=240, metavar="PIXELS", help="width of a frame (default: 240)")
    parser.add_argument("--overwrite", action="store_true", help="replace images that exist")
    return parser


_VERIFY = """\
Check a LeRobot dataset. Level metadata reads its tables and needs no FFmpeg.
Level packets also reads every packet header of the videos. Level decode also
decodes every frame and compares the frames with the recorded statistics, which
detects swapped videos. Nothing is written.
The exit status is 1 if there is an error or a warning. --codes lists all
possible findings."""


def verify() -> ArgumentParser:
    """Make the parser of ``ffenc verify``."""
    parser = command_parser("verify [options] ROOT", _VERIFY)
    parser.add_argument("root", type=Path, nargs="?", metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--level", type=str, default="packets", metavar="LEVEL", help=f"{', '.join(LEVELS)} (default: packets)"
    )
    parser.add_argument("--codes", action="store_true", help="list the codes of all findings and exit")
    return parser


_REPAIR = """\
Repair metadata of a LeRobot dataset that follows from its other files: positions
of episodes in data and videos, counters, splits, the order of tasks,
statistics, info blocks, leftover files. Videos and data files are not changed.
Ambiguous faults are reported and not repaired. Each file is replaced
atomically, under the dataset's lock. The exit status is 1 if faults remain."""


def repair() -> ArgumentParser:
    """Make the parser of ``ffenc repair``."""
    parser = command_parser("repair [options] ROOT", _REPAIR)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    add_follow_links_flag(parser)
    parser.add_argument("--dry_run", "--dry-run", action="store_true", help="list the repairs and change nothing")
    return parser


_MERGE = """\
Merge LeRobot datasets into a new one, in the given order. Videos are
concatenated by stream copy, so no frame is re-encoded. Every file is checked
for this before anything is written. The output appears complete or not at all.
The sources are not changed."""


def merge() -> ArgumentParser:
    """Make the parser of ``ffenc merge``."""
    parser = command_parser("merge [options] ROOT ROOT [ROOT ...] --output=OUTPUT", _MERGE)
    parser.add_argument("sources", type=Path, nargs="+", metavar="ROOT", help="directories of datasets")
    add_output_flag(parser, help_text="directory of the new dataset; must not exist")
    parser.add_argument(
        "--on_mismatch",
        choices=("raise", "reencode"),
        default="raise",
        help="for videos that do not fit into one stream: refuse, or re-encode them like those of the first dataset "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--concatenate_videos", type=bool, default=True, metavar="BOOL", help="concatenate video files (default: true)"
    )
    parser.add_argument(
        "--concatenate_data", type=bool, default=True, metavar="BOOL", help="concatenate data files (default: true)"
    )
    parser.add_argument("--repo_id", type=str, metavar="NAME", help="name of the new dataset; only logged")
    add_follow_links_flag(parser)
    parser.add_argument("--dry_run", "--dry-run", action="store_true", help="check everything and write nothing")
    return parser


_DELETE_EPISODES = """\
Copy a LeRobot dataset without some of its episodes. Videos are cut at keyframes
by stream copy. The remaining episodes are renumbered. The source is not
changed."""


def delete_episodes() -> ArgumentParser:
    """Make the parser of ``ffenc delete-episodes``."""
    parser = command_parser("delete-episodes [options] ROOT --episodes=NUMBERS --output=OUTPUT", _DELETE_EPISODES)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--episodes", type=episode_numbers, required=True, metavar="NUMBERS", help="episodes to delete: 1,4 or 0,3-5"
    )
    add_output_flag(parser, help_text="directory of the new dataset; must not exist")
    add_follow_links_flag(parser)
    return parser


_SPLIT = """\
Split a LeRobot dataset into several, each in its own directory below OUTPUT.
Videos are cut at keyframes by stream copy. The source is not changed."""


def split() -> ArgumentParser:
    """Make the parser of ``ffenc split``."""
    parser = command_parser("split [options] ROOT --splits='{NAME: SHARE, ...}' --output=OUTPUT", _SPLIT)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--splits",
        type=dict,
        required=True,
        metavar="DICT",
        help="share of each split, '{train: 0.8, val: 0.2}', or its episodes, '{train: [0, 1], val: [2]}'",
    )
    add_output_flag(parser, help_text="directory of the new datasets; must not exist")
    add_follow_links_flag(parser)
    return parser


_REENCODE_DATASET = """\
Re-encode the videos of a LeRobot dataset into a new dataset, or in place without
--output. All videos are replaced in one step at the end. Every new file is read
back and must have the same frames; info.json describes the new streams. Depth
must stay bit-exact, unless --keep_depth=false."""


def reencode_dataset() -> ArgumentParser:
    """Make the parser of ``ffenc reencode-dataset``."""
    parser = command_parser("reencode-dataset [options] ROOT [--output=OUTPUT]", _REENCODE_DATASET)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    add_output_flag(
        parser, required=False, help_text="directory of the new dataset; without it, the videos are replaced in place"
    )
    add_settings(parser)
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="directory for finished files, so that a stopped run can continue"
    )
    parser.add_argument(
        "--executor",
        type=executor_name,
        default="threads",
        metavar="NAME",
        help="threads, processes or dask, also with a number of workers (threads:4), or dask://host:port "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--dry_run", "--dry-run", action="store_true", help="check the settings, list the jobs, and write nothing"
    )
    return parser


_IMAGES_TO_VIDEO = """\
Turn the image features of a LeRobot dataset into video, in a new dataset or in
place without --output. All features are replaced in one step at the end. Each
episode starts at a keyframe. Depth images of 16-bit millimetres become depth
video."""


def images_to_video() -> ArgumentParser:
    """Make the parser of ``ffenc images-to-video``."""
    parser = command_parser("images-to-video [options] ROOT [--output=OUTPUT]", _IMAGES_TO_VIDEO)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    add_output_flag(
        parser, required=False, help_text="directory of the new dataset; without it, the dataset is changed in place"
    )
    parser.add_argument("--cameras", type=names, metavar="NAMES", help="only these features (default: all)")
    add_layout_flag(parser, "info_layout", "dataset.info_layout")
    add_follow_links_flag(parser)
    add_encoder_flags(parser)
    add_config_flags(parser, DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig)
    return parser


def add_settings(parser: ArgumentParser) -> None:
    """Add the flags for the settings of new videos."""
    parser.add_argument("--cameras", type=names, metavar="NAMES", help="only these features (default: all)")
    parser.add_argument(
        "--resize", type=picture_size, metavar="WxH", help="scale all frames; depth uses the nearest pixel"
    )
    parser.add_argument(
        "--fps", type=positive, metavar="N", help="lower frame rate that divides the current one; rows are dropped too"
    )
    parser.add_argument(
        "--keep_depth", type=bool, default=True, metavar="BOOL", help="require bit-exact depth (default: true)"
    )
    add_follow_links_flag(parser)
    add_encoder_flags(parser)
    add_config_flags(parser, DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig)
