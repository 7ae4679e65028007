"""Record a LeRobot dataset that is whole after every episode."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any

import orjson

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.atomic import make_directory
from ffenc.dataset.commit import KEPT, RECORDING, finish_commits
from ffenc.dataset.documents import load_info, save_info
from ffenc.dataset.joining import EpisodeJoiner, EpisodeSummary
from ffenc.dataset.layout import DatasetLayout, DatasetLock
from ffenc.dataset.options import RecorderOptions
from ffenc.dataset.pack import pack_dataset
from ffenc.dataset.recovery import TornEpisode, find_torn, restore
from ffenc.dataset.resuming import settle_encoders
from ffenc.dataset.rows import EpisodeRows, RowLog, check_frame, given_columns
from ffenc.dataset.schema import DatasetInfo, Feature
from ffenc.dataset.swap import finish_swap
from ffenc.errors import DatasetError, EpisodeError, OutputExistsError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.ffmpeg.priority import Priority
from ffenc.frames import FrameFormat
from ffenc.streaming.camera import CameraFormat
from ffenc.streaming.encoder import ENCODER_PRIORITY, StreamingVideoEncoder
from ffenc.streaming.handle import Handle
from ffenc.streaming.ledger import EpisodeRecording, RecordingStatus
from ffenc.streaming.queueing import QueuePolicy
from ffenc.video.output import sync

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

logger = logging.getLogger(__name__)

ROWS, PLAN = "rows.jsonl", "recording.json"
"""Files in the directory of an episode that is being recorded: its rows, and what its cameras are."""


class DatasetRecorder:
    """Adds episodes to a LeRobot v3.0 dataset; made by `create` or `resume`.

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

    Every episode joins the dataset in one commit, in the background; LeRobot can open the dataset at any time and sees whole
    episodes only.  A crash costs what was in the encoders, at most a second, and the rest is found by `resume`.

    As a context manager it finalises when the block ends normally.  When the block raises, saved episodes are completed and
    what was recorded of the open one is kept (`torn`).  One thread uses it; `status` may be called from any.

    Attributes:
        root: the dataset.
        repo_id: its name on a hub; not stored in the dataset.
        torn: what crashes and errors have left of episodes, see `recover`.
    """

    def __init__(
        self,
        root: Path,
        *,
        repo_id: str,
        lock: DatasetLock,
        encoder: StreamingVideoEncoder,
        joiner: EpisodeJoiner,
        configs: Mapping[str, VideoEncoderConfig],
        binaries: Binaries,
        warm_start: bool,
    ) -> None:
        self.root = root
        self.repo_id = repo_id
        self._lock = lock
        self._encoder = encoder
        self._joiner = joiner
        self._configs = configs
        self._binaries = binaries
        self._warm_start = warm_start
        self._cameras = {name: each for name, each in joiner.info.features.items() if each.is_camera}
        self._formats: dict[str, FrameFormat | CameraFormat | None] = {
            name: None if each.is_depth else FrameFormat(width=each.shape[1], height=each.shape[0])
            for name, each in self._cameras.items()
        }
        self._columns = tuple(given_columns(joiner.info))
        self._staging: Path | None = None
        self._rows = EpisodeRows(info=joiner.info)
        self._log: RowLog | None = None
        self._handles: list[Handle[EpisodeSummary]] = []
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._join_in_order, name=f"episodes of {root.name}", daemon=True)
        self._thread.start()
        self._closed = False
        self.torn: tuple[TornEpisode, ...] = find_torn(root, joiner.info)
        for torn in self.torn:
            logger.warning("found what was recorded of an episode: %s; recover() or `ffenc salvage` adds it", torn)
        if warm_start:
            self._begin()

    @classmethod
    def create(
        cls,
        root: str | Path,
        repo_id: str,
        fps: int,
        features: Mapping[str, Feature | Mapping[str, Any]],
        *,
        robot_type: str | None = None,
        use_videos: bool = True,
        chunks_size: int = 1000,
        data_files_size_in_mb: float = 100,
        video_files_size_in_mb: float = 200,
        **options: Unpack[RecorderOptions],
    ) -> DatasetRecorder:
        """Begin a new dataset.

        Args:
            root: its directory; must not exist, or be empty.
            repo_id: its name on a hub.
            fps: frames per second, a whole number.
            features: what a frame holds, as LeRobot describes it: ``dtype`` (a numpy name, ``string``, ``video``, ``image``),
                ``shape`` and ``names``.  A camera is ``(height, width, 3)``; a depth camera ``(height, width, 1)`` with
                ``info={"is_depth_map": True}``.
            robot_type: free text.
            use_videos: False stores the pictures of all cameras as images, as LeRobot does.
            chunks_size: files per directory.
            data_files_size_in_mb: MiB at which `finalize` begins the next data file.
            video_files_size_in_mb: the same for videos.
            **options: see `RecorderOptions`.

        Raises:
            OutputExistsError: there is something at ``root``.
            DatasetError: a feature that no table or video can hold.
            UnsafePathError: a feature whose name would leave the dataset.
            FFencError: this FFmpeg cannot do what was asked for; nothing is left then.
        """
        root = Path(root)
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise OutputExistsError(root)
        documents = {
            name: given.to_json() if isinstance(given, Feature) else dict(given) for name, given in features.items()
        }
        if not use_videos:
            for document in documents.values():
                if document.get("dtype") == "video":
                    document["dtype"] = "image"
        info = DatasetInfo.create(
            fps,
            documents,
            robot_type=robot_type,
            chunks_size=chunks_size,
            data_files_size_in_mb=data_files_size_in_mb,
            video_files_size_in_mb=video_files_size_in_mb,
        )
        is_new = not root.exists()
        make_directory(root)
        try:
            save_info(root, info)
            return cls._open(root, repo_id, options)
        except BaseException:
            shutil.rmtree(root / "meta", ignore_errors=True)
            if is_new and not any(root.iterdir()):
                root.rmdir()
            raise

    @classmethod
    def resume(
        cls,
        root: str | Path,
        *,
        repo_id: str | None = None,
        **options: Unpack[RecorderOptions],
    ) -> DatasetRecorder:
        """Go on with a dataset; what a crash left half done is completed or undone first.

        Args:
            root: the dataset.
            repo_id: its name on a hub; the name of its directory if None.
            **options: see `RecorderOptions`.

        Raises:
            DatasetError: it cannot be read, or its settings are others than those given.
            DatasetLockedError: somebody else is writing into it.
        """
        root = Path(root)
        finish_swap(root)
        load_info(root)
        return cls._open(root, repo_id or root.name, options)

    @classmethod
    def _open(cls, root: Path, repo_id: str, options: RecorderOptions) -> DatasetRecorder:
        binaries = options.get("binaries") or find_binaries()
        allow_mixed = options.get("allow_mixed", False)
        lock = DatasetLock(root)
        lock.acquire()
        try:
            finish_commits(root)
            version = probe_capabilities(binaries.ffmpeg).version.text
            joiner = EpisodeJoiner(root, ffmpeg_version=version, allow_mixed=allow_mixed)
            configs = settle_encoders(
                root,
                joiner.info,
                options.get("camera_encoder"),
                options.get("depth_encoder"),
                allow_mixed=allow_mixed,
                binaries=binaries,
            )
            encoder = StreamingVideoEncoder(
                joiner.info.fps,
                camera_encoder={n: c for n, c in configs.items() if not isinstance(c, DepthEncoderConfig)},
                depth_encoder={n: c for n, c in configs.items() if isinstance(c, DepthEncoderConfig)},
                queue_maxsize=options.get("encoder_queue_maxsize", 30),
                encoder_threads=options.get("encoder_threads"),
                policy=options.get("queue_policy", "block"),
                streaming_encoding=options.get("streaming_encoding", True),
                priority=options.get("priority", ENCODER_PRIORITY),
                on_status=options.get("on_status"),
                binaries=binaries,
            )
            return cls(
                root,
                repo_id=repo_id,
                lock=lock,
                encoder=encoder,
                joiner=joiner,
                configs=configs,
                binaries=binaries,
                warm_start=options.get("warm_start", False),
            )
        except BaseException:
            lock.release()
            raise

    @property
    def info(self) -> DatasetInfo:
        """``meta/info.json``, as of the last episode that joined."""
        return self._joiner.info

    @property
    def num_episodes(self) -> int:
        """Episodes that have joined."""
        return self.info.total_episodes

    @property
    def num_frames(self) -> int:
        """Frames of these episodes."""
        return self.info.total_frames

    @property
    def frames_open(self) -> int:
        """Frames of the open episode."""
        return len(self._rows)

    def status(self) -> RecordingStatus:
        """How far the open episode is; from any thread."""
        return self._encoder.status()

    def add_frame(self, frame: Mapping[str, Any]) -> bool:
        """Add one time step to the open episode.

        Args:
            frame: a value for every feature that is not filled by the recorder, and ``"task"``, a text.  Cameras are
                ``(height, width, 3)`` uint8 RGB; depth is ``(height, width)`` or ``(height, width, 1)``, uint16 millimetres
                or float32 metres.  Everything is copied.

        Returns:
            False if the time step was left out (policy ``drop``): for all cameras and for the table alike.

        Raises:
            FrameError: a key is missing or unknown, or a value has a wrong type, dtype or shape; nothing was taken.
            FFencError: a camera failed, or an earlier episode did and nobody has seen it.
        """
        self._raise_unseen()
        task = check_frame(self.info, frame)
        if self._staging is None:
            self._begin()
        assert self._log is not None
        if self._cameras and not self._encoder.feed_frames({name: frame[name] for name in self._cameras}):
            self._log.add_drop(self._encoder.drops[-1])
            return False
        self._log.add(frame, task, self._columns)
        self._rows.add(frame, task)
        return True

    def save_episode(self, *, wait: bool = False) -> Handle[EpisodeSummary]:
        """End the episode; it is completed and joins the dataset in the background.

        Args:
            wait: return only when it has joined.

        Returns:
            A handle at once; its ``wait()`` gives the `EpisodeSummary` or raises what went wrong.  An error that nobody has
            seen comes out of the next call.  An episode that cannot join is kept aside, never half joined.

        Raises:
            DatasetError: there is no frame to save.
        """
        self._raise_unseen()
        if not self._rows:
            raise DatasetError(f"there is no frame to save in {self.root}; add_frame comes first", path=self.root)
        assert self._staging is not None
        assert self._log is not None
        recorded = self._encoder.finish_episode() if self._cameras else None
        staging, rows, log = self._staging, self._rows, self._log
        handle: Handle[EpisodeSummary] = Handle(f"episode in {staging}")
        self._handles.append(handle)
        self._waiting.put(lambda: handle.run(lambda: self._join(staging, rows, log, recorded)))
        self._forget_open()
        if self._warm_start:
            self._begin()
        if wait:
            handle.wait()
        return handle

    def clear_episode(self) -> None:
        """Throw the open episode away."""
        self._encoder.cancel_episode()
        if self._log is not None:
            self._log.close()
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
        self._forget_open()

    def recover(self, torn: TornEpisode) -> EpisodeSummary:
        """Add what is left of an episode to the dataset: as many frames as all its cameras and its table have.

        Raises:
            EpisodeError: nothing of it can be used; it stays where it is.
        """
        directory, rows, recording = restore(torn, self.info, binaries=self._binaries)
        done: Handle[EpisodeSummary] = Handle(f"episode in {directory}")
        self._waiting.put(lambda: done.run(lambda: self._joiner.join(directory, rows, recording)))
        summary = done.wait()
        self.torn = tuple(each for each in self.torn if each != torn)
        return summary

    def finalize(self, *, pack: bool = True) -> None:
        """Wait for all episodes, pack their files, and give the dataset back.  A second call does nothing.

        Args:
            pack: join the small files of many episodes into large ones, up to the sizes in ``info.json``; without it the
                dataset stays as it is, which LeRobot reads as well.

        Raises:
            DatasetError: frames were added and neither saved nor cleared; nothing has happened.
            FFencError: an error of an episode that nobody has seen; the dataset is whole without it.
        """
        if self._closed:
            return
        if self._rows:
            raise DatasetError(
                f"{len(self._rows)} frames of an episode are not saved; call save_episode() or clear_episode() first",
                path=self.root,
            )
        self.clear_episode()
        self._end_background()
        try:
            self._encoder.close()
            self._raise_unseen()
            if pack:
                pack_dataset(self.root, binaries=self._binaries)
        finally:
            self._closed = True
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None and not self._rows:
            self.finalize()
            return
        self._abandon()
        if exc_type is None:
            raise DatasetError(
                f"an episode was neither saved nor cleared; what was recorded of it is kept in {self.root}/meta/ffenc/{KEPT} "
                "(recover() or `ffenc salvage` adds it)",
                path=self.root,
            )

    def _begin(self) -> None:
        recording = DatasetLayout(root=self.root).own / RECORDING
        staging = recording / f"{self.num_episodes + self._unfinished():06d}-{os.urandom(4).hex()}"
        make_directory(staging)
        plan = {name: config.model_dump(mode="json", exclude_unset=True) for name, config in self._configs.items()}
        (staging / PLAN).write_bytes(orjson.dumps({"cameras": plan}))
        self._log = RowLog(staging / ROWS)
        self._staging = staging
        if self._cameras:
            self._encoder.start_episode(
                self._formats,
                staging,
                depth_cameras=[name for name, each in self._cameras.items() if each.is_depth],
                image_cameras=[name for name, each in self._cameras.items() if not each.is_video],
            )

    def _unfinished(self) -> int:
        return sum(not handle.done() for handle in self._handles)

    def _forget_open(self) -> None:
        self._staging, self._log = None, None
        self._rows = EpisodeRows(info=self.info)

    def _raise_unseen(self) -> None:
        if self._closed:
            raise DatasetError(f"the recorder of {self.root} is closed; use DatasetRecorder.resume", path=self.root)
        while self._handles and self._handles[0].done():
            error = self._handles.pop(0).unseen_error()
            if error is not None:
                raise error

    def _join_in_order(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()

    def _join(
        self, staging: Path, rows: EpisodeRows, log: RowLog, recorded: Handle[EpisodeRecording] | None
    ) -> EpisodeSummary:
        log.close()
        try:
            return self._joiner.join(staging, rows, None if recorded is None else recorded.wait())
        except Exception as err:
            kept = self._keep(staging, err)
            raise EpisodeError(
                f"an episode of {len(rows)} frames did not join {self.root}; what was recorded of it is kept in {kept} "
                f"(recover() or `ffenc salvage` adds what can be used): {err}",
                episode_index=self.num_episodes,
                path=self.root,
                kept=kept,
            ) from err

    def _keep(self, staging: Path, why: BaseException | None) -> Path:
        kept = staging.parent.parent / KEPT / staging.name
        make_directory(kept.parent)
        (staging / "reason.txt").write_text(str(why or "it was not saved") + "\n", encoding="utf-8")
        staging.rename(kept)
        sync(kept.parent)
        return kept

    def _abandon(self) -> None:
        """Complete what was saved, keep what was not, and give the dataset back."""
        if self._closed:
            return
        self._closed = True
        staging, log, has_rows = self._staging, self._log, bool(self._rows)
        try:
            if has_rows and self._cameras:
                self._encoder.finish_episode().settle()
            self._encoder.cancel_episode()
            self._end_background()
            if log is not None:
                log.close()
            if staging is not None and has_rows:
                logger.warning("an episode was not saved; what was recorded of it is kept in %s", self._keep(staging, None))
            elif staging is not None:
                shutil.rmtree(staging, ignore_errors=True)
            for handle in self._handles:
                if (error := handle.unseen_error()) is not None:
                    logger.error("%s", error)
        finally:
            self._lock.release()

    def _end_background(self) -> None:
        self._waiting.put(None)
        self._thread.join()
