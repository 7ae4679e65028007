"""Verify a dataset: check its documents and tables, the packets of its videos, and its decoded frames.

Nothing is written.  The result is always a report: an exception becomes a finding, and a bounded number of findings of each
code is kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ffenc.dataset.storage.local_root import check_local
from ffenc.dataset.verify.checks.documents import check_counters, check_info, check_tasks
from ffenc.dataset.verify.checks.episode_rows import check_episodes
from ffenc.dataset.verify.checks.frame_rows import FrameChecks
from ffenc.dataset.verify.checks.leftovers import check_leftovers
from ffenc.dataset.verify.checks.spans import check_spans, check_video_info
from ffenc.dataset.verify.checks.statistics import Aggregate, StatisticsChecks
from ffenc.dataset.verify.checks.stats_document import check_stats_document
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.dataset.verify.content_limits import ContentLimits
from ffenc.dataset.verify.finding_codes import LEVELS, Level, Severity
from ffenc.dataset.verify.findings import Finding, Findings

if TYPE_CHECKING:
    # Level "metadata" takes less time without the modules that plan, run and decode.
    from ffenc.dataset.verify.checks.row_content import RowContent
    from ffenc.ffmpeg.binaries import Binaries
    from ffenc.video.run_context import ProgressCallback


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """The findings of a verification.

    Attributes:
        root: the dataset.
        level: what was read.
        findings: at most `ffenc.dataset.verify.findings.MOST_KEPT` of each code: the most severe first, then by code and place.
        counts: number of findings of each code, including those that are not kept.
        severities: number of findings of each severity.
        episodes, frames: number of rows in the tables that could be read.
        videos: number of video files that were opened.
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
        """Whether all findings are notes."""
        return not (self.severities["error"] or self.severities["warning"])


def verify_dataset(
    root: str | Path,
    level: Level = "metadata",
    *,
    limits: ContentLimits | None = None,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> VerifyReport:
    """Verify a dataset.

    Args:
        root: its directory.
        level: ``"metadata"`` reads the tables and needs no FFmpeg.  ``"packets"`` also reads every packet header of the videos.
            ``"decode"`` also decodes every frame and compares the frames with the recorded statistics, with those of
            other cameras and with each other; and it checks what the values of the rows contain.
        limits: what level ``"decode"`` accepts in frames and rows; None uses the defaults.
        binaries: the executables; found by `find_binaries` if None and the level needs them.
        progress: called with the number of videos done and the total, at each level that reads videos.

    Raises:
        ValueError: the level is unknown.
        DatasetError: ``root`` is a URL.
        BinaryNotFoundError: the level needs FFmpeg, and there is none.
    """
    if level not in LEVELS:
        raise ValueError(f"unknown level {level!r}; expected one of {', '.join(LEVELS)}")
    check_local(root)
    subject = inspect_dataset(Path(root), level, limits=limits, binaries=binaries, progress=progress)
    findings = subject.findings
    return VerifyReport(
        root=subject.root,
        level=level,
        findings=tuple(findings.kept),
        counts=dict(findings.counts),
        severities=dict(findings.severities),
        episodes=len(subject.episodes),
        frames=subject.rows or 0,
        videos=subject.videos,
    )


def inspect_dataset(
    root: Path,
    level: Level,
    *,
    limits: ContentLimits | None = None,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> Subject:
    """Run the checks of `verify_dataset`, and return what they read and found."""
    subject = Subject(root=root, findings=Findings(root=root))
    with subject.checking("meta/info.json"):
        check_info(subject)
    if subject.info is None:
        return subject
    subject.is_meta_only = level == "metadata" and not _has_rows_or_videos(subject)
    content = _row_content(subject, limits) if level == "decode" else None
    _check_tables(subject, content)
    for what, check in (
        ("the frame ranges of episodes in videos", check_spans),
        ("the info blocks of cameras", check_video_info),
        ("the drop log", _check_repeats),
        ("leftovers of writers", check_leftovers),
    ):
        with subject.checking(what):
            check(subject)
    if level != "metadata":
        _check_videos(subject, level, content, binaries=binaries, progress=progress)
    return subject


def _check_repeats(subject: Subject) -> None:
    if subject.layout.own.exists():
        from ffenc.dataset.verify.checks.camera_repeats import check_repeats  # noqa: PLC0415  see above

        check_repeats(subject)


def _row_content(subject: Subject, limits: ContentLimits | None) -> RowContent:
    from ffenc.dataset.verify.checks.row_content import RowContent  # noqa: PLC0415  see above

    return RowContent(subject, limits or ContentLimits())


def _check_videos(
    subject: Subject,
    level: Level,
    content: RowContent | None,
    *,
    binaries: Binaries | None,
    progress: ProgressCallback | None,
) -> None:
    from ffenc.dataset.verify.checks.decoded_frames import check_decoded_frames  # noqa: PLC0415  see above
    from ffenc.dataset.verify.checks.packets import check_packets_of_videos  # noqa: PLC0415  see above

    with subject.checking("the videos"):
        try_decoding = level == "packets"  # the next level decodes everything
        subject.videos = check_packets_of_videos(
            subject, binaries=binaries, progress=progress, try_decoding=try_decoding
        )
    if level == "decode":
        with subject.checking("the decoded frames"):
            check_decoded_frames(subject, content, binaries=binaries, progress=progress)


def _check_data(subject: Subject, content: RowContent | None) -> None:
    statistics = StatisticsChecks(subject)
    frames = FrameChecks(subject, statistics.take, None if content is None else content.take)
    try:
        frames.run()
    finally:
        measured, cameras = statistics.finish(complete=frames.complete, spoilt=frames.spoilt)
        check_stats_document(subject, measured=measured, cameras=cameras)


def _has_rows_or_videos(subject: Subject) -> bool:
    info = subject.known_info
    folders = {"data", *(Path(template).parts[0] for template in (info.data_path, info.video_path) if template)}
    return any(os.path.lexists(subject.root / folder) for folder in folders)


def _check_tables(subject: Subject, content: RowContent | None) -> None:
    with subject.checking("meta/tasks.parquet"):
        check_tasks(subject)
    with subject.checking("meta/episodes"):
        check_episodes(subject)
    with subject.checking("data and meta/stats.json"):
        if subject.is_meta_only:
            check_stats_document(subject, measured=Aggregate(), cameras=Aggregate())
            if subject.episodes:
                subject.findings.add("meta-only", "the folder has neither data nor videos, so neither was checked")
        else:
            _check_data(subject, content)
    with subject.checking("the counters of meta/info.json"):
        check_counters(subject)
