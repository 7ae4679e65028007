"""All finding codes of `ffenc.dataset.verify.verify`, with severity, level, remedy and meaning.

``error``: LeRobot fails or reads wrong values.  ``warning``: LeRobot reads correct values, but something is missing, or editing
the dataset will fail.  ``note``: no known reader is affected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, cast

Severity: TypeAlias = Literal["error", "warning", "note"]
Level: TypeAlias = Literal["metadata", "packets", "decode"]

LEVELS: tuple[Level, ...] = ("metadata", "packets", "decode")
"""What is read: the tables, also every packet of the videos, also every frame."""

_REMEDIES = {
    "repair": "run `ffenc repair`",
    "again": "copy or download the file again; without a good copy, delete the episodes that need it",
    "rows": "the correct values are unknown: delete these episodes, or restore the file from a copy",
    "edit": "edit meta/info.json by hand, or restore it from a copy",
    "none": "nothing to do",
    "name": "give the directory of a dataset",
    "convert": "run the command in the message",
    "fetch": "get data/ and videos/ too if they are to be checked",
    "wait": "wait until it has finished, then verify again",
    "restore": "restore the file in the message",
    "elsewhere": "store it elsewhere if it is needed",
    "look": "`ffenc repair` removes empty folders; check the other files before you delete them",
    "salvage": "run `ffenc salvage` to recover it, or delete it",
    "decoder": "try another FFmpeg (FFENC_FFMPEG), because this one may lack a decoder; else copy or download the file again",
    "move": "move it out of the dataset",
    "column": "add the feature to info.json, or remove the column",
    "camera": "look at the frames with `ffenc preview`; delete the episodes if the camera failed",
    "cable": "look at the frames with `ffenc preview`; if one source was recorded twice, remove one of the two features",
    "robot": "check that the robot or teleoperator was connected; delete the episodes if it was not",
    "jump": "rows are missing there, or the clock was set; delete the episodes if training needs a steady rate",
    "ties": "restore the file from a copy; without it, only `pictures-misaligned` cannot be found",
    "video": "restore the right video; if only the statistics are old, delete their columns and run `ffenc repair`",
    "delete": "delete it if it is not needed",
    "surplus": "check that frames and rows match; `ffenc reencode-dataset` removes the extra frames",
    "reencode": "run `ffenc reencode-dataset`, which gives all videos the same format, with frame k at k/fps",
}

# name, severity, first level that finds it, remedy, meaning
_TABLE = """
dataset-missing         | error   | metadata | name      | the directory does not exist or has no meta/info.json
dataset-version         | error   | metadata | convert   | the version of the format is not v3.0
dataset-in-use          | note    | metadata | wait      | a process is writing the dataset
meta-only               | note    | metadata | fetch     | the folder has only meta/, so data and videos were not checked
check-failed            | error   | metadata | restore   | a check ended with an unexpected error
info-unreadable         | error   | metadata | edit      | info.json is not JSON, or a value in it is missing or invalid
info-key-unknown        | note    | metadata | elsewhere | info.json has a key that LeRobot does not know and drops
feature-default         | error   | metadata | edit      | a default feature is missing or has a wrong type
feature-type            | error   | metadata | edit      | no table or video can hold the type or shape of a feature
data-path-wrong         | warning | metadata | edit      | data_path matches no data file, so LeRobot cannot merge
feature-axes            | warning | metadata | edit      | the channels of a camera come first, but its axis names do not say so
video-path-missing      | error   | metadata | edit      | video_path is null, but there are video features
counter-wrong           | error   | metadata | repair    | a total in info.json differs from the number of rows
splits-wrong            | warning | metadata | repair    | the splits do not cover the episodes
leftover-temporary      | warning | metadata | repair    | a temporary file of a killed writer
leftover-images         | warning | metadata | look      | staged images or videos of a killed LeRobot recorder
leftover-recording      | warning | metadata | salvage   | a recorded episode that was not appended to the dataset
leftover-commit         | error   | metadata | repair    | only a part of an episode was moved into the dataset
leftover-sibling        | warning | metadata | repair    | a hidden sibling folder of an interrupted change
tasks-missing           | error   | metadata | again     | meta/tasks.parquet is missing, but there are episodes
tasks-unreadable        | error   | metadata | again     | tasks.parquet is damaged or lacks a column
tasks-order             | error   | metadata | repair    | tasks are not in the order of task_index, so wrong texts are read
tasks-gap               | error   | metadata | rows      | task_index is not 0, 1, 2, ...
tasks-index-missing     | error   | metadata | repair    | the texts are not a pandas index, so numbers are read as tasks
task-repeated           | error   | metadata | rows      | a text has two numbers
task-unused             | note    | metadata | none      | a task that no frame has
file-name-foreign       | error   | metadata | move      | a parquet file that LeRobot reads, although its name is wrong
episodes-missing        | error   | metadata | again     | the table of episodes has no file
episodes-unreadable     | error   | metadata | again     | a file of the table of episodes is damaged or has no footer
episodes-column-missing | error   | metadata | again     | the table of episodes lacks a column
episodes-column-extra   | note    | metadata | none      | the table of episodes has a column that LeRobot does not know
episodes-column-type    | error   | metadata | again     | a column of the table of episodes has a wrong type
episodes-files-differ   | error   | metadata | again     | files of the table of episodes have different columns
episode-value-wrong     | error   | metadata | again     | a value in the table of episodes is missing or impossible
episode-index-wrong     | warning | metadata | rows      | episode_index is not 0, 1, 2, ...
episode-length-wrong    | warning | metadata | repair    | length is not dataset_to_index - dataset_from_index
episode-range-wrong     | error   | metadata | repair    | the rows of an episode do not begin at the end of the previous episode
episode-data-file-wrong | warning | metadata | repair    | the rows of an episode are in another file than the table says
episode-meta-file-wrong | warning | metadata | repair    | an episode is in another file of the table than it says
episode-tasks-wrong     | warning | metadata | repair    | the tasks of an episode differ from those of its rows
data-missing            | error   | metadata | again     | the dataset has no data file
data-unreadable         | error   | metadata | again     | a data file is damaged or has no footer
data-column-missing     | error   | metadata | again     | a feature has no column
data-column-extra       | error   | metadata | column    | a column is not a feature, so LeRobot refuses the dataset
data-column-type        | error   | metadata | rows      | a column does not have the type of its feature
data-value-missing      | error   | metadata | rows      | a column has missing values, or rows of a wrong length
data-not-finite         | warning | metadata | rows      | a column has NaN or infinity, which breaks statistics and training
data-rows-wrong         | error   | metadata | rows      | an episode has more or fewer rows than its length
data-episode-wrong      | error   | metadata | rows      | episode_index of a row is wrong
data-frame-index-wrong  | error   | metadata | rows      | frame_index is not 0, 1, 2, ... in an episode
data-index-wrong        | error   | metadata | rows      | index is not the number of the row
data-timestamp-wrong    | error   | metadata | rows      | timestamp is not frame_index / fps
data-task-unknown       | error   | metadata | rows      | task_index of a row is not in tasks.parquet
stats-missing           | warning | metadata | repair    | stats.json is missing, and training needs it for normalization
stats-unreadable        | error   | metadata | repair    | stats.json is not JSON, or not statistics
stats-feature-missing   | warning | metadata | repair    | stats.json lacks a feature
stats-feature-extra     | note    | metadata | none      | stats.json has an unknown feature
stats-shape-wrong       | error   | metadata | repair    | statistics do not have the shape of their feature
stats-incomplete        | note    | metadata | repair    | quantiles are missing, as in older LeRobot versions
stats-relative          | note    | metadata | none      | stats.json has statistics of relative actions, not of the rows
stats-wrong             | error   | metadata | repair    | stats.json does not match the data
episode-stats-missing   | warning | metadata | repair    | an episode lacks statistics, so merged statistics will be incomplete
episode-stats-wrong     | warning | metadata | repair    | statistics of an episode do not match its rows
pictures-misaligned     | error   | decode   | rows      | rows were recorded with different frames
camera-repeated         | warning | metadata | camera    | the drop log says that a camera gave no new frame for a second or more
camera-frozen           | warning | decode   | camera    | the frames of a camera do not change, but other cameras or rows do
camera-blank            | warning | decode   | camera    | frames of a camera are black, or of one colour or depth
cameras-equal           | warning | decode   | cable     | two cameras show the same frames
values-constant         | warning | decode   | robot     | a state or action never changes
timestamp-jump          | warning | decode   | jump      | a timestamp in the rows goes back, or advances by much more than usual
provenance-unreadable   | warning | decode   | ties      | episodes.jsonl is damaged, so frames and rows are not compared
pictures-foreign        | error   | decode   | video     | frames of an episode do not match its statistics
video-missing           | error   | metadata | again     | a video that episodes need is missing
video-unused            | warning | metadata | delete    | no episode uses a video
video-info-missing      | warning | metadata | repair    | a camera has no info block, so it cannot be merged
video-info-wrong        | warning | metadata | repair    | the info block of a camera does not match its feature or videos
video-time-off-grid     | error   | metadata | repair    | the start or end of an episode in a video is between two frames
video-time-drift        | warning | metadata | repair    | an episode is off its frames, but within LeRobot's 0.1 ms
video-range-wrong       | error   | metadata | repair    | an episode has a different number of frames in a video than rows
video-range-gap         | warning | metadata | repair    | a video has frames between two episodes
video-range-overlap     | error   | metadata | repair    | two episodes share frames of a video
video-unreadable        | error   | packets  | again     | a file is not a video, or so incomplete that nothing can be read
video-torn              | error   | packets  | again     | a video is cut off: it has fewer frames than its header says
video-damaged           | error   | packets  | again     | FFmpeg reports errors in a video
video-frames-missing    | error   | packets  | again     | a video has fewer frames than its episodes
video-frames-extra      | warning | packets  | surplus   | a video has more frames than its episodes
video-frames-hidden     | error   | packets  | reencode  | an edit list hides frames
video-clock-wrong       | error   | packets  | reencode  | frame k is not at k/fps seconds
video-codec-foreign     | warning | packets  | reencode  | the codec of a video differs from info.json
video-size-foreign      | error   | packets  | again     | the frame size of a video differs from its feature
video-format-foreign    | warning | packets  | reencode  | the pixel format of a video differs from info.json
video-key-frame-missing | note    | packets  | none      | an episode does not begin with a keyframe, so cutting it is slow
video-undecodable       | error   | decode   | decoder   | no frame of a video can be decoded, although its packets are complete
images-undecodable      | note    | decode   | decoder   | this FFmpeg has no decoder for stored images, so they were not checked
image-size-foreign      | error   | decode   | again     | size or channels of a stored image differ from its feature
frame-unreadable        | error   | decode   | again     | a frame cannot be decoded
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A kind of finding.

    Attributes:
        name: stable name, for programs.
        severity: its usual severity; a finding may be milder.
        level: the first level that finds it.
        meaning: its meaning in one line.
        remedy: what to do.
        repaired: whether `repair_dataset` repairs it if the right value is unambiguous.
    """

    name: str
    severity: Severity
    level: Level
    meaning: str
    remedy: str
    repaired: bool


def _codes() -> Iterator[Code]:
    for line in _TABLE.strip().splitlines():
        name, severity, level, remedy, meaning = (part.strip() for part in line.split("|"))
        yield Code(
            name=name,
            severity=cast(Severity, severity),
            level=cast(Level, level),
            meaning=meaning,
            remedy=_REMEDIES[remedy],
            repaired=remedy == "repair",
        )


CODES: Mapping[str, Code] = MappingProxyType({code.name: code for code in _codes()})
"""Every code, in the order of the checks."""
