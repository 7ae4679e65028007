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
Make a LeRobot dataset from existing recordings. Every INPUT is one episode: a
clip, or a folder of images (numbered, or see --order). With several cameras,
name the inputs of each by a pattern; sorted, the first of each belong together:
  --cameras='{laptop: "runs/*/laptop.mp4", wrist: "runs/*/wrist"}'
--tables takes a pattern for CSV or parquet files with a row per frame: a column
observation.state:gripper.pos is one component of the vector observation.state,
a column without a colon is a feature by itself. All of them become float32.
Everything is counted first: where the numbers of frames do not agree, nothing
is written. No frame is ever left out."""


def convert() -> ArgumentParser:
    """Make the parser of ``ffenc convert``."""
    parser = command_parser("convert OUTPUT [INPUT ...] --task=TEXT [options]", _CONVERT)
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="folder of the dataset; it must not exist")
    parser.add_argument("inputs", type=Path, nargs="*", metavar="INPUT", help="clips or folders, one per episode")
    parser.add_argument("--task", type=str, required=True, metavar="TEXT", help="what is being done, in a sentence")
    parser.add_argument("--fps", type=whole_rate, default=30, metavar="N", help="frames per second (default: 30)")
    parser.add_argument("--camera", type=str, default="camera", metavar="NAME", help="name of the one camera of INPUT")
    parser.add_argument("--cameras", type=dict, metavar="DICT", help="a pattern for each camera, in quotes; see above")
    parser.add_argument("--tables", type=str, metavar="PATTERN", help="tables, one per episode; see above")
    parser.add_argument("--repo_id", type=str, metavar="NAME", help="name of the dataset (default: that of OUTPUT)")
    parser.add_argument("--robot_type", type=str, metavar="NAME", help="what info.json says of the robot")
    add_layout_flag(parser, "info_layout", "dataset.info_layout")
    add_order_flag(parser)
    parser.add_argument("--audio", choices=("drop",), help="needed where a clip has audio, which is not carried")
    parser.add_argument(
        "--dry_run", "--dry-run", action="store_true", help="measure everything, show the episodes, and write nothing"
    )
    add_encoder_flags(parser)
    return parser


_PREVIEW = """\
Write one PNG per episode of a LeRobot dataset, for a first look: a row for
each camera, a column for each time, evenly from the first frame to the last.

Rows of videos that cannot be read are left out and named; the exit status is
then 1."""


def preview() -> ArgumentParser:
    """Make the parser of ``ffenc preview``."""
    parser = command_parser("preview [options] ROOT", _PREVIEW)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--output", "-o", type=Path, metavar="DIR", help="where the images go (default: NAME-preview, here)"
    )
    parser.add_argument(
        "--episodes", type=names, metavar="NUMBERS", help="only these, as in --episodes=0,3 (default: all)"
    )
    parser.add_argument("--columns", type=positive, default=6, metavar="N", help="pictures in a row (default: 6)")
    parser.add_argument("--width", type=positive, default=240, metavar="PIXELS", help="of one picture (default: 240)")
    parser.add_argument("--overwrite", action="store_true", help="replace images that exist")
    return parser


_VERIFY = """\
Check a LeRobot dataset. Level metadata reads its tables and needs no FFmpeg;
packets also reads every packet header of its videos; decode also decodes every
picture and compares them with the statistics that were recorded of them, by
which exchanged videos are found. Nothing is written.
The exit status is 1 if there is an error or a warning. Exact drifts, gaps and
files are named; --codes lists all that can be found."""


def verify() -> ArgumentParser:
    """Make the parser of ``ffenc verify``."""
    parser = command_parser("verify [options] ROOT", _VERIFY)
    parser.add_argument("root", type=Path, nargs="?", metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--level", type=str, default="packets", metavar="LEVEL", help=f"{', '.join(LEVELS)} (default: packets)"
    )
    parser.add_argument("--codes", action="store_true", help="list the codes of all faults, and do nothing else")
    return parser


_REPAIR = """\
Set right what can be derived from the rest of a LeRobot dataset: places of
episodes in data and videos, counters, splits, the order of tasks, statistics,
info blocks, leftovers. Videos and data files are not changed. What is not
certain is left, and said. Each file is replaced in one step, under the
dataset's lock. The exit status is 1 if something is wrong afterwards."""


def repair() -> ArgumentParser:
    """Make the parser of ``ffenc repair``."""
    parser = command_parser("repair [options] ROOT", _REPAIR)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    add_follow_links_flag(parser)
    parser.add_argument("--dry_run", "--dry-run", action="store_true", help="say what would be done, and do nothing")
    return parser


_MERGE = """\
Merge LeRobot datasets into a new one, in the order given. Videos are joined by
stream copy, so no frame is encoded again, and all that a stream copy cannot
mend is checked in every file before anything is written. The output appears
whole or not at all, and the sources are only read."""


