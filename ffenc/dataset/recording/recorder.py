"""Record a LeRobot dataset that is complete after every episode."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ffenc.dataset.format.documents import load_info, save_info
from ffenc.dataset.format.schema import DatasetInfo, Feature, check_recordable
from ffenc.dataset.recording.append_episode import EpisodeAppender, EpisodeSummary
from ffenc.dataset.recording.append_queue import EpisodeQueue
from ffenc.dataset.recording.commit import finish_commits
from ffenc.dataset.recording.open_episode import EpisodeStart, OpenEpisode
from ffenc.dataset.recording.options import (
    RecorderOptions,
    has_formats,
    prepare_cameras,
    start_cameras,
    streaming_encoder,
)
from ffenc.dataset.recording.recover_episode import InterruptedEpisode, find_interrupted, remove_useless, restore
from ffenc.dataset.recording.resume_settings import settle_encoders
from ffenc.dataset.recording.rows import Capture, check_frame
from ffenc.dataset.storage.dataset_tree import check_tree, resolve_root
from ffenc.dataset.storage.local_root import check_local
from ffenc.dataset.storage.lock import DatasetLock
from ffenc.dataset.storage.new_directory import check_empty, new_dataset
from ffenc.dataset.storage.swap_directory import clear_siblings, restore_missing, why_not_replaceable
from ffenc.dataset.transform.pack import pack_dataset
from ffenc.errors import DatasetError, EpisodeError, FrameError, RecordingError, ThreadStartError, is_disk_full
from ffenc.ffmpeg.binaries import find_binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.ffmpeg.process.uninterrupted import make_uninterrupted
from ffenc.frame_rate import FrameRate, whole_frame_rate
from ffenc.owner import Owner
from ffenc.streaming.drop_log import RecordingStatus
from ffenc.streaming.pending_result import PendingResult
from ffenc.video.clip import MeasuredClip
from ffenc.video.reader import VideoReader

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

logger = logging.getLogger(__name__)


class DatasetRecorder:
    """Appends episodes to a LeRobot v3.0 dataset.  Make one with `create` or `resume`.

    Example::

        features = {
            "observation.state": {"dtype": "float32", "shape": (6,), "names": None},
            "observation.images.laptop": {"dtype": "video", "shape": (480, 640, 3), "names": ["height", "width", "channels"]},
        }
        with DatasetRecorder.create("pick", repo_id="me/pick", fps=30, features=features) as recorder:
            for _ in range(10):
                for state, image in robot:
                    recorder.add_frame({"observation.state": state, "observation.images.laptop": image, "task": "pick it up"})
                recorder.save_episode()

    Every episode is appended in one commit, in the background.  LeRobot can open the dataset at any time and sees complete
    episodes only.  A crash loses what was in the encoders, at most a second; `resume` finds the rest.

    As a context manager, it finalizes when the block ends normally.  When the block raises, saved episodes are completed and
    the open one is kept (see `interrupted`).  Use it from one thread; `status` may be called from any.

    Attributes:
        root: the dataset.
        repo_id: its name on a hub; not stored in the dataset.
        interrupted: episodes that a crash or an error interrupted, see `recover`.
    """

    def __init__(
        self, root: Path, repo_id: str, options: RecorderOptions, lock: DatasetLock, *, follow_links: bool = False
    ) -> None:
        self.root = root
        self.repo_id = repo_id
        self._lock = lock
        self._identity = lock.identity
        self._binaries = options.get("binaries") or find_binaries()
        self._warm_start = options.get("warm_start", False)
        self._follow_links = follow_links
        allow_mixed = options.get("allow_mixed", False)
        self._appender = EpisodeAppender(
            root,
            ffmpeg_version=probe_capabilities(self._binaries.ffmpeg).version.text,
            allow_mixed=allow_mixed,
            identity=self._identity,
            info_layout=options.get("info_layout"),
        )
        for name, feature in self.info.features.items():
            check_recordable(name, feature)
        self._configs = settle_encoders(
            root,
            self.info,
            options.get("camera_encoder"),
            options.get("depth_encoder"),
            allow_mixed=allow_mixed,
            binaries=self._binaries,
        )
        self._encoder = streaming_encoder(self.info, self._configs, options, binaries=self._binaries)
        self._cameras = tuple(name for name, feature in self.info.features.items() if feature.is_camera)
        self._open_episode: OpenEpisode | None = None
        self._next: EpisodeStart | None = None  # the episode after the open one, if it is started already
        self._copies: dict[str, MeasuredClip] = {}  # of the next episode
        self._queue = EpisodeQueue(self._appender, self._identity)
        self._owner = Owner()
        self._closed = False
        self.interrupted: tuple[InterruptedEpisode, ...] = find_interrupted(root, self.info)
        for each in self.interrupted:
            logger.warning("found an interrupted episode: %s; recover() or `ffenc salvage` appends it", each)
        if self._warm_start:
            self._begin()
        else:
            prepare_cameras(self._encoder, self.info)
            self._start_first()

    @classmethod
    def create(
        cls,
        root: str | Path,
        repo_id: str,
        fps: FrameRate,
        features: Mapping[str, Feature | Mapping[str, Any]],
        *,
        robot_type: str | None = None,
        use_videos: bool = True,
        chunks_size: int = 1000,
        data_files_size_in_mb: float = 100,
        video_files_size_in_mb: float = 200,
        **options: Unpack[RecorderOptions],
    ) -> DatasetRecorder:
        """Create a dataset.

        Args:
            root: directory of the dataset; must not exist, or be empty.
            repo_id: its name on a hub.
            fps: frames per second, a whole number (also as a float).
            features: features of a frame as in LeRobot: ``dtype`` (a numpy name, ``string``, ``video``, ``image``), ``shape``
                and ``names``.  A camera is ``(height, width, 3)``; a depth camera is ``(height, width, 1)`` with
                ``info={"is_depth_map": True}``.
            robot_type: free text.
            use_videos: False stores the frames of all cameras as images, as LeRobot does.
            chunks_size: files per directory.
            data_files_size_in_mb: size in MiB at which `finalize` begins the next data file.
            video_files_size_in_mb: size in MiB at which `finalize` begins the next video.
            **options: see `RecorderOptions`.

        Raises:
            OutputExistsError: ``root`` exists and is not empty.
            DatasetError: no table or video can hold a feature.
            UnsafePathError: the name of a feature would leave the dataset.
            FFencError: this FFmpeg cannot encode as requested; nothing is left.
        """
        check_local(root, written=True)
        root = resolve_root(root)
        restore_missing(root)
        check_empty(root)
        documents = {
            name: given.to_json() if isinstance(given, Feature) else dict(given) for name, given in features.items()
        }
        if not use_videos:
            for document in documents.values():
                if document.get("dtype") == "video":
                    document["dtype"] = "image"
        info = DatasetInfo.create(
            whole_frame_rate(fps),
            documents,
            robot_type=robot_type,
            chunks_size=chunks_size,
            data_files_size_in_mb=data_files_size_in_mb,
            video_files_size_in_mb=video_files_size_in_mb,
        )
        with new_dataset(root) as lock:
            save_info(root, info)
            return cls(root, repo_id, options, lock)

    @classmethod
    def resume(
        cls,
        root: str | Path,
        *,
        repo_id: str | None = None,
        follow_links: bool = False,
        **options: Unpack[RecorderOptions],
    ) -> DatasetRecorder:
        """Open a dataset to append episodes; first complete or undo what a crash interrupted.

        Args:
            root: the dataset.
            repo_id: its name on a hub; None uses the name of its directory.
            follow_links: read through linked files in the dataset.  Nothing is written through a link.
            **options: see `RecorderOptions`.

        Raises:
            DatasetError: it cannot be read, or the given settings differ from its own.
            DatasetLockedError: another process writes it.
        """
        given, root = Path(root), resolve_root(root)
        restore_missing(root)
        load_info(root)
        lock = DatasetLock(root)
        try:
            lock.acquire()
            clear_siblings(root)
            check_tree(root, follow_links=follow_links, written=True)
            finish_commits(root)
            remove_useless(root)
            return cls(root, repo_id or given.name, options, lock, follow_links=follow_links)
        except BaseException:
            lock.release()
            raise

    @property
    def info(self) -> DatasetInfo:
        """``meta/info.json`` as of the last appended episode."""
        return self._appender.info

    @property
    def num_episodes(self) -> int:
        """Number of appended episodes."""
        return self.info.total_episodes

    @property
    def num_frames(self) -> int:
        """Number of frames in the appended episodes."""
        return self.info.total_frames

    @property
    def frames_open(self) -> int:
        """Number of frames in the open episode."""
        episode = self._open_episode
        if episode is None or episode.ending is not None:
            return 0
        self._encoder.complete_step()
        return len(episode)

    def status(self) -> RecordingStatus:
        """Return the progress of the open episode; call it from any thread."""
        return self._encoder.status()

    def copy_clips(self, clips: Mapping[str, VideoReader]) -> None:
        """Copy the videos of these cameras from clips in the next episode, instead of encoding their frames.

        All frames of the clips have to be added too, for rows and statistics.  ``info.json`` then has null for the encoder
        settings of these cameras, which are unknown.  Saving the episode fails if the number of frames differs, frame k of a
        clip is not at k/fps, or a clip has another codec, pixel format or size than the camera's other videos.

        Args:
            clips: readers of the clips, by feature name.

        Raises:
            DatasetError: an episode is open.
        """
        self._prepare()
        if self.frames_open:
            raise DatasetError(f"an episode of {self.root} is open; copy clips before its first frame", path=self.root)
        self.clear_episode()
        self._copies = {name: reader.clip for name, reader in clips.items()}

    def add_frame(
        self, frame: Mapping[str, Any], *, captured_ms: Mapping[str, int] | None = None, repeated: Sequence[str] = ()
    ) -> bool:
        """Add one time step to the open episode.

        Args:
            frame: a value for every feature except those that the recorder fills, and ``"task"``, a text.  Cameras are
                ``(height, width, 3)`` uint8 RGB; depth is ``(height, width)`` or ``(height, width, 1)``, uint16 millimetres
                or float32 metres.  Everything is copied.
            captured_ms: capture time of the frame of each camera, in milliseconds from any origin that is common to all.
                ``meta/ffenc/episodes.jsonl`` keeps these times if all steps of an episode have them.
            repeated: with ``captured_ms``, the cameras that had no new frame; ``verify`` explains frozen frames with them.

        Returns:
            False if the time step was dropped (policy ``drop``), for all cameras and the table.

        Raises:
            FrameError: a key is missing or unknown, or a value has a wrong type, dtype or shape; nothing was taken.
            OutputError: the row could not be written, e.g. on a full disk; nothing was taken, and the episode continues.
            DatasetMovedError: the dataset was moved, deleted or replaced since the last episode.
            NotOwnerError: this process was forked from the one that records.
            FFencError: a camera failed, or an earlier episode failed and its error was not raised yet.

        After any exception, even a ``KeyboardInterrupt``, the step is either taken or not, for all cameras and the table.
        `frames_open` says which.
        """
        self._prepare()
        task = check_frame(self.info, frame)
        capture = self._capture(captured_ms, repeated)
        episode = self._begin() if self._open_episode is None else self._open_episode
        episode.stage(frame, task, capture)
        if self._cameras:
            return self._encoder.feed_frames({name: frame[name] for name in self._cameras})
        episode.write(len(episode))
        episode.take()
        return True

    def save_episode(self, *, wait: bool = False) -> PendingResult[EpisodeSummary]:
        """End the episode; it is completed and appended to the dataset in the background.

        Args:
            wait: return only after it was appended.

        Returns:
            The pending result, at once.  Its ``wait()`` returns the `EpisodeSummary` or raises the error.  If ``wait()`` is not
            called, the next call of the recorder raises the error.  An episode that cannot be appended is kept aside.

        Raises:
            DatasetError: the episode has no frame.
        """
        episode = self._open_episode
        self._prepare()  # completes an interrupted save
        self._encoder.complete_step()
        if episode is None or not len(episode) or episode.ending == "cleared":
            raise DatasetError(
                f"the open episode of {self.root} has no frame to save; call add_frame first", path=self.root
            )
        episode.ending = "saved"
        self._complete_ending()
        if wait:
            episode.appended.wait()
        return episode.appended

    def clear_episode(self) -> None:
        """Discard the open episode."""
        self._owner.check(self)
        if self._open_episode is not None and self._open_episode.ending is None:
            self._open_episode.ending = "cleared"
        self._complete_ending()
        self._discard_next()

    def recover(self, interrupted: InterruptedEpisode) -> EpisodeSummary:
        """Append an interrupted episode, with the frames that all its cameras and its table have.

        Raises:
            EpisodeError: it has no such frame; it is unchanged.
        """
        self._prepare()
        directory, rows, recording = restore(interrupted, self.info, configs=self._configs, binaries=self._binaries)
        summary = self._queue.add_restored(directory, rows, recording).wait()
        self.interrupted = tuple(each for each in self.interrupted if each != interrupted)
        return summary

    def finalize(self, *, pack: bool = True) -> None:
        """Wait for all episodes, pack their files, and release the dataset.  A second call does nothing.

        Args:
            pack: concatenate the small files of many episodes into large ones, up to the sizes in ``info.json``.  LeRobot
                also reads a dataset that is not packed.

        Raises:
            DatasetError: frames were added and neither saved nor cleared; nothing has happened.
            FFencError: an episode failed and its error was not raised yet; the dataset is complete without it.
        """
        self._owner.check(self)
        if self._closed:
            return
        self._complete_ending()
        if self.frames_open:
            raise DatasetError(
                f"{self.frames_open} frames of an episode are not saved; call save_episode() or clear_episode() first",
                path=self.root,
            )
        self.clear_episode()
        self._queue.end()
        try:
            self._encoder.close()
            self._queue.raise_unseen()
            self._identity.check()
            if pack and (why := why_not_replaceable(self.root)):
                logger.warning("the small files of the episodes are not packed: %s", why)
            elif pack:
                pack_dataset(self.root, lock=self._lock, follow_links=self._follow_links, binaries=self._binaries)
        finally:
            self._closed = True
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._owner.is_here:
            return  # a forked child leaves the block; the recorder belongs to its parent
        self._complete_ending()
        if exc_type is None and not self.frames_open:
            self.finalize()
            return
        self._abandon(exc)
        if exc_type is None:
            raise DatasetError(
                f"an episode of {self.root} was neither saved nor cleared; its recording is kept (recover() or `ffenc salvage` "
                "appends it)",
                path=self.root,
            )

    def __repr__(self) -> str:
        return f"<DatasetRecorder {self.root}>"

    def _capture(self, captured_ms: Mapping[str, int] | None, repeated: Sequence[str]) -> Capture | None:
        if captured_ms is None and not repeated:
            return None
        times_ms, cameras = dict(captured_ms or {}), set(self._cameras)
        if times_ms.keys() == cameras and cameras.issuperset(repeated):
            return Capture(times_ms=times_ms, repeated=tuple(repeated))
        seen, expected = ", ".join([*times_ms, *repeated]), ", ".join(self._cameras)
        raise FrameError(
            f"captured_ms and repeated name {seen}; captured_ms needs each camera of the dataset ({expected}), and repeated no "
            "other; nothing of this frame was taken",
            expected=expected,
            seen=seen,
        )

    def _begin(self) -> OpenEpisode:
        """Start an episode, or open the one that was started beside the loop; an interrupt discards it or leaves it there."""
        if self._next is None:
            self._open_episode = episode = make_uninterrupted(self._started_episode, self._discard)
            return episode
        try:
            episode = self._next.wait()
        except Exception:
            self._next = None
            raise
        self._identity.check()
        self._open_episode, self._next = episode, None
        return episode

    def _start_first(self) -> None:
        """Prepare the first episode, so that its first frame takes no longer than others; `add_frame` raises an error of it."""
        if not has_formats(self.info):
            return
        self._next = EpisodeStart(self._started_episode)
        try:
            with suppress(ThreadStartError):
                self._next.settle()
        except BaseException:
            self._discard_next()
            raise

    def _discard_next(self) -> None:
        """Discard the episode that was started beside the loop."""
        if self._next is not None:
            with suppress(Exception):  # an error of an episode that is not needed
                self._discard(self._next.wait())
            self._next = None

    def _started_episode(self) -> OpenEpisode:
        self._identity.check()
        self._encoder.cancel_episode()  # an interrupt may have left one without an owner
        number = self.num_episodes + self._queue.unfinished
        episode = OpenEpisode(self.root, self.info, self._configs, number=number)
        try:
            if self._cameras:
                episode.recorded = start_cameras(
                    self._encoder,
                    self.info,
                    episode.directory.path,
                    episode,
                    copies=self._copies,
                    warm=self._warm_start,
                )
        except BaseException:
            episode.discard(remove=self._identity.is_here)
            raise
        return episode

    def _discard(self, episode: OpenEpisode) -> None:
        if self._open_episode is not episode:
            self._encoder.cancel_episode()
            episode.discard(remove=self._identity.is_here)

    def _complete_ending(self) -> None:
        """Save or clear the open episode if that was decided; complete it if an interrupt cut it short."""
        episode = self._open_episode
        if episode is None or episode.ending is None:
            return
        if episode.ending == "saved":
            if self._encoder.is_recording:
                self._encoder.finish_episode()
            self._queue.add(episode)
            can_follow = not self._copies and has_formats(self.info)
            following = EpisodeStart(self._started_episode) if can_follow else None
        else:
            self._encoder.cancel_episode()
            episode.discard(remove=self._identity.is_here)
            following = None
        self._open_episode, self._copies, self._next = None, {}, following
        if following is not None:
            with suppress(ThreadStartError):  # raised when the episode is needed
                following.start()

    def _prepare(self) -> None:
        """Complete an interrupted ending, and raise errors that were not raised yet."""
        self._owner.check(self)
        if self._closed:
            raise DatasetError(f"the recorder of {self.root} is closed; use DatasetRecorder.resume", path=self.root)
        self._complete_ending()
        self._queue.raise_unseen()

    def _abandon(self, error: BaseException | None) -> None:
        """Complete saved episodes, keep the open one aside, and release the dataset.

        Args:
            error: what ended the recording.  If it names the directory of the episode, it gets the new path.
        """
        if self._closed:
            return
        self._closed = True
        episode = self._open_episode
        try:
            if self.frames_open and self._encoder.is_recording:
                self._encoder.finish_episode().settle()
            self._discard_next()
            self._encoder.cancel_episode()
            self._queue.end()
            if episode is not None and len(episode):
                episode.close()
                why = error if error is not None and is_disk_full(error) else "it was not saved"
                kept = self._queue.kept(episode, why)
                logger.warning("%s", kept)
                if isinstance(error, RecordingError) and isinstance(kept, EpisodeError) and kept.kept is not None:
                    error.follow(episode.directory.path, kept.kept)
            elif episode is not None:
                episode.discard(remove=self._identity.is_here)
            self._queue.log_unseen()
        finally:
            self._lock.release()
