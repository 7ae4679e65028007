"""``ffenc reencode-dataset``: re-encode the videos of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from rich.filesize import decimal

from ffenc.cli.commands.jobs.run import job_workers
from ffenc.cli.output.results import dataset_table, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import DEPTH_GROUPS, ENCODER_GROUPS, UsageError, call, depth_config, encoder_config
from ffenc.dataset.storage.new_directory import check_new
from ffenc.dataset.transform.reencode import reencode_dataset
from ffenc.dataset.transform.reencode_plan import plan_reencode_dataset
from ffenc.json_text import as_json

_SETTINGS = ("cameras", "keep_depth", "resize", "fps", "encoder_threads", "follow_links")


def settings_of(arguments: Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `reencode_dataset` that the flags of `add_settings` give."""
    settings = {
        # None, so that depth is not re-encoded if only colour settings are given, and the other way round.
        "camera_encoder": encoder_config(arguments)
        if any(arguments.get(prefix) for prefix in ENCODER_GROUPS)
        else None,
        "depth_encoder": depth_config(arguments) if any(arguments.get(prefix) for prefix in DEPTH_GROUPS) else None,
        **{name: arguments[name] for name in _SETTINGS},
    }
    if not any(settings[name] for name in ("camera_encoder", "depth_encoder", "resize", "fps")):
        raise UsageError("nothing to change; give --camera_encoder.NAME, --depth_encoder.NAME, --resize or --fps")
    return settings


def run(arguments: Namespace, screen: Screen) -> None:
    """Re-encode, and print the result."""
    settings = settings_of(arguments)
    if not arguments.dry_run:
        encode_dataset(arguments.root, settings, arguments, screen)
        return
    if arguments.output is not None:
        check_new(arguments.output)
    plan = plan_reencode_dataset(arguments.root, arguments.work or Path(".ffenc-work"), **settings)
    screen.result(
        {"jobs": [spec.model_dump(mode="json", exclude_defaults=True) for spec in plan.specs]},
        pairs_table([(key, as_json(config)) for key, config in plan.configs.items()], title=f"{len(plan.specs)} jobs"),
    )


def encode_dataset(root: Path, settings: dict[str, Any], arguments: Namespace, screen: Screen) -> None:
    """Re-encode on the given executor, and print the result."""
    with job_workers(arguments.executor, [], screen, unit="videos") as (workers, progress):
        given = settings | {"root": root, "executor": workers.executor, "progress": progress}
        result = call(reencode_dataset, arguments, **given)
    sizes = f"{decimal(result.size_before_bytes)} before, {decimal(result.size_after_bytes)} now"
    screen.result(result, dataset_table(result, sizes, ("cameras", ", ".join(result.cameras))))
