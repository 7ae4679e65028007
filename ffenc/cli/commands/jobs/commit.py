"""``ffenc jobs commit``: assemble a dataset from finished jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from ffenc.cli.commands.dataset.reencode_dataset import encode_dataset
from ffenc.cli.commands.jobs.plan import PLAN
from ffenc.cli.output.screen import Screen
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.transform.reencode_plan import plan_reencode_dataset
from ffenc.errors import InputError
from ffenc.jobs.record import job_state
from ffenc.json_text import load_json
from ffenc.regular_files import DOCUMENT_BYTES, file_path, read_regular


def run(arguments: Namespace, screen: Screen) -> None:
    """Assemble the dataset, and print the result.

    Raises:
        InputError: the plan is missing, or a job is not done.
    """
    work = file_path(arguments.work)
    root, settings = _plan(work)
    plan = plan_reencode_dataset(root, work, **settings)
    states = [(spec, job_state(spec)) for spec in plan.specs]
    waiting = [f"{spec.output} ({state.reason})" for spec, state in states if state.name != "done"]
    if waiting:
        raise InputError(
            f"{len(waiting)} of {len(states)} jobs are not done, such as {waiting[0]}; run them first (ffenc jobs run)",
            path=arguments.work,
        )
    arguments.executor = "threads"
    encode_dataset(root, settings, arguments, screen)


def _plan(work: Path) -> tuple[Path, dict[str, Any]]:
    path = work / PLAN
    try:
        settings = load_json(read_regular(path, most_bytes=DOCUMENT_BYTES))
        root = Path(settings.pop("root"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise InputError(f"{path} was not written by `ffenc jobs plan`: {err}", path=path) from err
    for name, model in (("camera_encoder", VideoEncoderConfig), ("depth_encoder", DepthEncoderConfig)):
        if settings[name] is not None:
            settings[name] = model.model_validate(settings[name])
    if settings["resize"] is not None:
        settings["resize"] = tuple(settings["resize"])
    return root, settings
