"""``ffenc reencode-dataset``: the videos of a dataset re-encoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from rich.filesize import decimal

from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen, plain
from ffenc.cli.parsing.arguments import (
    ENCODER_GROUPS,
    Command,
    UsageError,
    add_config_flags,
    add_encoder_flags,
    add_follow_links_flag,
    add_output_flag,
    binaries_of,
    command_parser,
    given_config,
)
from ffenc.cli.parsing.values import executor_name, names, picture_size, positive
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.jobs.executors import executor_from
from ffenc.jobs.run import JobProgress, jobs_at_once

DEPTH_GROUPS = ("depth_encoder",)

_DESCRIPTION = """\
Re-encode the videos of a LeRobot dataset, into a new dataset or, without
--output, in place: all or nothing, in one step at the end. Every file is read
back and must have the frames of the old one; info.json says what was measured.
Depth must come out as it was, to the bit, unless --keep_depth=false."""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("reencode-dataset [options] ROOT [--output=OUTPUT]", _DESCRIPTION)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    add_output_flag(
        parser, required=False, help_text="directory of the new dataset; without it the videos are replaced in place"
    )
    add_settings(parser)
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keep finished files there, so that a run that was stopped goes on"
    )
    parser.add_argument(
        "--executor",
        type=executor_name,
        default="threads",
        metavar="NAME",
        help="threads, processes or dask, also with a number of workers (threads:4), or dask://host:port "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--dry_run", "--dry-run", action="store_true", help="check the settings, list the jobs, and write nothing"
    )
    return Command(parser=parser, run=run)


def add_settings(parser: ArgumentParser) -> None:
    """Flags that say how the videos are to be."""
    parser.add_argument("--cameras", type=names, metavar="NAMES", help="only these features (default: all)")
    parser.add_argument(
        "--resize", type=picture_size, metavar="WxH", help="scale all pictures; depth takes the nearest pixel"
    )
    parser.add_argument(
        "--fps", type=positive, metavar="N", help="a slower rate that divides the present one; rows are left out too"
    )
    parser.add_argument(
        "--keep_depth", type=bool, default=True, metavar="BOOL", help="depth must be exact (default: true)"
    )
    add_follow_links_flag(parser)
    add_encoder_flags(parser)
    add_config_flags(parser, DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig)


def settings_of(arguments: Namespace) -> dict[str, Any]:
    """Keyword arguments of `reencode_dataset`, from `add_settings`."""
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
        raise UsageError("say what is to be done: --camera_encoder.NAME, --depth_encoder.NAME, --resize or --fps")
    return settings


def run(arguments: Namespace, screen: Screen) -> None:
    """Encode, and say what was made."""
    from ffenc.dataset.transform.reencode_plan import plan_reencode_dataset

    settings = settings_of(arguments)
    if arguments.dry_run:
        plan = plan_reencode_dataset(arguments.root, arguments.work or Path(".ffenc-work"), **settings)
        screen.result(
            {"jobs": [spec.model_dump(mode="json", exclude_defaults=True) for spec in plan.specs]},
            pairs_table(
                [(key, plain(config)) for key, config in plan.configs.items()], title=f"{len(plan.specs)} jobs"
            ),
        )
        return
    result = encode(arguments.root, settings, arguments, screen)
    show(result, screen)


def encode(root: Path, settings: dict[str, Any], arguments: Namespace, screen: Screen) -> Any:
    """Encode on the executor that was asked for, with a progress bar."""
    from ffenc.dataset.transform.reencode import reencode_dataset

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
    """A progress bar over jobs."""
    with screen.progress("encoding", unit="videos") as report:
        yield None if report is None else lambda done, total, _result: report(done, total)


def show(result: Any, screen: Screen) -> None:
    """Say what was made."""
    before, after = result.size_before_bytes, result.size_after_bytes
    rows = [
        ("cameras", ", ".join(result.cameras)),
        ("videos", f"{result.videos} files, {decimal(before)} before, {decimal(after)} now"),
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}"),
    ]
    screen.result(plain(result), pairs_table(rows, title=f"wrote {result.root}"))
