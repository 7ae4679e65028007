"""Plan the re-encoding of a dataset: one job for each file, checked as far as that needs no encoding."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    """What there is to do, checked as far as that needs no encoding.

    Attributes:
        source: the dataset.
        configs: for each camera that is re-encoded, how.
        files: for each job the camera and the number of its file.
        specs: the jobs; they write into the directory that was given and depend on nothing else.
        size: (width, height) of the new pictures; None leaves it.
        every: one frame out of so many is kept.
        keep_depth: depth must come out as it was, to the bit.
    """

    source: DatasetSource
    configs: Mapping[str, VideoEncoderConfig]
    files: tuple[tuple[str, FileId], ...]
    specs: tuple[JobSpec, ...]
    size: tuple[int, int] | None
    every: int
    keep_depth: bool

    @property
    def changes_pictures(self) -> bool:
        """Frames are left out or have another size, so that recorded statistics are not theirs any more."""
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
    """The jobs of `reencode_dataset`; the arguments are the same, and ``work`` is where the jobs write.

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
    _check_cameras(source, configs, cameras, camera_encoder, depth_encoder, thinned=every > 1)
    spans = source.spans()
    thinnings = thinnings_of(spans, every) if every > 1 else {}
    files, specs = [], []
    for key, config in configs.items():
        for file in source.videos[key]:
            path = source.layout.video(key, file)
            thinning = thinnings.get((key, file))
            # Episodes begin at keyframes, so that they can be cut out again without encoding.
            starts = [first for first, _ in spans[key, file]] if thinning is None else thinning.starts
            given: dict[str, Any] = {
                "size": resize,
                "thinning": thinning,
                "key_frames": [frame for frame in starts if frame > 0] or None,
                "encoder_threads": encoder_threads,
            }
            spec = JobSpec.of(
                "reencode",
                [path],
                Path(work) / key / f"{file.chunk:03d}-{file.file:03d}{path.suffix}",
                frames_expected=None if thinning is None else thinning.count,
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
            f"{source.root} has {before} frames per second, which is not a multiple of {fps}: rows would have to be invented or "
            "lie between frames; choose a rate that divides it",
            path=source.root,
        )
    return before // fps


def _config(
    key: str, feature: Feature, given: PerCamera[VideoEncoderConfig] | None, *, needed: bool
) -> VideoEncoderConfig | None:
    """The settings for one camera; None if it stays as it is.

    Raises:
        DatasetError: its own settings are needed and cannot be used, or those given have another quantizer.
    """
    config = given.get(key) if isinstance(given, Mapping) else given
    try:
        stored = encoder_config_from_info(feature.info or {})
    except ValidationError as err:
        if config is None and needed:
            raise DatasetError(f"the settings of {key} in info.json cannot be used ({err}); give some") from err
        stored = None
    if config is None:
        return stored if needed else None
    if feature.is_depth != isinstance(config, DepthEncoderConfig):
        kind, wanted = ("depth", "DepthEncoderConfig") if feature.is_depth else ("colour", "VideoEncoderConfig")
        raise DatasetError(f"{key} is a {kind} camera; give it a {wanted}")
    if isinstance(config, DepthEncoderConfig) and isinstance(stored, DepthEncoderConfig):
        other = [
            name
            for name in QUANTIZER_FIELDS
            if config.was_given(name) and getattr(config, name) != getattr(stored, name)
        ]
        if other or config.quantizes != stored.quantizes:
            raise DatasetError(
                f"the codes of {key} were made with {', '.join(f'{n}={getattr(stored, n)}' for n in other or ['pix_fmt'])}; "
                "re-encoding does not change what a code means, so leave the quantizer as it is"
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
    thinned: bool,
) -> None:
    named = {*(cameras or ())}
    for given in (camera_encoder, depth_encoder):
        named.update(given if isinstance(given, Mapping) else ())
    unknown = sorted(named - source.info.videos.keys())
    if unknown:
        raise DatasetError(
            f"{source.root} has no video feature {', '.join(unknown)}; it has {', '.join(source.info.videos) or 'none'}",
            path=source.root,
        )
    if not configs and not thinned:
        raise DatasetError(
            f"there is nothing to do for {source.root}: give camera_encoder, depth_encoder, resize or fps",
            path=source.root,
        )
    if thinned and configs.keys() != source.info.videos.keys():
        raise DatasetError("another fps concerns all cameras; do not choose some", path=source.root)


def thinnings_of(
    spans: Mapping[tuple[str, FileId], Sequence[tuple[int, int]]], every: int
) -> dict[tuple[str, FileId], FrameStride]:
    """Which frames of each video are kept, counted from the first one of every episode; see `DatasetSource.spans`."""
    return {place: FrameStride(every=every, ranges=tuple(some)) for place, some in spans.items()}
