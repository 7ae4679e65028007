"""Contact sheets of a dataset: one image per episode, a row for each camera, a column for each time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ffenc.dataset.documents import load_info
from ffenc.dataset.episodes import EpisodeRow, VideoSpan, time_of_frame
from ffenc.dataset.layout import DatasetLayout
from ffenc.dataset.store import load_episodes
from ffenc.errors import DatasetError, OutputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process import run_tool
from ffenc.plan.clip_frames import ClipFrames, ranges_of
from ffenc.plan.sheet import plan_sheet
from ffenc.video.clip import measure_clip
from ffenc.video.output import PendingFile
from ffenc.video.undecodable import check_listed

_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One image.

    Attributes:
        path: the file.
        episode_index: whose pictures they are.
        cameras: of the rows, from above.
        times_s: of the columns, in seconds from the start of the episode.
    """

    path: Path
    episode_index: int
    cameras: tuple[str, ...]
    times_s: tuple[float, ...]


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
    """Write ``episode-000000.png`` and so on.

    Args:
        root: the dataset.
        output: a directory; created if it does not exist.
        episodes: which ones; None is all.
        columns: pictures in a row, evenly from the first frame to the last; fewer if an episode is shorter.
        width: of one picture, in pixels; its height follows from the first camera.
        overwrite: replace images that exist.
        binaries: the executables; found by `find_binaries` if None.
        progress: is called with the number of images done and in all.

    Raises:
        DatasetError: no dataset that can be read, no videos in it, or an episode that is not there.
        InputError: a video is damaged.
        OutputExistsError: an image exists and ``overwrite`` is False.
        OutputError: the file system refused.
    """
    root, output = Path(root), Path(output)
    tools = binaries or find_binaries()
    info = load_info(root)
    rows = load_episodes(root, info, statistics=False)
    chosen = range(len(rows)) if episodes is None else episodes
    if missing := [number for number in chosen if not 0 <= number < len(rows)]:
        raise DatasetError(f"{root} has the episodes 0 to {len(rows) - 1}, not {missing}", path=root)
    if not info.videos:
        raise DatasetError(f"{root} has no videos, so there is nothing to look at", path=root)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"cannot create {output}: {err.strerror}", path=output) from err
    drawer = _Drawer(DatasetLayout.of(root, info), info.fps, columns, width, tools)
    sheets = []
    for done, number in enumerate(chosen, start=1):
        sheets.append(drawer.draw(rows[number], output / f"episode-{number:06d}.png", overwrite=overwrite))
        if progress is not None:
            progress(done, len(chosen))
    return tuple(sheets)


class _Drawer:
    """Draws sheets of one size; a video that many episodes are in is measured once."""

    def __init__(self, layout: DatasetLayout, fps: int, columns: int, width: int, binaries: Binaries) -> None:
        self._layout = layout
        self._fps = fps
        self._columns = columns
        self._width = width
        self._binaries = binaries
        self._measured = functools.lru_cache(maxsize=16)(functools.partial(measure_clip, binaries=binaries))

    def draw(self, episode: EpisodeRow, image: Path, *, overwrite: bool) -> Sheet:
        """Write one image."""
        offsets = np.linspace(0, episode.length - 1, min(self._columns, episode.length)).round().astype(int).tolist()
        rows = [self._row(camera, span, offsets) for camera, span in episode.videos.items()]
        clip = self._measured(rows[0].path)
        height = 2 * round(self._width * clip.display_size[1] / clip.display_size[0] / 2)
        with PendingFile(image, overwrite=overwrite) as pending:
            cell = (self._width, max(2, height))
            argv = plan_sheet(self._binaries.ffmpeg, rows, pending.path, cell=cell)
            check_listed(run_tool(argv, timeout_s=_TIMEOUT_S).stderr, rows)
            pending.commit()
        return Sheet(
            path=image,
            episode_index=episode.episode_index,
            cameras=tuple(episode.videos),
            times_s=tuple(time_of_frame(offset, self._fps) for offset in offsets),
        )

    def _row(self, camera: str, span: VideoSpan, offsets: Sequence[int]) -> ClipFrames:
        path = self._layout.video(camera, span.file)
        clip = self._measured(path)
        if span.to_frame > clip.packets.count:
            raise DatasetError(
                f"{path} has {clip.packets.count} frames, but an episode needs it up to {span.to_frame}; see `ffenc verify`",
                path=path,
            )
        return clip.select(ranges_of([span.from_frame + offset for offset in offsets]))
