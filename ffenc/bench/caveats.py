"""Find the caveats of a sweep: missing trials and disturbed measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ffenc.bench.rows import Row, summary
from ffenc.bench.timing import QUIET_CPUS

STEADY_SPREAD = 1.25
"""Fastest round over slowest round of a trial; a larger ratio means that something else slowed the machine down."""


def caveats(rows: Sequence[Row]) -> list[str]:
    """Return one sentence for each reason not to trust the figures of a sweep; none for a complete, undisturbed one."""
    return [*_missing(rows), *_disturbed(rows)]


def _missing(rows: Sequence[Row]) -> Iterable[str]:
    states = Counter(row["status"] for row in rows)
    total = len(rows)
    if states["planned"]:
        yield f"Partial: {states['planned']} of {total} trials were not measured. Run the sweep again to continue it."
    if states["partial"]:
        yield (
            f"Partial: {states['partial']} of {total} trials lack rounds, so their medians rest on fewer samples. "
            "Run the sweep again to continue it."
        )
    if states["failed"]:
        yield f"Partial: {states['failed']} of {total} trials failed. Run the sweep again with --retry_failed."


def _disturbed(rows: Sequence[Row]) -> Iterable[str]:
    samples = [sample for row in rows for sample in row.get("timing", ())]
    others = [sample["others_cpu"] for sample in samples if _is_disturbed(sample)]
    if others:
        yield (
            f"Disturbed: during {len(others)} of {len(samples)} timed runs other programs kept more than {QUIET_CPUS} "
            f"processors busy, at most {max(others):.2f}. Their times are too high."
        )
    ratios = [one["realtime_max"] / one["realtime_min"] for one in map(summary, rows) if one["realtime_min"]]
    if unsteady := [ratio for ratio in ratios if ratio > STEADY_SPREAD]:
        yield (
            f"Disturbed: the speed of {len(unsteady)} of {len(ratios)} trials differs between rounds by more than a "
            f"factor of {STEADY_SPREAD}, at most {max(unsteady):.2f}."
        )
    for name, origins in (("machines or package versions", "machine"), ("FFmpeg builds", "ffmpeg")):
        found = {tuple(sorted(row[origins].items())) for row in rows if row["status"] != "planned"}
        if len(found) > 1:
            yield f"Mixed: the trials ran with {len(found)} different {name}; do not compare their times."


def _is_disturbed(sample: dict[str, Any]) -> bool:
    """Return whether others used more than the kernel's clock ticks, 10 ms each, can pretend in a short run."""
    others = sample.get("others_cpu")
    return others is not None and others > max(QUIET_CPUS, 2 * _TICK_S / sample["wall_s"])


_TICK_S = 0.01
