"""``ffenc reencode-dataset``: re-encode the videos of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from rich.filesize import decimal

from ffenc.cli.commands.dataset.flags import DEPTH_GROUPS
from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    ENCODER_GROUPS,
    UsageError,
    binaries_of,
    given_config,
)
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.transform.reencode import ReencodeResult, reencode_dataset
from ffenc.dataset.transform.reencode_plan import plan_reencode_dataset
from ffenc.jobs.executors import executor_from
from ffenc.jobs.run import JobProgress, jobs_at_once
from ffenc.json_text import as_json


def settings_of(arguments: Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `reencode_dataset` that the flags of `add_settings` give."""
    given = {prefix: arguments.get(prefix) for prefix in (*ENCODER_GROUPS, *DEPTH_GROUPS)}
    camera = given_config(arguments, ENCODER_GROUPS, VideoEncoderConfig)
    depth = given_config(arguments, DEPTH_GROUPS, DepthEncoderConfig)
    settings = {
        "camera_encoder": camera if any(given[prefix] for prefix in ENCODER_GROUPS) else None,
        "depth_encoder": depth if given[DEPTH_GROUPS[0]] else None,
        "cameras": arguments.cameras,
        "keep_depth": arguments.keep_depth,
        "resize": arguments.resize,
        "fps": arguments.fps,
        "encoder_threads": arguments.encoder_threads,
        "follow_links": arguments.follow_links,
    }
    if not any(settings[name] for name in ("camera_encoder", "depth_encoder", "resize", "fps")):
        raise UsageError("nothing to change; give --camera_encoder.NAME, --depth_encoder.NAME, --resize or --fps")
    return settings


def run(arguments: Namespace, screen: Screen) -> None:
    """Re-encode, and print the result."""
    settings = settings_of(arguments)
    if arguments.dry_run:
        plan = plan_reencode_dataset(arguments.root, arguments.work or Path(".ffenc-work"), **settings)
        screen.result(
            {"jobs": [spec.model_dump(mode="json", exclude_defaults=True) for spec in plan.specs]},
            pairs_table(
                [(key, as_json(config)) for key, config in plan.configs.items()], title=f"{len(plan.specs)} jobs"
            ),
        )
        return
    result = encode(arguments.root, settings, arguments, screen)
    show(result, screen)


def encode(root: Path, settings: dict[str, Any], arguments: Namespace, screen: Screen) -> ReencodeResult:
    """Re-encode on the given executor, with a progress bar."""
    with executor_from(arguments.executor, at_once=jobs_at_once([])) as workers:
        if workers.dashboard is not None:
            screen.note(f"Dask's dashboard: {workers.dashboard}")
        with job_progress(screen) as progress:
            return reencode_dataset(
                root,
                **settings,
                output=arguments.output,
                work=arguments.work,
                executor=workers.executor,
                binaries=binaries_of(arguments),
                progress=progress,
            )


@contextmanager
def job_progress(screen: Screen) -> Iterator[JobProgress | None]:
    """Show a progress bar of jobs."""
    with screen.progress("encoding", unit="videos") as report:
        yield None if report is None else lambda done, total, _result: report(done, total)


def show(result: ReencodeResult, screen: Screen) -> None:
    """Print the result."""
    before, after = result.size_before_bytes, result.size_after_bytes
    rows = [
        ("cameras", ", ".join(result.cameras)),
        ("videos", f"{result.videos} files, {decimal(before)} before, {decimal(after)} now"),
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}"),
    ]
    screen.result(as_json(result), pairs_table(rows, title=f"wrote {result.root}"))
