"""Find the crf at which an encoder reaches the quality of another encoder.

The search uses parts of a clip. The result is checked on the complete clip.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from ffenc.bench.machine import Build, ffmpeg_build
from ffenc.bench.measure import encode_trial, plan_trial
from ffenc.bench.quality import measure_quality
from ffenc.bench.rows import ResultsFile, Row
from ffenc.bench.sources import Footage, materialise
from ffenc.bench.sweep import SweepSpec, Trial, merged_fields
from ffenc.encoders.spec import Quality
from ffenc.encoders.table import find_encoder
from ffenc.errors import CapabilityError, FFencError, InputError
from ffenc.ffmpeg.binaries import Binaries

Metric = Literal["ssim", "vmaf"]

PARTS, PART_FRAMES = 3, 20
"""Number of parts of a clip that are used for the search, and frames of each."""


def equivalents_of(
    spec: SweepSpec,
    results: Path,
    *,
    metric: Metric,
    binaries: Binaries,
    scratch: Path | None = None,
    on_step: Callable[[int, int, str], None] | None = None,
) -> list[Row]:
    """For every source of a sweep, find the crf of each further ``vcodec`` that equals the crf values of the first.

    All other settings have the first of their values.  The arguments are those of `ffenc.bench.run.run_sweep`, the result is
    that of `find_equivalents`.

    Raises:
        InputError: the sweep has no second ``vcodec``, or no ``crf``.
    """
    first = {name: values[0] for name, values in spec.vary.items()}
    encoders = [merged_fields(spec.base, {**first, "vcodec": value}) for value in spec.vary.get("vcodec", [])]
    crfs = spec.vary.get("crf") or [spec.base.get("crf")]
    if len(encoders) < 2 or None in crfs:
        raise InputError("equal quality needs at least two values of vcodec, and values of crf", path=results)
    with TemporaryDirectory(prefix="ffenc-bench-", dir=scratch) as directory:
        return find_equivalents(
            [materialise(source, Path(directory), binaries=binaries) for source in spec.sources],
            [{**encoders[0], "crf": crf} for crf in crfs],
            [{name: value for name, value in fields.items() if name != "crf"} for fields in encoders[1:]],
            results,
            metric=metric,
            build=ffmpeg_build(binaries),
            binaries=binaries,
            scratch=Path(directory),
            on_step=on_step,
        )


def find_equivalents(
    footages: Sequence[Footage],
    references: Sequence[Mapping[str, Any]],
    encoders: Sequence[Mapping[str, Any]],
    results: Path,
    *,
    metric: Metric,
    build: Build,
    binaries: Binaries,
    scratch: Path,
    on_step: Callable[[int, int, str], None] | None = None,
) -> list[Row]:
    """For every footage, reference and encoder, find the crf of equal quality.

    Args:
        footages: the footage to encode.
        references: configs, with ``crf``.
        encoders: configs without ``crf``.
        results: file of JSON lines; created or continued.
        metric: the quality metric.
        build: the FFmpeg build.
        binaries: the executables.
        scratch: directory for parts and videos.
        on_step: called before every search, and at the end.

    Returns:
        Rows with ``source``, ``reference``, ``fields``, ``metric``, ``target``, ``status``, and:
        ``crf``, the highest integer crf with at least the quality of the reference, on the complete clip; ``exact_crf``, the
        interpolated crf of equal quality, between this crf and the next; ``likeness`` and ``size_bytes``, quality and size
        of the complete clip at ``crf``; ``encodes``, the number of encodes of the search.
    """
    store = ResultsFile(results)
    report = on_step or (lambda *_: None)
    steps = [(f, r, e) for f in footages for r in references for e in encoders]
    keys = []
    for done, (footage, reference, fields) in enumerate(steps):
        document = [1, footage.digest, build.digest, reference, fields, metric]
        key = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
        keys.append(key)
        if key not in store.rows:
            report(done, len(steps), f"{footage.name}: {fields.get('vcodec')} like crf {reference['crf']}")
            row: Row = {"key": key, "source": footage.describe(), "reference": dict(reference), "fields": dict(fields)}
            row |= {"metric": metric, "ffmpeg": {"version": build.version, "digest": build.digest}}
            store.put(row | _search(footage, reference, fields, metric, binaries, scratch))
    report(len(steps), len(steps), "done")
    return [store.rows[key] for key in keys]


def _search(
    footage: Footage,
    reference: Mapping[str, Any],
    fields: Mapping[str, Any],
    metric: Metric,
    binaries: Binaries,
    scratch: Path,
) -> Row:
    try:
        with TemporaryDirectory(prefix="equal-", dir=scratch) as directory:
            candidate = _QualityByCrf(fields, metric, binaries, Path(directory))
            goal = _QualityByCrf(reference, metric, binaries, Path(directory))
            parts = list(_parts(footage, Path(directory)))
            crf = reference["crf"]
            target = goal.of([footage], crf)
            found = _closest(candidate, footage, parts, target=target, part_target=goal.of(parts, crf))
    except FFencError as err:
        return {"status": "refused" if isinstance(err, CapabilityError) else "failed", "reason": str(err)}
    row: Row = {"status": "done", "target": target, "reference_bytes": goal.size_bytes(footage, crf)}
    if found is None:
        return row | {"status": "failed", "reason": f"no crf reaches {metric} {target}"}
    return row | found


class _QualityByCrf:
    """Quality and size of an encoder by crf; each crf is encoded once."""

    def __init__(self, fields: Mapping[str, Any], metric: Metric, binaries: Binaries, directory: Path) -> None:
        self._fields = fields
        self._metric = metric
        self._binaries = binaries
        self._directory = directory
        self._known: dict[tuple[str, float], tuple[float, int]] = {}

    @property
    def encodes(self) -> int:
        return len(self._known)

    def of(self, footages: Sequence[Footage], crf: float) -> float:
        """Return the mean quality of some footage."""
        return float(np.mean([self._one(footage, crf)[0] for footage in footages]))

    def size_bytes(self, footage: Footage, crf: float) -> int:
        return self._one(footage, crf)[1]

    def quality_of_encoder(self, footage: Footage) -> Quality:
        """Return how the encoder takes a crf.

        Raises:
            CapabilityError: it is not known.
        """
        spec = find_encoder(plan_trial(self._trial(footage, None), binaries=self._binaries).encoder.name)
        if spec is None or spec.quality is None:
            raise CapabilityError("ffenc knows no crf option of this encoder")
        return spec.quality

    def _trial(self, footage: Footage, crf: float | None) -> Trial:
        return Trial(fields={**self._fields, "crf": crf}, encoder_threads=None, cameras=1, footage=footage)

    def _one(self, footage: Footage, crf: float) -> tuple[float, int]:
        place = (footage.digest, crf)
        if place not in self._known:
            (fed,) = encode_trial(self._trial(footage, crf), self._directory, binaries=self._binaries).cameras
            value = getattr(measure_quality(fed.result, footage, binaries=self._binaries), self._metric)
            if value is None:
                raise CapabilityError(f"this FFmpeg cannot measure {self._metric}; compare by ssim")
            self._known[place] = float(value), fed.result.size_bytes
        return self._known[place]


def _closest(
    candidate: _QualityByCrf, footage: Footage, parts: Sequence[Footage], *, target: float, part_target: float
) -> Row | None:
    """Bisect the range of crf on the parts, then adjust the crf on the complete clip; None if no crf reaches the target."""
    quality = candidate.quality_of_encoder(footage)
    lowest, highest = (int(end) for end in quality.crf)
    low, high = max(lowest, int(quality.unset_below), 1), highest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if candidate.of(parts, middle) >= part_target else (low, middle)
    crf = low
    while crf < highest and candidate.of([footage], crf + 1) >= target:
        crf += 1
    while candidate.of([footage], crf) < target:
        if crf <= lowest:
            return None
        crf -= 1
    here = candidate.of([footage], crf)
    exact = float(crf)
    if crf < highest:
        there = candidate.of([footage], crf + 1)
        exact += (here - target) / (here - there)
    return {
        "crf": crf,
        "exact_crf": round(exact, 2),
        "likeness": here,
        "size_bytes": candidate.size_bytes(footage, crf),
        "encodes": candidate.encodes,
    }


def _parts(footage: Footage, directory: Path) -> Iterator[Footage]:
    """Yield parts of a clip, each as its own footage: concatenated, they would have cuts that the clip lacks."""
    if footage.count <= PARTS * PART_FRAMES:
        yield footage
        return
    frames = footage.frames
    for number, first in enumerate(np.linspace(0, footage.count - PART_FRAMES, PARTS).astype(int)):
        path = directory / f"part-{number}.raw"
        frames[first : first + PART_FRAMES].tofile(path)
        yield replace(footage, path=path, count=PART_FRAMES, digest=f"{footage.digest}-{number}")