def merge() -> ArgumentParser:
    """Make the parser of ``ffenc merge``."""
    parser = command_parser("merge [options] ROOT ROOT [ROOT ...] --output=OUTPUT", _MERGE)
    parser.add_argument("sources", type=Path, nargs="+", metavar="ROOT", help="directories of datasets")
    add_output_flag(parser, help_text="directory of the new dataset; must not exist")
    parser.add_argument(
        "--on_mismatch",
        choices=("raise", "reencode"),
        default="raise",
        help="what to do with videos that one stream cannot hold: refuse, or encode them like those of the first dataset "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--concatenate_videos", type=bool, default=True, metavar="BOOL", help="join video files (default: true)"
    )
    parser.add_argument(
        "--concatenate_data", type=bool, default=True, metavar="BOOL", help="join data files (default: true)"
    )
    parser.add_argument("--repo_id", type=str, metavar="NAME", help="what you call it; only logged")
    add_follow_links_flag(parser)
    parser.add_argument("--dry_run", "--dry-run", action="store_true", help="check everything and write nothing")
    return parser


_DELETE_EPISODES = """\
Make a new LeRobot dataset without some of the episodes of another one. What is
kept keeps its bits: videos are cut at keyframes by stream copy. The rest is
numbered again. The source is only read."""


def delete_episodes() -> ArgumentParser:
    """Make the parser of ``ffenc delete-episodes``."""
    parser = command_parser("delete-episodes [options] ROOT --episodes=NUMBERS --output=OUTPUT", _DELETE_EPISODES)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--episodes", type=episode_numbers, required=True, metavar="NUMBERS", help="those to leave out: 1,4 or 0,3-5"
    )
    add_output_flag(parser, help_text="directory of the new dataset; must not exist")
    add_follow_links_flag(parser)
    return parser


_SPLIT = """\
Divide a LeRobot dataset into several, each in a directory of its own below the
output. What is kept keeps its bits: videos are cut at keyframes by stream
copy. The source is only read."""


def split() -> ArgumentParser:
    """Make the parser of ``ffenc split``."""
    parser = command_parser("split [options] ROOT --splits='{NAME: SHARE, ...}' --output=OUTPUT", _SPLIT)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--splits",
        type=dict,
        required=True,
        metavar="DICT",
        help="for each name its share, '{train: 0.8, val: 0.2}', or its episodes, '{train: [0, 1], val: [2]}'",
    )
    add_output_flag(parser, help_text="directory of the new datasets; must not exist")
    add_follow_links_flag(parser)
    return parser


_REENCODE_DATASET = """\
Re-encode the videos of a LeRobot dataset, into a new dataset or, without
--output, in place: all or nothing, in one step at the end. Every file is read
back and must have the frames of the old one; info.json says what was measured.
Depth must come out as it was, to the bit, unless --keep_depth=false."""


def reencode_dataset() -> ArgumentParser:
    """Make the parser of ``ffenc reencode-dataset``."""
    parser = command_parser("reencode-dataset [options] ROOT [--output=OUTPUT]", _REENCODE_DATASET)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    add_output_flag(
        parser, required=False, help_text="directory of the new dataset; without it the videos are replaced in place"
    )
    add_settings(parser)
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keep finished files there, so that a run that was stopped goes on"
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
Make video of the features of a LeRobot dataset that hold single images, into a
new dataset or, without --output, in place: all or nothing. Each episode begins
at a keyframe. Depth images of 16-bit millimetres become depth video."""


def images_to_video() -> ArgumentParser:
    """Make the parser of ``ffenc images-to-video``."""
    parser = command_parser("images-to-video [options] ROOT [--output=OUTPUT]", _IMAGES_TO_VIDEO)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    add_output_flag(
        parser, required=False, help_text="directory of the new dataset; without it the dataset is changed in place"
    )
    parser.add_argument("--cameras", type=names, metavar="NAMES", help="only these features (default: all)")
    add_layout_flag(parser, "info_layout", "dataset.info_layout")
    add_follow_links_flag(parser)
    add_encoder_flags(parser)
    add_config_flags(parser, DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig)
    return parser


def add_settings(parser: ArgumentParser) -> None:
    """Flags that say how the videos are to be."""
    parser.add_argument("--cameras", type=names, metavar="NAMES", help="only these features (default: all)")
    parser.add_argument(
        "--resize", type=picture_size, metavar="WxH", help="scale all pictures; depth takes the nearest pixel"
    )
    parser.add_argument(
        "--fps", type=positive, metavar="N", help="a slower rate that divides the present one; rows are left out too"
    )
    parser.add_argument(
        "--keep_depth", type=bool, default=True, metavar="BOOL", help="depth must be exact (default: true)"
    )
    add_follow_links_flag(parser)
    add_encoder_flags(parser)
    add_config_flags(parser, DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig)
