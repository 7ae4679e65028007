"""Compare datasets before a merge, and merge their ``info.json``.

The rules follow LeRobot: ``validate_all_metadata`` and ``merge_video_feature_info_for_aggregate`` in ``datasets/aggregate.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from ffenc.dataset.format.schema import OLD_COUNTERS, DatasetInfo, Feature
from ffenc.dataset.format.video_info import DEPTH_MARKERS, LEROBOT_BACKEND, depth_markers, with_depth_markers
from ffenc.errors import Disagreements, MergeError
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.plan.concat import AGREEMENT, B_FRAMES

logger = logging.getLogger(__name__)

DATASET_RULES: Mapping[str, Callable[[DatasetInfo], object]] = MappingProxyType(
    {
        "fps": lambda info: info.fps,
        "robot_type": lambda info: info.robot_type,
        "features": lambda info: tuple(sorted(info.features)),
    }
)
"""Properties that must be equal in all datasets."""

FEATURE_RULES: Mapping[str, Callable[[Feature], object]] = MappingProxyType(
    {
        "dtype": lambda feature: feature.dtype,
        "shape": lambda feature: feature.shape,
        "names": lambda feature: feature.names,
        "is_depth_map": lambda feature: feature.is_depth,
    }
)
"""Properties of a feature that must be equal, in addition to every key of its ``info`` block that is not in `ENCODER_KEYS`."""

ENCODER_KEYS: Mapping[str, object] = MappingProxyType(
    {"video.g": None, "video.crf": None, "video.preset": None, "video.fast_decode": None, "video.extra_options": {}}
)
"""Settings that may differ, with the value that a merged dataset has in that case."""

CODEC_KEYS = frozenset({"video.codec", "video.pix_fmt", "video.channels"})
"""Keys of an ``info`` block that re-encoding can change."""

PROVED_BY_DECODING = frozenset({"extradata", "codec tag"})
"""Stream properties that may differ within a joined file if the frames decode correctly.

