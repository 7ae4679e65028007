"""``ffenc jobs plan``: the jobs of a re-encoding, to be run elsewhere."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from ffenc.cli.commands.dataset.reencode_dataset import add_settings, settings_of
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import Command, command_parser
from ffenc.json_text import dump_json
from ffenc.video.output import PendingFile

PLAN = "plan.json"
"""The file in the work directory that `ffenc jobs commit` reads."""

_DESCRIPTION = """\
Print the jobs that re-encoding a dataset comes to, one JSON document in each
line, for `ffenc jobs run`; nothing is encoded yet. They write into the work
directory, which all machines must see under the same name. When all are done,
`ffenc jobs commit DIR` puts the dataset together.

  ffenc jobs plan data/ --work=work/ --camera_encoder.crf=35 > jobs.jsonl
  ffenc jobs run jobs.jsonl --shard=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
  ffenc jobs commit work/ --output=smaller/"""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("jobs plan [options] ROOT --work=DIR", _DESCRIPTION)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--work", type=Path, required=True, metavar="DIR", help="where the jobs write; created if need be"
    )
    add_settings(parser)
    return Command(parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> None:
    """Write down what is to be done, and print the jobs."""
    from ffenc.dataset.transform.reencode_plan import plan_reencode_dataset

    settings = settings_of(arguments)
    work = arguments.work.absolute()
    plan = plan_reencode_dataset(arguments.root, work, **settings)
    work.mkdir(parents=True, exist_ok=True)
    document = {"root": str(arguments.root.absolute()), **settings}
    for name in ("camera_encoder", "depth_encoder"):
        if settings[name] is not None:
            document[name] = settings[name].model_dump(mode="json", exclude_unset=True)
    with PendingFile(work / PLAN, overwrite=True) as pending:
        pending.path.write_bytes(dump_json(document, indent=2))
        pending.commit()
    for spec in plan.specs:
        screen.lines(spec.to_line())
