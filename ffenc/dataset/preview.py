"""Write contact sheets of a dataset: one image per episode, with a row per camera and a column per time."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.episode_columns import EpisodeRow, VideoSpan, time_of_frame
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.errors import DatasetError, FFencError, InputError, OutputError, PreviewError, ProbeError, ProcessError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.plan.clip_frames import ClipFrames, ranges_of
from ffenc.plan.sheet import plan_sheet
from ffenc.regular_files import file_path
from ffenc.video.clip import MeasuredClip, measure_clip
from ffenc.video.output import PendingFile
from ffenc.video.undecodable import check_listed

_TIMEOUT_S = 600.0
_NAMED = 10  # broken files in one message
_UNREADABLE = (DatasetError, InputError, ProbeError, ProcessError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The contact sheet of an episode.

    Attributes:
        path: the image file.
        episode_index: the episode.
        cameras: the cameras of the rows, from top to bottom.
        times_s: the times of the columns, in seconds from the start of the episode.
    """

    path: Path
    episode_index: int
    cameras: tuple[str, ...]
    times_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRow:
    """A camera that is missing on the contact sheet of an episode.

    Attributes:
        episode_index: the episode.
        camera: the camera.
        path: its video.
        reason: why it cannot be shown.
    """

    episode_index: int
    camera: str
    path: Path
    reason: str


def preview_dataset(
    root: str | Path,
    output: str | Path,
    *,
    episodes: Sequence[int] | None = None,
    columns: int = 6,
    width: int = 240,
    overwrite: bool = False,
    binaries: Binaries | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> tuple[Sheet, ...]:
    """Write a contact sheet of each episode: ``episode-000000.png`` and so on.

    Args:
        root: the dataset.
        output: directory for the images; created if it does not exist.
        episodes: numbers of the episodes; None is all.
        columns: frames per row, spread evenly over the episode; fewer if the episode is shorter.
        width: width of a frame in pixels; its height follows from the first camera.
        overwrite: replace existing images.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with (images done, total).

    Raises:
        DatasetError: the dataset cannot be read, has no videos, or does not have an episode.
        PreviewError: videos are missing or damaged.  It is raised at the end: the sheets have the rows of all other cameras, and
            an episode without any has no sheet.
        OutputExistsError: an image exists and ``overwrite`` is False.
        OutputError: an image cannot be written.
    """
    root, output = Path(root), file_path(output, written=True)
    tools = binaries or find_binaries()
    info = load_info(root)
    rows = load_episodes(root, info, statistics=False)
    chosen = range(len(rows)) if episodes is None else episodes
    if missing := [number for number in chosen if not 0 <= number < len(rows)]:
        raise DatasetError(f"{root} has the episodes 0 to {len(rows) - 1}, but not {missing}", path=root)
    if not info.videos:
        raise DatasetError(f"{root} has no videos to preview", path=root)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"cannot create {output}: {err.strerror}", path=output) from err
    drawer = _Drawer(DatasetLayout.of(root, info), info.fps, columns, width, tools)
    sheets = []
    for done, number in enumerate(chosen, start=1):
        sheet = drawer.draw(rows[number], output / f"episode-{number:06d}.png", overwrite=overwrite)
        if sheet is not None:
            sheets.append(sheet)
        if progress is not None:
            progress(done, len(chosen))
    if drawer.missing:
        raise PreviewError(
            _missing_text(root, drawer.missing), path=root, sheets=tuple(sheets), failures=tuple(drawer.missing)
        )
    return tuple(sheets)


def _missing_text(root: Path, missing: Sequence[MissingRow]) -> str:
    reasons = {row.path: row.reason.splitlines()[0] for row in missing}
    listed = [f"{path.relative_to(root)}: {reason}" for path, reason in list(reasons.items())[:_NAMED]]
    more = [f"and {len(reasons) - _NAMED} more files"] if len(reasons) > _NAMED else []
    return (
        f"{len(missing)} rows of {len({row.episode_index for row in missing})} episodes cannot be shown; all others were "
        f"written. `ffenc verify {shlex.quote(str(root))}` lists all faults.\n" + "\n".join([*listed, *more])
    )


class _Drawer:
    """Draw contact sheets of one dataset; a video shared by many episodes is measured once."""

    def __init__(self, layout: DatasetLayout, fps: int, columns: int, width: int, binaries: Binaries) -> None:
        self._layout = layout
        self._fps = fps
        self._columns = columns
        self._width = width
        self._binaries = binaries
        self._measured = functools.lru_cache(maxsize=16)(self._measure)
        self.missing: list[MissingRow] = []
        """The rows that cannot be shown."""

    def draw(self, episode: EpisodeRow, image: Path, *, overwrite: bool) -> Sheet | None:
        """Write the sheet of the cameras that can be shown, or return None if there are none."""
        offsets = np.linspace(0, episode.length - 1, min(self._columns, episode.length)).round().astype(int).tolist()
        with PendingFile(image, overwrite=overwrite) as pending:
            rows: dict[str, ClipFrames] = {}
            for camera, span in episode.videos.items():
                try:
                    rows[camera] = self._row(camera, span, offsets)
                except _UNREADABLE as err:
                    self._miss(episode, camera, err)
            try:
                if rows:
                    self._write(list(rows.values()), pending.path)
            except _UNREADABLE:  # draw each row separately to find the broken ones, then a sheet of the others
                for camera in list(rows):
                    try:
                        self._write([rows[camera]], pending.path)
                    except _UNREADABLE as err:
                        self._miss(episode, camera, err)
                        del rows[camera]
                if rows:
                    self._write(list(rows.values()), pending.path)
            if not rows:
                return None
            pending.commit()
        return Sheet(
            path=image,
            episode_index=episode.episode_index,
            cameras=tuple(rows),
            times_s=tuple(time_of_frame(offset, self._fps) for offset in offsets),
        )

    def _write(self, rows: Sequence[ClipFrames], image: Path) -> None:
        clip = self._measured(rows[0].path)
        if isinstance(clip, FFencError):
            raise clip
        height = 2 * round(self._width * clip.display_size[1] / clip.display_size[0] / 2)
        argv = plan_sheet(self._binaries.ffmpeg, rows, image, cell=(self._width, max(2, height)))
        listed = run_tool(argv, timeout_s=_TIMEOUT_S).stderr
        try:
            check_listed(listed, rows)
        except OutputError as err:  # the cause is a video, not the output
            raise InputError(str(err), path=rows[0].path) from err

    def _row(self, camera: str, span: VideoSpan, offsets: Sequence[int]) -> ClipFrames:
        path = self._layout.video(camera, span.file)
        clip = self._measured(path)
        if isinstance(clip, FFencError):
            raise clip
        if span.to_frame > clip.packets.count or span.from_frame < 0:
            raise DatasetError(
                f"{path} has {clip.packets.count} frames, but an episode needs frames {span.from_frame} to {span.to_frame - 1}",
                path=path,
            )
        return clip.select(ranges_of([span.from_frame + offset for offset in offsets]))

    def _measure(self, path: Path) -> MeasuredClip | FFencError:
        """Return the clip, or the error that measuring it raised, so that a broken file is measured only once."""
        try:
            return measure_clip(path, binaries=self._binaries)
        except _UNREADABLE as err:
            return err

    def _miss(self, episode: EpisodeRow, camera: str, err: FFencError) -> None:
        path = self._layout.video(camera, episode.videos[camera].file)
        self.missing.append(MissingRow(episode_index=episode.episode_index, camera=camera, path=path, reason=str(err)))
