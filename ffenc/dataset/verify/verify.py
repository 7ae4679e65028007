"""Find every fault of a dataset: in its tables, in the packets of its videos, in its pictures.

Nothing is written.  Whatever a dataset holds, the answer is a report: an exception becomes a finding, and of each kind of
fault a bounded number of findings is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ffenc.dataset.verify.checks.decoded_frames import check_pictures
from ffenc.dataset.verify.checks.documents import check_counters, check_info, check_tasks
from ffenc.dataset.verify.checks.episode_rows import check_episodes
from ffenc.dataset.verify.checks.frame_rows import FrameChecks
from ffenc.dataset.verify.checks.leftovers import check_leftovers
from ffenc.dataset.verify.checks.packets import check_packets_of_videos
from ffenc.dataset.verify.checks.spans import check_spans, check_video_info
from ffenc.dataset.verify.checks.statistics import StatisticsChecks
from ffenc.dataset.verify.checks.stats_document import check_stats_document
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.dataset.verify.finding_codes import LEVELS, Level, Severity
from ffenc.dataset.verify.findings import Finding, Findings
from ffenc.ffmpeg.binaries import Binaries

Progress: TypeAlias = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was found.

    Attributes:
        root: the dataset.
        level: how deep it was read.
        findings: at most `ffenc.dataset.verify.findings.MOST_KEPT` of each code: the worst first, then by code and place.
        counts: of each code that was found, how many there were, the ones that are not kept included.
        severities: of each severity, how many there were.
        episodes, frames: rows of the tables, as far as they could be read.
        videos: video files that were opened.
    """

    root: Path
    level: Level
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    severities: Mapping[Severity, int]
    episodes: int
    frames: int
    videos: int

    @property
    def ok(self) -> bool:
        """Whether there is nothing worse than a note."""
        return not (self.severities["error"] or self.severities["warning"])


def verify_dataset(
    root: str | Path, level: Level = "metadata", *, binaries: Binaries | None = None, progress: Progress | None = None
) -> VerifyReport:
    """Check a dataset.

    Args:
        root: its directory.
        level: ``"metadata"`` reads the tables and needs no FFmpeg; ``"packets"`` also every packet header of the videos;
            ``"decode"`` also every picture, whose statistics are compared with those that were recorded.
        binaries: the executables; found by `find_binaries` if None and the level needs them.
        progress: is called with the number of steps done and in all: data and episodes as one each, then every video.

    Raises:
        ValueError: another level.
        BinaryNotFoundError: the level needs FFmpeg, and there is none.
    """
    if level not in LEVELS:
        raise ValueError(f"level {level!r} is not one of {', '.join(LEVELS)}")
    subject, videos = inspect_dataset(Path(root), level, binaries=binaries, progress=progress)
    findings = subject.findings
    return VerifyReport(
        root=subject.root,
        level=level,
        findings=tuple(findings.kept),
        counts=dict(findings.counts),
        severities=dict(findings.severities),
        episodes=len(subject.episodes),
        frames=subject.rows or 0,
        videos=videos,
    )


def inspect_dataset(
    root: Path, level: Level, *, binaries: Binaries | None = None, progress: Progress | None = None
) -> tuple[Subject, int]:
    """As `verify_dataset`, with all that the checks learned and the number of videos that were opened."""
    subject = Subject(root=root, findings=Findings(root=root))
    with subject.checking("meta/info.json"):
        check_info(subject)
    if subject.info is None:
        return subject, 0
    _check_tables(subject)
    for what, check in (
        ("the places of episodes in videos", check_spans),
        ("the info blocks of cameras", check_video_info),
        ("what writers may have left", check_leftovers),
    ):
        with subject.checking(what):
            check(subject)
    videos = 0
    if level != "metadata":
        with subject.checking("the videos"):
            try_decoding = level == "packets"  # the next level decodes everything
            videos = check_packets_of_videos(subject, binaries=binaries, progress=progress, try_decoding=try_decoding)
    if level == "decode":
        with subject.checking("the pictures"):
            check_pictures(subject, binaries=binaries, progress=progress)
    return subject, videos


def _check_tables(subject: Subject) -> None:
    with subject.checking("meta/tasks.parquet"):
        check_tasks(subject)
    with subject.checking("meta/episodes"):
        check_episodes(subject)
    with subject.checking("data and meta/stats.json"):
        statistics = StatisticsChecks(subject)
        frames = FrameChecks(subject, statistics.take)
        try:
            frames.run()
        finally:
            measured, cameras = statistics.finish(complete=frames.complete, spoilt=frames.spoilt)
            check_stats_document(subject, measured=measured, cameras=cameras)
    with subject.checking("the counters of meta/info.json"):
        check_counters(subject)
