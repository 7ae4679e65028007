"""The codes of all faults that `ffenc.dataset.verify.verify` finds.

``error`` means that LeRobot fails or gives wrong values, ``warning`` that it reads right but something is missing or will go
wrong when the dataset is edited, ``note`` that nothing is wrong for any reader we know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, cast

Severity: TypeAlias = Literal["error", "warning", "note"]
Level: TypeAlias = Literal["metadata", "packets", "decode"]

LEVELS: tuple[Level, ...] = ("metadata", "packets", "decode")
"""How deep a dataset is read: its tables, every packet of its videos, every picture."""

_REMEDIES = {
    "repair": "`ffenc repair` sets it right",
    "again": "copy or download the file again; if there is no good copy, delete the episodes that need it",
    "rows": "nothing says what was meant: delete the episodes concerned, or restore the file from a copy",
    "edit": "edit meta/info.json by hand, or restore it from a copy",
    "none": "nothing has to be done",
    "name": "name the directory of a dataset",
    "convert": "convert it with LeRobot",
    "wait": "let it finish, then verify again",
    "restore": "restore the file that the message names",
    "elsewhere": "keep what it says elsewhere",
    "look": "`ffenc repair` removes what is empty; look at the rest before you delete it",
    "salvage": "`ffenc salvage` makes a video of it; delete it if it is not needed",
    "decoder": "try another FFmpeg (FFENC_FFMPEG), for this one may lack a decoder; else copy or download the file again",
    "move": "move it out of the dataset",
    "column": "add the feature to info.json, or drop the column",
    "ties": "restore the file from a copy; without it nothing but `pictures-misaligned` goes unnoticed",
    "video": "put the right video in its place; if only the statistics are old, delete their columns and repair",
    "delete": "delete it if nothing is in it",
    "surplus": "look whether pictures and rows belong together; `ffenc reencode-dataset` drops the surplus",
    "reencode": "`ffenc reencode-dataset` makes all videos of one kind, frame k at k/fps",
}

# name, severity, least deep level that finds it, remedy, meaning
_TABLE = """
dataset-missing         | error   | metadata | name      | no directory, or no meta/info.json in it
dataset-version         | error   | metadata | convert   | another version of the format than v3.0
dataset-in-use          | note    | metadata | wait      | a writer is at work
check-failed            | error   | metadata | restore   | a check could not be made
info-unreadable         | error   | metadata | edit      | info.json is not JSON, or a value in it is missing or wrong
info-key-unknown        | note    | metadata | elsewhere | a key that LeRobot does not know and drops
feature-default         | error   | metadata | edit      | a default feature is missing or of another type
feature-type            | error   | metadata | edit      | a type or shape that no table or video can hold
data-path-wrong         | warning | metadata | edit      | data_path gives the name of no data file, so LeRobot cannot merge
feature-axes            | warning | metadata | edit      | the channels of a camera stand first, and its names do not say so
video-path-missing      | error   | metadata | edit      | there are video features and video_path is null
counter-wrong           | error   | metadata | repair    | a total in info.json is not the number of rows
splits-wrong            | warning | metadata | repair    | the splits do not cover the episodes
leftover-temporary      | warning | metadata | repair    | a temporary file of a writer that was killed
leftover-images         | warning | metadata | look      | staged images or videos of a LeRobot recorder that was killed
leftover-recording      | warning | metadata | salvage   | a recording that never joined the dataset
leftover-commit         | error   | metadata | repair    | an episode joined the dataset only in part
leftover-sibling        | warning | metadata | repair    | a hidden sibling of a change that was interrupted
tasks-missing           | error   | metadata | again     | there are episodes and no meta/tasks.parquet
tasks-unreadable        | error   | metadata | again     | tasks.parquet is damaged or lacks a column
tasks-order             | error   | metadata | repair    | tasks do not stand in the order of task_index: wrong texts are read
tasks-gap               | error   | metadata | rows      | task_index does not count 0, 1, 2, ...
tasks-index-missing     | error   | metadata | repair    | the texts are no pandas index: numbers are read for tasks
task-repeated           | error   | metadata | rows      | a text has two numbers
task-unused             | note    | metadata | none      | a task that no frame has
file-name-foreign       | error   | metadata | move      | a parquet file that belongs to no series, and is read all the same
episodes-missing        | error   | metadata | again     | there is no file of episodes
episodes-unreadable     | error   | metadata | again     | a file of episodes is damaged or has no footer
episodes-column-missing | error   | metadata | again     | the table of episodes lacks a column
episodes-column-extra   | note    | metadata | none      | a column that LeRobot does not know
episodes-column-type    | error   | metadata | again     | a column of the table of episodes has a wrong type
episodes-files-differ   | error   | metadata | again     | files of episodes have different columns and cannot be joined
episode-value-wrong     | error   | metadata | again     | a value in the table of episodes is missing or impossible
episode-index-wrong     | warning | metadata | rows      | episodes do not count 0, 1, 2, ...
episode-length-wrong    | warning | metadata | repair    | length is not dataset_to_index - dataset_from_index
episode-range-wrong     | error   | metadata | repair    | rows of an episode do not begin where those before it end
episode-data-file-wrong | warning | metadata | repair    | the rows of an episode are not in the file it names
episode-meta-file-wrong | warning | metadata | repair    | an episode names another file of episodes than its own
episode-tasks-wrong     | warning | metadata | repair    | the tasks of an episode are not those of its rows
data-missing            | error   | metadata | again     | there is no data file
data-unreadable         | error   | metadata | again     | a data file is damaged or has no footer
data-column-missing     | error   | metadata | again     | a feature has no column
data-column-extra       | error   | metadata | column    | a column is not a feature: LeRobot refuses the dataset
data-column-type        | error   | metadata | rows      | a column does not have the type of its feature
data-value-missing      | error   | metadata | rows      | holes in a column, or rows of a wrong length
data-not-finite         | warning | metadata | rows      | NaN or infinity, which spoils statistics and training
data-rows-wrong         | error   | metadata | rows      | an episode has more or fewer rows than its length
data-episode-wrong      | error   | metadata | rows      | episode_index of a row is not its episode
data-frame-index-wrong  | error   | metadata | rows      | frame_index does not count 0, 1, 2, ... in an episode
data-index-wrong        | error   | metadata | rows      | index is not the number of the row
data-timestamp-wrong    | error   | metadata | rows      | timestamp is not frame_index / fps
data-task-unknown       | error   | metadata | rows      | task_index of a row is not in tasks.parquet
stats-missing           | warning | metadata | repair    | there is no stats.json, and training normalises by it
stats-unreadable        | error   | metadata | repair    | stats.json is not JSON, or not of statistics
stats-feature-missing   | warning | metadata | repair    | stats.json lacks a feature
stats-feature-extra     | note    | metadata | none      | stats.json has a feature that is not there
stats-shape-wrong       | error   | metadata | repair    | statistics do not have the shape of their feature
stats-incomplete        | note    | metadata | repair    | there are no quantiles, as before LeRobot had them
stats-wrong             | error   | metadata | repair    | stats.json does not describe the data
episode-stats-missing   | warning | metadata | repair    | an episode lacks statistics: merged ones will lack it
episode-stats-wrong     | warning | metadata | repair    | statistics of an episode do not describe its rows
pictures-misaligned     | error   | decode   | rows      | rows were recorded with other frames than they have now
provenance-unreadable   | warning | decode   | ties      | episodes.jsonl is damaged, so frames and rows are not compared
pictures-foreign        | error   | decode   | video     | frames of an episode do not match its statistics
video-missing           | error   | metadata | again     | a video that episodes need is not there
video-unused            | warning | metadata | delete    | a video that no episode needs
video-info-missing      | warning | metadata | repair    | a camera has no info block: it cannot be merged
video-info-wrong        | warning | metadata | repair    | the info block of a camera is not what its features or videos are
video-time-off-grid     | error   | metadata | repair    | an episode begins or ends in a video between two frames
video-time-drift        | warning | metadata | repair    | the same, but within LeRobot's tolerance of 0.1 ms
video-range-wrong       | error   | metadata | repair    | an episode has another number of frames than of rows in a video
video-range-gap         | warning | metadata | repair    | frames of a video between two episodes
video-range-overlap     | error   | metadata | repair    | two episodes share frames of a video
video-unreadable        | error   | packets  | again     | no video, or torn so that nothing can be read
video-torn              | error   | packets  | again     | a video ends before the frames that its header promises
video-damaged           | error   | packets  | again     | FFmpeg complains about a video
video-frames-missing    | error   | packets  | again     | a video has fewer frames than its episodes
video-frames-extra      | warning | packets  | surplus   | a video has more frames than its episodes
video-frames-hidden     | error   | packets  | reencode  | an edit list hides frames
video-clock-wrong       | error   | packets  | reencode  | frame k is not at k/fps seconds
video-codec-foreign     | warning | packets  | reencode  | a video has another codec than info.json says
video-size-foreign      | error   | packets  | again     | a video has frames of another size than its feature
video-format-foreign    | warning | packets  | reencode  | a video has another pixel format than info.json says
video-key-frame-missing | note    | packets  | none      | an episode does not begin with a keyframe: slow to cut
video-undecodable       | error   | decode   | decoder   | no frame of a video can be decoded, though its packets are whole
frame-unreadable        | error   | decode   | again     | a frame cannot be decoded
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A kind of fault.

    Attributes:
        name: stable, for programs.
        severity: unless a finding says otherwise.
        level: the least deep level that finds it.
        meaning: one line.
        remedy: what to do.
        repaired: `repair_dataset` sets it right, where that is unambiguous.
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
"""Every code, in the order in which the checks go on."""
