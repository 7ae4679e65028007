"""``ffenc bench``: compare encoder settings on footage, and write reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pydantic import ValidationError
from rich.table import Table

from ffenc.bench.caveats import caveats
from ffenc.bench.equivalence import equivalents_of
from ffenc.bench.rows import Row, lerobot_csv, load_rows, summary
from ffenc.bench.run import run_sweep
from ffenc.bench.sources import SourceSpec
from ffenc.bench.sweep import SweepSpec
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    UsageError,
    binaries_of,
    encoder_config,
)
from ffenc.cli.parsing.values import load_leniently, split_list
from ffenc.jobs.executors import executor_from
from ffenc.regular_files import file_path


def run(arguments: Namespace, screen: Screen) -> None:
    """Run the sweep, and write the reports."""
    # Refuse URLs now: the sweep may take hours.
    for written in (arguments.report, arguments.csv, arguments.scratch):
        if written is not None:
            file_path(written, written=True)
    if arguments.equal_quality is not None:
        _compare(arguments, screen)
        return
    rows = load_rows(arguments.results) if arguments.sources is None else _measure(arguments, screen)
    if arguments.csv is not None:
        arguments.csv.write_text(lerobot_csv(rows), encoding="utf-8")
    if arguments.report is not None:
        from ffenc.bench.report import render  # needs Altair, as nothing else does

        equal = _equal_file(arguments.results)
        page = render(
            rows,
            crops=arguments.results.with_suffix(".crops"),
            equivalents=load_rows(equal) if equal.exists() else (),
        )
        arguments.report.write_text(page, encoding="utf-8")
    summaries = [summary(row) for row in rows]
    for caveat in caveats(rows):
        screen.note(caveat)
    screen.result({"rows": summaries}, _table(summaries))
    reasons = Counter(f"{one['status']}: {one['reason']}" for one in summaries if one["reason"])
    for reason, trials in reasons.items():
        screen.note(f"{trials} of the trials {reason}")


def _measure(arguments: Namespace, screen: Screen) -> list[Row]:
    spec = _sweep(arguments)
    with ExitStack() as stack:
        workers = None
        if arguments.executor is not None:
            workers = stack.enter_context(executor_from(arguments.executor, at_once=arguments.jobs))
        return run_sweep(
            spec,
            arguments.results,
            binaries=binaries_of(arguments),
            scratch=arguments.scratch,
            jobs=arguments.jobs,
            executor=None if workers is None else workers.executor,
            retry_failed=arguments.retry_failed,
            patience_s=arguments.patience,
            on_step=stack.enter_context(screen.steps()),
        )


def _equal_file(results: Path) -> Path:
    return results.with_suffix(".equal.jsonl")


def _compare(arguments: Namespace, screen: Screen) -> None:
    if arguments.sources is None:
        raise UsageError("--equal_quality needs footage; name it with --sources")
    with screen.steps() as on_step:
        rows = equivalents_of(
            _sweep(arguments),
            _equal_file(arguments.results),
            metric=arguments.equal_quality,
            binaries=binaries_of(arguments),
            scratch=arguments.scratch,
            on_step=on_step,
        )
    table = Table("source", "encoder", "like crf", "crf", "exact", arguments.equal_quality, "x size")
    for row in rows:
        found = [str(row.get(name, row.get("reason", ""))) for name in ("crf", "exact_crf", "likeness")]
        size = f"{row['size_bytes'] / row['reference_bytes']:.2f}" if "crf" in row else ""
        fields = " ".join(str(row["fields"][name]) for name in ("vcodec", "preset") if name in row["fields"])
        table.add_row(row["source"]["name"], fields, str(row["reference"]["crf"]), *found, size)
    screen.result({"rows": rows}, table)


def _sweep(arguments: Namespace) -> SweepSpec:
    """Return the sweep that the flags describe; all trials share the fields of ``--camera_encoder.NAME``."""
    base = encoder_config(arguments).model_dump(exclude_unset=True)
    varied = arguments.get("vary")
    vary = {} if varied is None else {name: _values(value) for name, value in varied.as_dict().items()}
    threads = [arguments.encoder_threads] if arguments.encoder_threads else [None]
    settings = {name: value for name in ("frames", "size", "fps") if (value := arguments.get(name)) is not None}
    fields: dict[str, Any] = {
        "base": base,
        "encoder_threads": vary.pop("encoder_threads", threads),
        "cameras": vary.pop("cameras", [1]),
        "vary": vary,
        "mode": arguments.mode,
        "repeats": arguments.repeats,
        "reads": arguments.reads,
        "windows": arguments.windows or {},
    }
    if arguments.measure is not None:
        fields["measure"] = arguments.measure
    try:
        fields["sources"] = [SourceSpec.of(value, **settings) for value in _values(arguments.sources)]
        return SweepSpec.model_validate(fields)
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where or 'sources'}: {first['msg']}") from err


def _values(given: Any) -> list[Any]:
    """Split ``a,b`` into values; a list is returned as it is."""
    if isinstance(given, str):
        return [load_leniently(part) for part in split_list(given)]
    if isinstance(given, Mapping):
        return [given]
    return list(given) if isinstance(given, list | tuple) else [given]


_COLUMNS = {
    "cameras": "cameras",
    "size_bytes": "bytes",
    "ssim": "SSIM",
    "vmaf": "VMAF",
    "realtime": "x real time",
    "cpu_ms_per_frame": "CPU ms/frame",
    "ffmpeg_6_frames_p50_ms": "read 6 frames ms",
}


def _table(summaries: list[dict[str, Any]]) -> Table:
    table = Table("source", "encoder", "settings")
    for title in _COLUMNS.values():
        table.add_column(title, justify="right")
    for one in summaries:
        if one["status"] in ("done", "partial"):
            figures = [_figure(one.get(name)) for name in _COLUMNS]
            table.add_row(one["source"], one["encoder"], _settings(one), *figures)
    return table


def _settings(summary: Mapping[str, Any]) -> str:
    shown = ("preset", "g", "crf", "encoder_threads")
    return " ".join(f"{name}={summary[name]}" for name in shown if summary.get(name) is not None)


def _figure(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