The headers of H.264 and HEVC hold encoder settings, and FFmpeg repeats them in the stream."""

COLOUR_TAGS = ("colour range", "colour matrix", "colour primaries", "colour transfer")
"""Stream properties that may be absent in one file of a camera and BT.601 with limited range in another."""

_BT601 = ("tv", "smpte170m", "smpte170m", "smpte170m")

_SEPARATE = frozenset({"video.video_backend", *DEPTH_MARKERS.values(), *ENCODER_KEYS})


def compare_infos(infos: Sequence[DatasetInfo]) -> Disagreements:
    """Return the properties in which the documents of datasets are incompatible."""
    found = {name: tuple(value_of(info) for info in infos) for name, value_of in DATASET_RULES.items()}
    for name in infos[0].features:
        if not all(name in info.features for info in infos):
            continue
        features = [info.features[name] for info in infos]
        found |= {f"{name}: {rule}": tuple(map(value_of, features)) for rule, value_of in FEATURE_RULES.items()}
        blocks = [feature.info or {} for feature in features]
        keys = dict.fromkeys(key for block in blocks for key in block if key not in _SEPARATE)
        found |= {f"{name}: {key}": tuple(block.get(key) for block in blocks) for key in keys}
    found = {name: values for name, values in found.items() if any(value != values[0] for value in values)}
    return found | {name: tuple(values) for name, values in _other_keys(infos).items() if len(_present(values)) > 1}


def _other_keys(infos: Sequence[DatasetInfo]) -> dict[str, list[object]]:
    """Return the values of optional keys; a key may be absent in some documents, but its values must be equal."""
    found = {
        key: [info.tools if key == "tools" else (info.model_extra or {}).get(key) for info in infos]
        for key in dict.fromkeys(["tools", *(key for info in infos for key in info.model_extra or {})])
        if key not in OLD_COUNTERS
    }
    for name in infos[0].features:
        extras = [info.features[name].model_extra or {} if name in info.features else {} for info in infos]
        found |= {
            f"{name}: {key}": [extra.get(key) for extra in extras]
            for key in dict.fromkeys(key for extra in extras for key in extra)
        }
    return found


def _distinct(values: Sequence[object]) -> list[object]:
    return [value for number, value in enumerate(values) if value not in values[:number]]


def _present(values: Sequence[object]) -> list[object]:
    """Return the distinct values that are not None."""
    return [value for value in _distinct(values) if value is not None]


def is_fixed_by_reencoding(disagreement: str) -> bool:
    """Return True if re-encoding the videos removes a disagreement of `compare_infos`."""
    return disagreement.rpartition(": ")[2] in CODEC_KEYS


def mismatches(stream: VideoStreamInfo, first: VideoStreamInfo) -> list[str]:
    """Return the properties in which a stream is incompatible with the first stream of its camera.

    `PROVED_BY_DECODING` is not compared.  Missing colour tags match BT.601 with limited range, which decoders assume for them.
    B-frames may differ under equal headers: the same settings give none to a video whose clips are too short for any.
    """
    ignored = {*PROVED_BY_DECODING, *(COLOUR_TAGS if shown_colour(stream) == shown_colour(first) else ())}
    if stream.extradata_hash == first.extradata_hash:
        ignored.add(B_FRAMES)
    return [name for name, value in AGREEMENT.items() if name not in ignored and value(stream) != value(first)]


def colour_tags(stream: VideoStreamInfo) -> tuple[object, ...]:
    """Return the colour tags of a stream, in the order of `COLOUR_TAGS`."""
    return tuple(AGREEMENT[name](stream) for name in COLOUR_TAGS)


def shown_colour(stream: VideoStreamInfo) -> tuple[object, ...]:
    """Return the colour tags that decoders assume: BT.601 for a stream without tags, or with limited range only.

    Primaries and transfer may be missing: decoders do not need them, and not every encoder writes them.
    """
    tags = colour_tags(stream)
    is_bt601 = tags[:2] in (_BT601[:2], ("tv", None), (None, None)) and set(tags[2:]) <= {tags[1], None}
    return _BT601 if is_bt601 else tags


def merge_error(disagreements: Disagreements, roots: Sequence[Path], *, remedy: str) -> MergeError:
    """Return an error that lists every disagreement with the value of each source."""
    lines = [f"  {name}: {_by_source(values, roots)}" for name, values in disagreements.items()]
    return MergeError(
        "these datasets cannot be merged, because they differ in:\n" + "\n".join(lines) + f"\n{remedy}",
        path=roots[0],
        disagreements=disagreements,
    )


def _by_source(values: Sequence[object], roots: Sequence[Path]) -> str:
    """Return each value with the datasets that have it."""
    return "; ".join(
        f"{'unspecified' if value is None else value} in "
        + ", ".join(str(root) for root, other in zip(roots, values, strict=True) if other == value)
        for value in _distinct(values)
    )


def merged_info(infos: Sequence[DatasetInfo], roots: Sequence[Path], reencoded: Collection[str] = ()) -> DatasetInfo:
    """Return the first document, with null for encoder settings in which the sources differ.

    One warning lists these settings with the value of each source.

    Args:
        infos: compatible documents.
        roots: directories of the sources, for the warning.
        reencoded: cameras whose other sources are re-encoded with the settings of the first.
    """
    merged, lost = _with_optional_keys(infos), []
    for name, feature in infos[0].features.items():
        if not feature.is_video or feature.info is None:
            continue
        block = dict(feature.info)
        others = [] if name in reencoded else [info.features[name].info or {} for info in infos[1:]]
        for key, unknown in ENCODER_KEYS.items():
            values = [each.get(key) for each in (block, *others)]
            if any(value != values[0] for value in values):
                lost.append(f"{name}: {key}: {_by_source(values, roots)}")
                block[key] = unknown
        if "video.video_backend" in block:
            block["video.video_backend"] = LEROBOT_BACKEND
        markers = depth_markers([block])
        merged = merged.with_feature_info(
            name, with_depth_markers({**block, **dict.fromkeys(markers, feature.is_depth)}, markers)
        )
    if lost:
        logger.warning(
            "the sources were encoded with different settings, so info.json has null for these: %s", "; ".join(lost)
        )
    return merged


def _with_optional_keys(infos: Sequence[DatasetInfo]) -> DatasetInfo:
    """Return the first document with the optional keys of the others."""
    merged = infos[0]
    for place, values in _other_keys(infos).items():
        name, _, key = place.rpartition(": ")
        found = _present(values)
        if found and not name:
            merged = merged.model_copy(update={key: found[0]})
        elif found:
            feature = merged.features[name].model_copy(update={key: found[0]})
            merged = merged.model_copy(update={"features": {**merged.features, name: feature}})
    return merged
