"""Plan the re-encoding of a dataset: check the settings and create one job per video file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffenc.config import QUANTIZER_FIELDS, DepthEncoderConfig, PerCamera, VideoEncoderConfig
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.format.schema import Feature
from ffenc.dataset.format.video_info import encoder_config_from_info
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import DatasetError
from ffenc.jobs.spec import JobSpec
from ffenc.plan.frame_stride import FrameStride


@dataclass(frozen=True, slots=True, kw_only=True)
class ReencodePlan:
    """The checked plan of a re-encoding.

    Attributes:
        source: the dataset.
        configs: settings of each camera that is re-encoded.
        files: camera and file number of each job.
        specs: the jobs, which are independent of each other.
        size: (width, height) of the new frames; None keeps the size.
        every: keep every n-th frame.
        keep_depth: depth must be bit-exact after re-encoding.
    """

    source: DatasetSource
    configs: Mapping[str, VideoEncoderConfig]
    files: tuple[tuple[str, FileId], ...]
    specs: tuple[JobSpec, ...]
    size: tuple[int, int] | None
    every: int
    keep_depth: bool

    @property
    def changes_frames(self) -> bool:
        """Return True if frames are dropped or resized, which makes recorded statistics invalid."""
        return self.every > 1 or self.size is not None


def plan_reencode_dataset(
    root: str | Path,
    work: str | Path,
    *,
    camera_encoder: PerCamera[VideoEncoderConfig] | None = None,
    depth_encoder: PerCamera[VideoEncoderConfig] | None = None,
    cameras: Collection[str] | None = None,
    keep_depth: bool = True,
    resize: tuple[int, int] | None = None,
    fps: int | None = None,
    encoder_threads: int | None = None,
    follow_links: bool = False,
) -> ReencodePlan:
    """Plan `reencode_dataset`, whose arguments it takes; the jobs write into the directory ``work``.

    Raises:
        DatasetError: see `reencode_dataset`.
    """
    source = DatasetSource.open(root, follow_links=follow_links)
    changed = resize is not None or fps is not None
    every = _every(source, fps)
    configs = {
        key: config
        for key, feature in source.info.videos.items()
        if (cameras is None or key in cameras)
        and (config := _config(key, feature, depth_encoder if feature.is_depth else camera_encoder, needed=changed))
    }
    _check_cameras(source, configs, cameras, camera_encoder, depth_encoder, strided=every > 1)
    spans = source.spans()
    files, specs = [], []
    for key, config in configs.items():
        for file in source.videos[key]:
            path = source.layout.video(key, file)
            stride = FrameStride(every=every, ranges=tuple(spans[key, file])) if every > 1 else None
            # Episodes start at keyframes, so that they can be cut by stream copy later.
            starts = [first for first, _ in spans[key, file]] if stride is None else stride.starts
            given: dict[str, Any] = {
                "size": resize,
                "thinning": stride,
                "key_frames": [frame for frame in starts if frame > 0] or None,
                "encoder_threads": encoder_threads,
            }
            spec = JobSpec.of(
                "reencode",
                [path],
                Path(work) / key / f"{file.chunk:03d}-{file.file:03d}{path.suffix}",
                frames_expected=None if stride is None else stride.count,
                config=config,
                **{name: value for name, value in given.items() if value is not None},
            )
            files.append((key, file))
            specs.append(spec)
    return ReencodePlan(
        source=source,
        configs=configs,
        files=tuple(files),
        specs=tuple(specs),
        size=resize,
        every=every,
        keep_depth=keep_depth,
    )


def _every(source: DatasetSource, fps: int | None) -> int:
    before = source.info.fps
    if fps is None or fps == before:
        return 1
    if fps < 1 or before % fps:
        raise DatasetError(
            f"{source.root} has {before} frames per second, which is not a multiple of fps={fps} (--fps); choose a divisor of "
            f"{before}, because frames are dropped and never interpolated",
            path=source.root,
        )
    return before // fps


def _config(
    key: str, feature: Feature, given: PerCamera[VideoEncoderConfig] | None, *, needed: bool
) -> VideoEncoderConfig | None:
    """Return the settings for one camera, or None if it is not re-encoded.

    Raises:
        DatasetError: the stored settings are needed but not valid, or the given ones have another quantizer.
    """
    config = given.get(key) if isinstance(given, Mapping) else given
    try:
        stored = encoder_config_from_info(feature.info or {})
    except ValidationError as err:
        if config is None and needed:
            raise DatasetError(f"the settings of {key} in info.json are not valid ({err}); pass your own") from err
        stored = None
    if config is None:
        return stored if needed else None
    if feature.is_depth != isinstance(config, DepthEncoderConfig):
        kind, wanted = ("depth", "DepthEncoderConfig") if feature.is_depth else ("colour", "VideoEncoderConfig")
        raise DatasetError(f"{key} is a {kind} camera and needs a {wanted}")
    if isinstance(config, DepthEncoderConfig) and isinstance(stored, DepthEncoderConfig):
        other = [
            name
            for name in QUANTIZER_FIELDS
            if config.was_given(name) and getattr(config, name) != getattr(stored, name)
        ]
        if other or config.quantizes != stored.quantizes:
            raise DatasetError(
                f"{key} was quantized with {', '.join(f'{n}={getattr(stored, n)}' for n in other or ['pix_fmt'])}; "
                "re-encoding cannot change the quantizer, so leave its settings out"
            )
        return config.model_copy(update={name: getattr(stored, name) for name in QUANTIZER_FIELDS})
    return config


def _check_cameras(
    source: DatasetSource,
    configs: Mapping[str, VideoEncoderConfig],
    cameras: Collection[str] | None,
    camera_encoder: PerCamera[VideoEncoderConfig] | None,
    depth_encoder: PerCamera[VideoEncoderConfig] | None,
    *,
    strided: bool,
) -> None:
    named = {*(cameras or ())}
    for given in (camera_encoder, depth_encoder):
        named.update(given if isinstance(given, Mapping) else ())
    unknown = sorted(named - source.info.videos.keys())
    if unknown:
        raise DatasetError(
            f"{source.root} does not have the video feature {', '.join(unknown)}; it has "
            f"{', '.join(source.info.videos) or 'none'}",
            path=source.root,
        )
    if not configs and not strided:
        raise DatasetError(
            f"nothing to re-encode in {source.root}: give camera_encoder, depth_encoder, resize or fps",
            path=source.root,
        )
    if strided and configs.keys() != source.info.videos.keys():
        raise DatasetError("another fps applies to all cameras; leave out cameras (--cameras)", path=source.root)
