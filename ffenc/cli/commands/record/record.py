"""``ffenc record``: record a LeRobot dataset from live cameras, with the flags of ``lerobot-record``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from ffenc.cli.commands.record.camera_encoders import camera_configs
from ffenc.cli.commands.record.cameras import CameraSettings, OpenCameras, parse_cameras
from ffenc.cli.commands.record.failures import camera_failure, encoder_failure
from ffenc.cli.commands.record.flags import DEFAULT_FPS, RECORD_CAMERA_GROUPS, RECORD_DEPTH_GROUPS
from ffenc.cli.commands.record.live_view import LiveView
from ffenc.cli.commands.record.report import show_session
from ffenc.cli.commands.record.resumed import check_features, check_rate
from ffenc.cli.commands.record.session import SessionPlan, SessionResult, run_session
from ffenc.cli.output.results import count_text
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    UsageError,
    binaries_of,
)
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.recording.options import RecorderOptions
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.storage.dataset_tree import resolve_root
from ffenc.dataset.storage.lock import DatasetLock
from ffenc.dataset.storage.swap_directory import restore_missing
from ffenc.errors import DatasetError, DatasetMovedError, ErrorGroup, OutputExistsError, RecordingError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video.live_camera import LiveCamera

_SLOW = 0.9  # a camera below this share of the dataset's rate is reported


def run(arguments: Namespace, screen: Screen) -> None:
    """Record, and print the contents of the dataset."""
    if arguments.follow_links and not arguments.resume:
        raise UsageError("--follow_links is for an existing dataset; give --resume=true, or omit it")
    cameras = parse_cameras(_cameras_given(arguments))
    dataset = arguments.dataset
    if not dataset.single_task:
        raise UsageError("--dataset.single_task is missing; describe the task, e.g. 'Grab the cube'")
    root = dataset_root(dataset.repo_id, dataset.root)
    configs = _configs(arguments, cameras)
    binaries = binaries_of(arguments)
    info = _check_root(root, resume=arguments.resume)
    if info is not None:
        check_rate(info, root, dataset.fps)
    plan = _plan(arguments, info)
    if dataset.wait_s and dataset.queue_policy == "block":
        raise UsageError(
            f"--dataset.wait_s={dataset.wait_s:g} has no effect with --dataset.queue_policy=block, which waits without a limit; "
            "omit it, or choose drop or raise"
        )
    screen.note(f"opening {len(cameras)} camera{'s' * (len(cameras) > 1)}: {', '.join(cameras)}")
    with OpenCameras(cameras, binaries, note=screen.note) as live:
        try:
            result = _record(arguments, root, info, live, plan, configs, binaries, screen)
        except (RecordingError, ErrorGroup) as err:
            raise encoder_failure(err, root) from err
    if result.failure is None or screen.as_json:
        # After SIGHUP the terminal may be closed, which is not a failure.
        with nullcontext() if result.ended_by is None else suppress(OSError):
            show_session(screen, root, dataset.repo_id, plan, result)
    if result.failure is not None:
        raise camera_failure(result.failure, result, root, dataset.repo_id) from result.failure
    if result.ended_by is not None:
        raise SystemExit(128 + result.ended_by)
    if result.discarded:
        raise KeyboardInterrupt


def _plan(arguments: Namespace, info: DatasetInfo | None) -> SessionPlan:
    dataset = arguments.dataset
    if dataset.episode_time_s <= 0:
        raise UsageError("--dataset.episode_time_s must be above 0")
    return SessionPlan(
        episodes=dataset.num_episodes,
        episode_s=dataset.episode_time_s,
        reset_s=dataset.reset_time_s,
        fps=Fraction((dataset.fps or DEFAULT_FPS) if info is None else info.fps),
        task=dataset.single_task,
        on_stale=arguments.on_stale,
        stale_after_s=arguments.stale_after_s,
        keys=arguments["keys"],
    )


def _check_root(root: Path, *, resume: bool) -> DatasetInfo | None:
    """Refuse the folder of the dataset before cameras are opened, and return the document of a dataset to resume.

    Raises:
        OutputExistsError: a new dataset needs an empty folder.
        DatasetError: the folder to resume is not a dataset of this format.
    """
    if resume:
        restore_missing(resolve_root(root))
        return load_info(root)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise OutputExistsError(
            root, "add episodes to it with --resume=true, or name another folder with --dataset.root"
        )
    return None


def _record(
    arguments: Namespace,
    root: Path,
    info: DatasetInfo | None,
    cameras: OpenCameras,
    plan: SessionPlan,
    configs: RecorderOptions,
    binaries: Binaries,
    screen: Screen,
) -> SessionResult:
    dataset = arguments.dataset
    options: RecorderOptions = {
        **configs,
        "streaming_encoding": dataset.streaming_encoding,
        "encoder_threads": dataset.encoder_threads,
        "encoder_queue_maxsize": dataset.encoder_queue_maxsize,
        "queue_policy": dataset.queue_policy,
        "wait_s": dataset.wait_s,
        "info_layout": dataset.info_layout,
        # The first tick of an episode must not wait for encoders to start.
        "warm_start": True,
        "binaries": binaries,
    }
    is_video = dataset.video is not False
    features = {name: camera_feature(camera, is_video=is_video) for name, camera in cameras.items()}
    if info is not None:
        check_features(info, root, features, is_video=dataset.video)
        recorder = DatasetRecorder.resume(root, repo_id=dataset.repo_id, follow_links=arguments.follow_links, **options)
    else:
        recorder = DatasetRecorder.create(root, dataset.repo_id, plan.fps, features, use_videos=is_video, **options)
    try:
        with recorder:
            _warn_of_slow_cameras(cameras, float(plan.fps), screen)
            screen.note(f"recording {count_text(plan.episodes, 'episode')} of {plan.episode_s:g} s into {root}")
            with LiveView(screen, cameras, wanted=arguments.display_data) as view:
                result = run_session(recorder, cameras, plan, view, screen)
                if result.ended_by is None:
                    view.show("completing the dataset")
                recorder.finalize()
    except DatasetMovedError:
        raise  # another dataset may be in its place
    except BaseException:
        if not arguments.resume:
            _remove_if_empty(root)
        raise
    if not arguments.resume:
        _remove_if_empty(root)
    return result


def _warn_of_slow_cameras(cameras: OpenCameras, fps: float, screen: Screen) -> None:
    for name, rate in cameras.rates().items():
        if rate < _SLOW * fps:
            screen.note(
                f"warning: camera {cameras[name].name} sends {rate:.1f} frames per second, and the dataset has {fps:g}; "
                f"{1 - rate / fps:.0%} of its frames will be repeated"
            )


def _remove_if_empty(root: Path) -> None:
    """Remove a new dataset without episodes, which cannot be opened, unless another process writes into it."""
    own = root / "meta" / "ffenc"
    with suppress(DatasetError), DatasetLock(root):
        kept = any(any((own / name).glob("*")) for name in ("recording", "kept"))
        if not kept and not any(root.rglob("*.parquet")):
            shutil.rmtree(root)


def camera_feature(camera: LiveCamera, *, is_video: bool) -> dict[str, Any]:
    """Return the feature of a camera in ``info.json``."""
    form = camera.format
    is_depth = form.layout == "gray16"
    feature: dict[str, Any] = {
        "dtype": "video" if is_video else "image",
        "shape": (form.height, form.width, 1 if is_depth else 3),
        "names": ["height", "width", "channels"],
    }
    return {**feature, "info": {"is_depth_map": True}} if is_depth else feature


def dataset_root(repo_id: str | None, root: Path | None) -> Path:
    """Return the folder of the dataset: ``root``, or where LeRobot looks for it.

    LeRobot (``utils/constants.py``) uses ``HF_LEROBOT_HOME``, or ``lerobot`` in ``HF_HOME``.

    Raises:
        UsageError: the name is missing.
    """
    if not repo_id:
        raise UsageError("--dataset.repo_id is missing; name the dataset, e.g. me/cubes")
    if root is not None:
        return root
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    hub = Path(os.environ.get("HF_HOME") or cache / "huggingface").expanduser()
    return Path(os.environ.get("HF_LEROBOT_HOME") or hub / "lerobot").expanduser() / repo_id


def _cameras_given(arguments: Namespace) -> object:
    of_robot = arguments.get("robot.cameras")
    if arguments.cameras is not None and of_robot is not None:
        raise UsageError("--cameras and --robot.cameras are the same setting; give one of them")
    return of_robot if arguments.cameras is None else arguments.cameras


def _configs(arguments: Namespace, cameras: Mapping[str, CameraSettings]) -> RecorderOptions:
    """Return the encoder configs that flags and cameras give; without them, a resumed dataset keeps its own."""
    colour = {name: each for name, each in cameras.items() if not each.depth}
    depth = {name: each for name, each in cameras.items() if each.depth}
    configs: RecorderOptions = {}
    if given := camera_configs(arguments, colour, RECORD_CAMERA_GROUPS, VideoEncoderConfig, others=depth):
        configs["camera_encoder"] = given
    if given_depth := camera_configs(arguments, depth, RECORD_DEPTH_GROUPS, DepthEncoderConfig, others=colour):
        configs["depth_encoder"] = given_depth
    if arguments.dataset.video is False and any(isinstance(each, dict) for each in (given, given_depth)):
        raise UsageError(
            "--dataset.video=false stores images, which have no encoder; leave out the settings of cameras"
        )
    return configs
