"""``ffenc jobs plan``: print the jobs that re-encode a dataset."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.commands.dataset.reencode_dataset import settings_of
from ffenc.cli.output.screen import Screen
from ffenc.dataset.transform.reencode_plan import plan_reencode_dataset
from ffenc.json_text import dump_json
from ffenc.regular_files import file_path
from ffenc.video.output import PendingFile

PLAN = "plan.json"
"""The file in the work directory that `ffenc jobs commit` reads."""


def run(arguments: Namespace, screen: Screen) -> None:
    """Write the plan into the work directory, and print the jobs."""
    settings = settings_of(arguments)
    work = file_path(arguments.work, written=True).absolute()
    plan = plan_reencode_dataset(arguments.root, work, **settings)
    work.mkdir(parents=True, exist_ok=True)
    document = {"root": str(arguments.root.absolute()), **settings}
    for name in ("camera_encoder", "depth_encoder"):
        if settings[name] is not None:
            document[name] = settings[name].model_dump(mode="json", exclude_unset=True)
    with PendingFile(work / PLAN, overwrite=True) as pending:
        pending.path.write_bytes(dump_json(document, indent=True))
        pending.commit()
    for spec in plan.specs:
        screen.lines(spec.to_line())
