"""What datasets must share to be merged, and what becomes of the settings in which they may differ: rules as tables.

LeRobot: ``validate_all_metadata`` and ``merge_video_feature_info_for_aggregate`` in ``datasets/aggregate.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ffenc.dataset.format.schema import OLD_COUNTERS, DatasetInfo, Feature
from ffenc.dataset.format.video_info import DEPTH_MARKERS, LEROBOT_BACKEND, in_layout, layout_of
from ffenc.errors import MergeError
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.plan.concat import AGREEMENT

logger = logging.getLogger(__name__)

DATASET_RULES: Mapping[str, Callable[[DatasetInfo], object]] = MappingProxyType(
    {
        "fps": lambda info: info.fps,
        "robot_type": lambda info: info.robot_type,
        "features": lambda info: tuple(sorted(info.features)),
    }
)
"""What all datasets must share."""

FEATURE_RULES: Mapping[str, Callable[[Feature], object]] = MappingProxyType(
    {
        "dtype": lambda feature: feature.dtype,
        "shape": lambda feature: feature.shape,
        "names": lambda feature: feature.names,
        "is_depth_map": lambda feature: feature.is_depth,
    }
)
"""What each feature must share; beside it, every key of its ``info`` block that is not in `ENCODER_KEYS`."""

ENCODER_KEYS: Mapping[str, object] = MappingProxyType(
    {"video.g": None, "video.crf": None, "video.preset": None, "video.fast_decode": None, "video.extra_options": {}}
)
"""Settings that may differ, and what stands in a merged dataset then."""

OF_THE_CODEC = frozenset({"video.codec", "video.pix_fmt", "video.channels"})
"""Keys of an ``info`` block that re-encoding makes alike; no encoder changes the others."""

PROVED_BY_DECODING = frozenset({"extradata", "codec tag"})
"""Properties of streams in which joined files may differ, if decoding shows that a decoder copes: the headers of H.264 and
HEVC hold the settings of their encoder, and FFmpeg repeats them in the stream."""

COLOUR_TAGS = ("colour range", "colour matrix", "colour primaries", "colour transfer")
"""Properties of streams that may be missing beside BT.601 of limited range, in another file of the same camera."""

_BT601 = ("tv", "smpte170m", "smpte170m", "smpte170m")

_SEPARATE = frozenset({"video.video_backend", *DEPTH_MARKERS.values(), *ENCODER_KEYS})

Disagreements = dict[str, tuple[object, ...]]
"""For each property that differs, the value of every source."""


def compare_infos(infos: Sequence[DatasetInfo]) -> Disagreements:
    """Compare the documents of datasets by the rules."""
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
    """Keys of which some documents may know nothing, with the value of each: they are united, and only refused if unlike."""
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


def _present(values: Sequence[object]) -> list[object]:
    """The different values that are not None."""
    different: list[object] = []
    for value in values:
        if value is not None and value not in different:
            different.append(value)
    return different


def can_be_encoded_alike(disagreement: str) -> bool:
    """True if encoding the videos again takes a disagreement of `compare_infos` away."""
    return disagreement.rpartition(": ")[2] in OF_THE_CODEC


def unlike_properties(stream: VideoStreamInfo, first: VideoStreamInfo) -> dict[str, tuple[object, object]]:
    """In what a stream differs from the first one, but for `PROVED_BY_DECODING`: (its value, that of the first).

    Colour without tags is like BT.601 of limited range, because decoders take one for the other.
    """
    values = {name: (value_of(stream), value_of(first)) for name, value_of in AGREEMENT.items()}
    passed = {*PROVED_BY_DECODING, *(COLOUR_TAGS if shown_colour(stream) == shown_colour(first) else ())}
    return {name: pair for name, pair in values.items() if pair[0] != pair[1] and name not in passed}


def colour_tags(stream: VideoStreamInfo) -> tuple[object, ...]:
    """The colour tags of a stream, in the order of `COLOUR_TAGS`."""
    return tuple(AGREEMENT[name](stream) for name in COLOUR_TAGS)


def shown_colour(stream: VideoStreamInfo) -> tuple[object, ...]:
    """The colour tags that decoders assume: a stream without any, or only with limited range, is shown as BT.601.

    Decoders do not need primaries and transfer to show it, and not every encoder writes them.
    """
    tags = colour_tags(stream)
    is_bt601 = tags[:2] in (_BT601[:2], ("tv", None), (None, None)) and set(tags[2:]) <= {tags[1], None}
    return _BT601 if is_bt601 else tags


def refuse(disagreements: Disagreements, roots: Sequence[Path], *, remedy: str) -> None:
    """Raise with every disagreement and each source's value.

    Raises:
        MergeError: always.
    """
    lines = [f"  {name}: {said_by_source(values, roots)}" for name, values in disagreements.items()]
    raise MergeError(
        "these datasets cannot be merged, because they differ in:\n" + "\n".join(lines) + f"\n{remedy}",
        path=roots[0],
        disagreements=disagreements,
    )


def said_by_source(values: Sequence[object], roots: Sequence[Path]) -> str:
    """Each value with the datasets that have it."""
    names: list[tuple[object, list[str]]] = []
    for value, root in zip(values, roots, strict=True):
        known = next((each for each in names if each[0] == value), None)
        if known is None:
            names.append((value, [str(root)]))
        else:
            known[1].append(str(root))
    return "; ".join(f"{_text(value)} in {', '.join(some)}" for value, some in names)


def merged_info(
    infos: Sequence[DatasetInfo], roots: Sequence[Path], encoded_alike: Collection[str] = ()
) -> DatasetInfo:
    """The first document, with the encoder's settings of all: what they agree on is kept, the rest is null.

    One warning lists each source's value of what was lost.

    Args:
        infos: that agree by the rules, or were made to.
        roots: of the sources, for the warning.
        encoded_alike: cameras whose other sources were encoded with the settings of the first.
    """
    merged, lost = _united(infos), []
    for name, feature in infos[0].features.items():
        if not feature.is_video or feature.info is None:
            continue
        block = dict(feature.info)
        others = [] if name in encoded_alike else [info.features[name].info or {} for info in infos[1:]]
        for key, unlike in ENCODER_KEYS.items():
            values = [each.get(key) for each in (block, *others)]
            if any(value != values[0] for value in values):
                lost.append(f"{name}: {key}: {said_by_source(values, roots)}")
                block[key] = unlike
        if "video.video_backend" in block:
            block["video.video_backend"] = LEROBOT_BACKEND
        markers = layout_of([block])
        merged = merged.with_feature_info(
            name, in_layout({**block, **dict.fromkeys(markers, feature.is_depth)}, markers)
        )
    if lost:
        logger.warning(
            "the sources were encoded with different settings, which info.json cannot say; it has null for them:\n  %s",
            "\n  ".join(lost),
        )
    return merged


def _united(infos: Sequence[DatasetInfo]) -> DatasetInfo:
    """The first document with the keys that only others have."""
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


def _text(value: Any) -> str:
    return "unspecified" if value is None else str(value)
